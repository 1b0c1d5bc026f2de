#!/usr/bin/env bash
# One store folder, passed back and forth between Apache's store and ours, after clean stops and after crashes. Both must
# show the same messages at the same offsets at every step.
#
#   ROCKETMQ_CLASSPATH=<jars of rocketmq-store and what it needs> tests/crash/java_store.sh <path to store_tool>
set -u
here=$(cd "$(dirname "$0")" && pwd)
tool=${1:?path to store_tool}
: "${ROCKETMQ_CLASSPATH:?class path of rocketmq-store}"
work=$(mktemp -d "${TMPDIR:-/tmp}/java_store.XXXXXX")
javac -nowarn -cp "$ROCKETMQ_CLASSPATH" -d "$work/classes" "$here/java/JavaStore.java" 2>&1 | grep -v '^Note' || true

java_store() { java -Xmx512m -Duser.home="$work/home" -cp "$work/classes:$ROCKETMQ_CLASSPATH" JavaStore "$@" 2>>"$work/java.err"; }
ours() { "$tool" "$@" 2>>"$work/ours.err"; }

failures=0
next=0
# pass WRITER END READER END: the writer appends, the reader must show everything; then both dumps must agree.
pass() {
  local writer=$1 write_end=$2 reader=$3 read_end=$4 count=$((500 + RANDOM % 1500))
  "$writer" "$work/store" append $next $count "$write_end" >"$work/append.out" || { echo "FAIL: $writer append"; cat "$work/append.out"; failures=$((failures + 1)); return; }
  next=$((next + count))
  "$reader" "$work/store" dump "$read_end" >"$work/$reader.out"
  local other=ours; [ "$reader" = ours ] && other=java_store
  "$other" "$work/store" dump close >"$work/$other.out"
  local shown; shown=$(grep -c '^MESSAGE' "$work/$reader.out")
  if [ "$shown" = "$next" ] && cmp -s <(grep -v ' T.* 0 0$' "$work/ours.out") <(grep -v ' T.* 0 0$' "$work/java_store.out"); then
    echo "ok   $writer($write_end) -> $reader($read_end): $shown messages"
  else
    echo "FAIL $writer($write_end) -> $reader($read_end): $shown of $next messages; see $work"
    diff "$work/ours.out" "$work/java_store.out" | head -5
    failures=$((failures + 1))
  fi
}
pass ours close java_store close
pass java_store close ours close
pass ours halt java_store halt
pass java_store halt ours halt
pass ours halt java_store close
pass java_store halt ours close
pass ours close ours halt
pass java_store close java_store halt
# Queues gone: both build them again from the log.
rm -rf "$work/store/consumequeue"
pass ours close java_store close
rm -rf "$work/store/consumequeue"
pass java_store close ours close
[ $failures = 0 ] && rm -rf "$work"
exit $failures
