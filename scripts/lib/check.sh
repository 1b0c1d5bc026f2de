# check: what a reviewer would find by machine. Steps: format, headers, tidy, core, asan, tsan.

# The C++ files of the project; with `changed`, those that differ from the main branch's last commit or are new.
cpp_files() {
  if [ "${1:-}" = changed ]; then
    { git diff --name-only --diff-filter=d HEAD && git ls-files -o --exclude-standard; } | grep -E '\.(cpp|h)$' || true
  else
    git ls-files -co --exclude-standard | grep -E '\.(cpp|h)$' | while read -r file; do [ -f "$file" ] && echo "$file"; done
  fi
}

check_format() {
  need_check
  cpp_files | xargs -r -n 40 clang-format-19 --dry-run --Werror
}

check_headers() { python3 -B tests/tidy/tidy.py . headers g++ && python3 -B tests/tidy/tidy.py . headers clang++-19; }

# clang-tidy on the files that changed, or on all with --all; it needs the compile commands of a configured build.
check_tidy() {
  need_check
  cmake --preset clang >build/clang.configure.log 2>&1 || {
    cat build/clang.configure.log >&2
    return 1
  }
  local which=changed files
  [ "${check_all_files:-}" = 1 ] && which=all
  files=$(cpp_files $which | grep '\.cpp$' | while read -r file; do
    if grep -qF "$root/$file\"" build/clang/compile_commands.json; then echo "$file"; fi
  done)
  if [ -z "$files" ]; then
    say "no source file changed; tidy --all looks at every one"
    return 0
  fi
  say "$(wc -l <<<"$files") files"
  xargs -r -P "$(job_count)" -n 1 clang-tidy-19 -p build/clang --quiet <<<"$files" 2>build/clang-tidy.err
}

# Instructions and allocations per message against the accepted values.
check_core() {
  build_preset release core_path
  python3 -B scripts/lib/core_path.py --check
}

# All tests under a sanitizer. The suppressions name what a library does and why that is no bug of ours.
check_sanitizer() {
  local preset=$1
  build_preset "$preset"
  ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:abort_on_error=0 \
  UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
  TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions="$root/scripts/lib/tsan.supp" \
    ctest --test-dir "build/$preset" -j "$(job_count)" --output-on-failure --no-tests=error -E '^tidy_' --timeout 900
}
check_asan() { check_sanitizer asan && check_attacks asan ''; }
# One attack keeps every handler busy side by side; the others are sequential and would show the race detector nothing.
check_tsan() { check_sanitizer tsan && check_attacks tsan everything_at_once; }

# The attacks from outside on programs built with a sanitizer: a report in a log is a failed attack.
check_attacks() {
  local bin=build/$1/bin
  ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
  TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions="$root/scripts/lib/tsan.supp" \
    python3 -B tests/hostile/attack.py --broker "$bin/merlin-broker" --namesrv "$bin/merlin-namesrv" --patience 6 --only "$2"
}

verb_check() {
  local steps=() name failed=() started
  for name in "$@"; do
    case $name in
      format | headers | tidy | core | asan | tsan) steps+=("$name") ;;
      --all) check_all_files=1 ;;
      *) fail "unknown step '$name': format, headers, tidy [--all], core, asan, tsan" ;;
    esac
  done
  [ ${#steps[@]} -eq 0 ] && steps=(format headers tidy core asan tsan)
  need_build
  need_check
  mkdir -p build
  for name in "${steps[@]}"; do
    step "check $name"
    started=$SECONDS
    # In a subshell, so that one step that fails does not hide the others.
    if (set -e; "check_$name"); then
      say "$name: good ($((SECONDS - started)) s)"
    else
      failed+=("$name")
      say "$name: FAILED ($((SECONDS - started)) s)"
    fi
  done
  say ""
  say "$((${#steps[@]} - ${#failed[@]})) passed, ${#failed[@]} failed"
  [ ${#failed[@]} -eq 0 ]
}
