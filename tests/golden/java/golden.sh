#!/usr/bin/env bash
# golden.sh write       writes ../data/*.tsv with the classes of Apache RocketMQ
# golden.sh verify DIR  checks the bytes that `MERLIN_GOLDEN_OUT=DIR golden_test` left in DIR with the same classes
#
# GOLDEN_CLASSPATH may name the class path; otherwise Maven resolves it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "${GOLDEN_CLASSPATH:-}" ]; then
  mvn -q -B -f "$here/pom.xml" dependency:build-classpath -Dmdep.outputFile="$work/classpath"
  GOLDEN_CLASSPATH=$(cat "$work/classpath")
fi
javac -nowarn -d "$work" -cp "$GOLDEN_CLASSPATH" "$here"/*.java
run=(java -Duser.home="$work" -cp "$work:$GOLDEN_CLASSPATH")
case "${1:-}" in
  write) "${run[@]}" Golden "$here/../data" ;;
  verify) "${run[@]}" Verify "$here/../data" "$2" ;;
  *) sed -n '2,5p' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
