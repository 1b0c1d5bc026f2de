verb_install() {
  local group
  [ $# -eq 0 ] && set -- build test check
  for group in "$@"; do
    case $group in
      build | check) "need_$group" ;;
      test) need_test && need_clients ;;
      *) fail "unknown group '$group': build, test, check" ;;
    esac
  done
  say "everything for $* is there"
}
