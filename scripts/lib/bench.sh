# bench: the load tool against a broker that is started for it, or against two in turns; core: instructions and
# allocations per message; restart and queues: what the store costs as it grows; sync: what SYNC_FLUSH costs.

verb_bench() {
  local mode=single
  case ${1:-} in
    compare)
      mode=compare
      shift
      ;;
    restart | queues | sync)
      mode=$1
      shift
      ;;
    core)
      shift
      need_build
      step "build release"
      build_preset release core_path
      step "bench core"
      python3 -B scripts/lib/core_path.py "$@"
      return
      ;;
  esac
  # Help needs no build.
  case " $* " in
    *" --help "* | *" -h "*)
      case $mode in
        restart | queues) python3 -B scripts/lib/store_bench.py "$mode" "$@" ;;
        sync) python3 -B scripts/lib/sync_bench.py sync "$@" ;;
        *) python3 -B scripts/lib/bench.py "$mode" "$@" ;;
      esac
      return
      ;;
  esac
  need_build
  step "build release"
  build_preset release merlin-bench merlin-broker
  step "bench"
  case $mode in
    restart | queues)
      python3 -B scripts/lib/store_bench.py "$mode" "$@"
      return
      ;;
    sync)
      python3 -B scripts/lib/sync_bench.py sync "$@"
      return
      ;;
  esac
  python3 -B scripts/lib/bench.py "$mode" "$@"
}
