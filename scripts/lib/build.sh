verb_build() {
  local preset=${1:-release}
  [ $# -gt 0 ] && shift
  case $preset in
    release | dev | asan | tsan | clang | fuzz) ;;
    *) fail "unknown preset '$preset': release, dev, asan, tsan, clang, fuzz" ;;
  esac
  need_build
  step "build $preset"
  build_preset "$preset" "$@"
  say "programs: build/$preset/bin/"
}
