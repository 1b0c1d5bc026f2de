# bench: the load tool against a broker that is started for it, or against two in turns; core: instructions and
# allocations per message; micro: the hot pieces one by one; java: Apache's own benchmark programs; restart and queues:
# what the store costs as it grows; sync: what SYNC_FLUSH costs; sparse: the slowest delivery at sparse traffic.

verb_bench() {
  local mode=single script targets=(merlin-bench merlin-broker merlin-namesrv)
  case ${1:-} in
    compare | restart | queues | sync | java | sparse | core | micro)
      mode=$1
      shift
      ;;
  esac
  case $mode in
    restart | queues) script=(store_bench.py "$mode") ;;
    sync) script=(sync_bench.py sync) ;;
    java) script=(java_bench.py) ;;
    sparse) script=(sparse_bench.py) ;;
    core) script=(core_path.py) targets=(core_path) ;;
    micro) targets=(micro_bench) ;;
    *) script=(bench.py "$mode") ;;
  esac
  # Help needs no build.
  case " $mode $* " in
    *" core "* | *" micro "*) ;;
    *" --help "* | *" -h "*)
      python3 -B "scripts/lib/${script[0]}" "${script[@]:1}" "$@"
      return
      ;;
  esac
  need_build
  case $mode in java | sparse) need_test ;; esac
  step "build release"
  build_preset release "${targets[@]}"
  if [ "$mode" = sparse ]; then
    step "build the Java client rig"
    CLIENT_CLASSPATH=$(out=$root/build/conformance && . tests/conformance/lib.sh && build_client 5.5 && echo "$classpath")
    export CLIENT_CLASSPATH
  fi
  step "bench"
  if [ "$mode" = micro ]; then
    build/release/bin/micro_bench "$@"
    return
  fi
  python3 -B "scripts/lib/${script[0]}" "${script[@]:1}" "$@"
}
