# test: everything that decides whether this tree is good. Its last line is "N passed, N failed".

verb_test() {
  local fast=
  case ${1:-} in
    '') ;;
    --fast) fast=1 ;;
    *) fail "test takes --fast, not '$1'" ;;
  esac
  need_build
  [ -z "$fast" ] && need_test
  local started=$SECONDS passed=0 failed=0 skipped=0 status=0
  mkdir -p build

  step "build release"
  build_preset release

  step "unit, golden, model, crash and tidy tests"
  local results=$root/build/release/ctest-results.xml step_started=$SECONDS
  rm -f "$results"
  # Two jobs even on one core: crash and timing tests mostly wait.
  ctest --test-dir build/release -j "$(job_count)" --output-on-failure --no-tests=error --output-junit "$results" \
    --test-output-size-passed 4000000 --test-output-size-failed 4000000 >build/release/ctest.log 2>&1 || status=1
  local counts
  counts=$(python3 scripts/lib/count_tests.py ctest "$results") || status=1
  read -r passed failed skipped <<<"${counts:-0 1 0}"
  if [ "$failed" -gt 0 ] || [ $status -ne 0 ]; then grep -vE '^ *Start +[0-9]+:' build/release/ctest.log | tail -n 300; fi
  say "ctest: $passed passed, $failed failed, $skipped skipped in $((SECONDS - step_started)) s"

  if [ -z "$fast" ] && [ -x tests/conformance/run ]; then
    step "conformance: the real Java clients, and Apache's broker as the model"
    step_started=$SECONDS
    local log=$root/build/conformance.log conformance_status=0
    tests/conformance/run >"$log" 2>&1 </dev/null || conformance_status=$?
    if [ $conformance_status -ne 0 ]; then
      status=1
      tail -n 200 "$log"
    fi
    counts=$(python3 scripts/lib/count_tests.py log "$log" "$conformance_status") || status=1
    local p f s
    read -r p f s <<<"${counts:-0 1 0}"
    say "conformance: $p passed, $f failed, $s skipped in $((SECONDS - step_started)) s"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  fi

  # A step that broke without a failed test still is a failure, and must not read as a success.
  if [ $status -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
  say "all of it took $((SECONDS - started)) s"
  say ""
  say "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" -eq 0 ]
}
