#!/usr/bin/env bash
# check.sh DIR  compares DIR/expected.txt with what Apache's managers read from DIR/config.
#
# GOLDEN_CLASSPATH may name the class path (it needs rocketmq-broker); otherwise Maven resolves it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "${GOLDEN_CLASSPATH:-}" ]; then
  sed 's/rocketmq-store/rocketmq-broker/' "$here/../java/pom.xml" >"$work/pom.xml"
  mvn -q -B -f "$work/pom.xml" dependency:build-classpath -Dmdep.outputFile="$work/classpath"
  GOLDEN_CLASSPATH=$(cat "$work/classpath")
fi
javac -nowarn -d "$work" -cp "$GOLDEN_CLASSPATH" "$here"/ReadMeta.java
java -Duser.home="$work" -Drocketmq.home.dir="$work" -cp "$work:$GOLDEN_CLASSPATH" ReadMeta "$1" >"$work/actual.txt" 2>"$work/log" ||
  { cat "$work/log" >&2; exit 1; }
diff -u "$1/expected.txt" "$work/actual.txt" && echo "$(wc -l <"$work/actual.txt") lines equal"
