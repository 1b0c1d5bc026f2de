#!/usr/bin/env bash
# oracle.sh write                       writes ../data/sql92.tsv: seed 92, 10 000 pairs of expression and properties
# oracle.sh check [SEEDS] [PAIRS] [TEST] compares with other seeds (default "1 2 3 4 5", 20000 pairs each);
#                                       TEST is the golden_test to run, default build/release/bin/golden_test
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
javac -nowarn -encoding UTF-8 -d "$work" -cp "$GOLDEN_CLASSPATH" "$here"/FilterOracle.java
oracle() { java -Duser.home="$work" -cp "$work:$GOLDEN_CLASSPATH" FilterOracle "$@"; }
case "${1:-}" in
  write) oracle 92 10000 4 "$here/../data/sql92.tsv" ;;
  check)
    test=${4:-$here/../../../build/release/bin/golden_test}
    for seed in ${2:-1 2 3 4 5}; do
      oracle "$seed" "${3:-20000}" 3 "$work/$seed.tsv"
      MERLIN_SQL92_PAIRS="$work/$seed.tsv" "$test" --gtest_brief=1 --gtest_filter='Sql92Golden.*'
    done ;;
  *) sed -n '2,6p' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
