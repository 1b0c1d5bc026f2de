# fuzz: every fuzz target for a while, from its corpus; a crash leaves its input in build/fuzz/crashes.

verb_fuzz() {
  local seconds=30 started
  case ${1:-} in
    '' | *[!0-9]*) ;;
    *)
      seconds=$1
      shift
      ;;
  esac
  need_build
  need_check
  step "build fuzz"
  local target name failed=0 passed=0
  local -a chosen=("$@") found=() targets=()
  mkdir -p build
  cmake --preset fuzz >build/fuzz.configure.log 2>&1 || fail "cmake --preset fuzz failed: build/fuzz.configure.log"
  # Only the fuzz targets: the rest of the tree would take minutes under the sanitizers.
  mapfile -t targets < <(ninja -C build/fuzz -t targets all | grep -oE '^fuzz_[a-z_]+: phony' | cut -d: -f1 | grep -v '^fuzz_corpus')
  [ ${#targets[@]} -eq 0 ] && fail "the fuzz preset has no fuzz targets"
  build_preset fuzz "${targets[@]}"
  for target in build/fuzz/bin/fuzz_*; do
    name=$(basename "$target")
    case $name in fuzz_corpus_*) continue ;; esac
    [ -x "$target" ] && found+=("${name#fuzz_}")
  done
  [ ${#found[@]} -eq 0 ] && fail "no fuzz target was built (build/fuzz/bin/fuzz_*)"
  [ ${#chosen[@]} -eq 0 ] && chosen=("${found[@]}")
  mkdir -p build/fuzz/crashes
  for name in "${chosen[@]}"; do
    [ -x "build/fuzz/bin/fuzz_$name" ] || fail "no fuzz target '$name'; there are: ${found[*]}"
    step "$name for $seconds s"
    started=$SECONDS
    mkdir -p "build/fuzz/corpus/$name"
    local -a seeds=()
    [ -d "tests/fuzz/corpus/$name" ] && seeds=("tests/fuzz/corpus/$name")
    # New inputs go to the build folder; the committed corpus is only read.
    if "build/fuzz/bin/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
      -artifact_prefix="build/fuzz/crashes/$name-" "build/fuzz/corpus/$name" ${seeds[@]+"${seeds[@]}"} >"build/fuzz/$name.log" 2>&1; then
      passed=$((passed + 1))
      grep -E 'stat::number_of_executed_units|stat::new_units_added' "build/fuzz/$name.log" || true
    else
      failed=$((failed + 1))
      tail -n 60 "build/fuzz/$name.log"
      say "$name FAILED; its input is in build/fuzz/crashes, its log in build/fuzz/$name.log"
    fi
    say "$name took $((SECONDS - started)) s"
  done
  say ""
  say "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
}
