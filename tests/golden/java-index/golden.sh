#!/usr/bin/env bash
# golden.sh write       writes index.tsv with the IndexService of Apache RocketMQ
# golden.sh verify DIR  asks the files that `MERLIN_GOLDEN_OUT=DIR store_index_test` left in DIR with the same class
#
# GOLDEN_CLASSPATH may name the class path; otherwise Maven resolves it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "${GOLDEN_CLASSPATH:-}" ]; then
  mvn -q -B -f "$here/../java/pom.xml" dependency:build-classpath -Dmdep.outputFile="$work/classpath"
  GOLDEN_CLASSPATH=$(cat "$work/classpath")
fi
javac -nowarn -d "$work" -cp "$GOLDEN_CLASSPATH" "$here"/*.java
run=(java -Xmx256m -Duser.home="$work" -Djava.io.tmpdir="$work" -cp "$work:$GOLDEN_CLASSPATH" IndexGolden)
case "${1:-}" in
  write) "${run[@]}" write "$here/index.tsv" ;;
  verify) "${run[@]}" verify "$here/index.tsv" "$2" ;;
  *) sed -n '2,5p' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
