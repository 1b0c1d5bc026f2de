# bench: the load tool against a broker that is started for it, or against two in turns.

verb_bench() {
  local mode=single
  case ${1:-} in
    compare)
      mode=compare
      shift
      ;;
  esac
  need_build
  step "build release"
  build_preset release merlin-bench merlin-broker
  step "bench"
  python3 -B scripts/lib/bench.py "$mode" "$@"
}
