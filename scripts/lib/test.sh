# test: everything that decides whether this tree is good. Its last line is "N passed, N failed".

test_passed=0 test_failed=0 test_skipped=0

# add_counts NAME SECONDS "PASSED FAILED SKIPPED"
add_counts() {
  local p f s
  read -r p f s <<<"${3:-0 1 0}"
  say "$1: $p passed, $f failed, $s skipped in $2 s"
  test_passed=$((test_passed + p)) test_failed=$((test_failed + f)) test_skipped=$((test_skipped + s))
}

# logged_suite NAME COMMAND...: a suite that prints closing lines of its own; its log is shown when something failed.
logged_suite() {
  begin_suite "$@"
  end_suite "$1"
}

# begin_suite NAME COMMAND...: the same, beside what comes next, until end_suite NAME. For suites that mostly wait.
declare -A suite_pid suite_started
begin_suite() {
  local name=$1
  shift
  suite_started[$name]=$SECONDS
  "$@" >"$root/build/test-$name.log" 2>&1 </dev/null &
  suite_pid[$name]=$!
}

end_suite() {
  local name=$1 log=$root/build/test-$1.log started=${suite_started[$1]} status=0 counts
  wait "${suite_pid[$name]}" || status=$?
  unset "suite_pid[$name]"
  counts=$(python3 -B scripts/lib/count_tests.py log "$log" "$status") || counts="0 1 0"
  case $counts in
    *' 0 '*) ;;
    *) grep -vE '^PASS ' "$log" | tail -n 100 ;;
  esac
  add_counts "$name" $((SECONDS - started)) "$counts"
}

ctest_suite() {
  local results=$root/build/release/ctest-results.xml log=build/release/ctest.log started=$SECONDS status=0 counts
  rm -f "$results"
  ctest --test-dir build/release -j "$(job_count)" --output-on-failure --no-tests=error --output-junit "$results" \
    --test-output-size-passed 40000000 --test-output-size-failed 40000000 >"$log" 2>&1 || status=1
  counts=$(python3 -B scripts/lib/count_tests.py ctest "$results") || counts="0 1 0"
  # A run that broke without a failed test still is a failure, and must not read as a success.
  case "$status $counts" in
    "1 "*" 0 "*) counts="0 1 0" ;;
  esac
  if [ $status -ne 0 ]; then grep -vE '^ *Start +[0-9]+:| Passed +[0-9.]+ sec' "$log" | tail -n 300; fi
  add_counts ctest $((SECONDS - started)) "$counts"
}

# One store folder passed between Apache's store classes and ours.
java_store_suite() {
  local log=$root/build/java-store.out status=0
  ROCKETMQ_CLASSPATH=$(scripts/apache/broker --classpath) tests/crash/java_store.sh "$root/build/release/bin/store_tool" >"$log" 2>&1 || status=$?
  cat "$log"
  [ $status -ne 0 ] && ! grep -q '^FAIL' "$log" && echo "FAIL: ended with status $status" >>"$log"
  echo "$(grep -c '^ok' "$log" || true) passed, $(grep -c '^FAIL' "$log" || true) failed"
  return $status
}

verb_test() {
  local fast=
  case ${1:-} in
    '') ;;
    --fast) fast=1 ;;
    *) fail "test takes --fast, not '$1'" ;;
  esac
  local started=$SECONDS
  # A suite that is interrupted leaves none behind.
  trap 'kill "${suite_pid[@]}" 2>/dev/null || true' EXIT
  trap 'exit 130' INT TERM
  need_build
  [ -z "$fast" ] && need_test && need_clients
  mkdir -p build

  step "build release"
  build_preset release
  step "unit, golden, model, crash and house-rule tests"
  ctest_suite
  step "attacks from outside on the two programs"
  logged_suite hostile python3 -B tests/hostile/attack.py --broker build/release/bin/merlin-broker \
    --namesrv build/release/bin/merlin-namesrv
  if [ -z "$fast" ]; then
    step "conformance: real Java clients, 5.5 and 4.9"
    logged_suite conformance tests/conformance/run
    step "conformance: the Go client and the Node client"
    begin_suite go tests/conformance/go/run
    begin_suite node tests/conformance/node/run
    end_suite node
    step "mqadmin against Apache's broker and ours, outputs compared"
    logged_suite admin-shapes env OTHER_BROKER_CMD="$root/scripts/apache/broker" tests/conformance/admin-shapes/run
    end_suite go
    step "Apache's own integration tests"
    logged_suite upstream tests/conformance/upstream/run
    step "system calls of the broker that fail"
    logged_suite syscalls tests/crash/syscalls/run
    step "kill -9 under mixed load, both flush modes, both queue indexes"
    logged_suite kill9 tests/crash/kill9/run --cycles 16 --seed 20260103
    step "kill -9 under load of Java clients, both flush modes"
    logged_suite kill9-async tests/crash/java-kill9/run 4 20260101 ASYNC_FLUSH
    logged_suite kill9-sync tests/crash/java-kill9/run 4 20260102 SYNC_FLUSH
    step "brokers that end and come back while consumers join, leave and are killed"
    logged_suite chaos tests/chaos/run --seconds 15 --seed 20260104
    step "one store directory, Apache's broker and ours in turns"
    logged_suite store-exchange env OTHER_BROKER_CMD="$root/scripts/apache/broker" tests/conformance/store-exchange/run
    logged_suite java-store java_store_suite
  fi

  say ""
  say "all of it took $((SECONDS - started)) s"
  say "$test_passed passed, $test_failed failed, $test_skipped skipped"
  [ "$test_failed" -eq 0 ]
}
