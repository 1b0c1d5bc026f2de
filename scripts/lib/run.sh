# run: nameserver and broker in the background on 127.0.0.1, data under ./data, by pid files.

data_dir=$root/data

# pid_of PROGRAM: prints the pid when the program of that pid file still runs (the executable is checked: pids are reused).
pid_of() {
  local file=$data_dir/$1.pid pid
  [ -s "$file" ] || return 1
  pid=$(<"$file")
  [ "$(basename "$(readlink "/proc/$pid/exe" 2>/dev/null || true)" | cut -d' ' -f1)" = "$1" ] || return 1
  echo "$pid"
}

stop_program() {
  local pid
  if ! pid=$(pid_of "$1"); then
    rm -f "$data_dir/$1.pid"
    return 0
  fi
  kill -TERM "$pid"
  local deadline=$((SECONDS + 30))
  while kill -0 "$pid" 2>/dev/null; do
    [ $SECONDS -ge $deadline ] && fail "$1 (pid $pid) did not stop within 30 s; its log is data/$1.log"
    sleep 0.1
  done
  rm -f "$data_dir/$1.pid"
  say "stopped $1 (pid $pid)"
}

# write_conf NAME LINES...: data/NAME.conf = our commented defaults, then what a local run needs. Kept once it is there.
write_conf() {
  local name=$1 target=$data_dir/$1.conf
  shift
  [ -s "$target" ] && return 0
  {
    if [ -s "$root/conf/$name.conf" ]; then cat "$root/conf/$name.conf"; fi
    printf '\n# Added by scripts/dev run. 127.0.0.1 keeps other machines out; change both addresses to serve them.\n'
    printf '%s\n' "$@"
  } >"$target"
}

# start_program PROGRAM PORT ARGS...: in the background, waits until its port answers.
start_program() {
  local program=$1 port=$2 pid
  shift 2
  if pid=$(pid_of "$program"); then
    say "$program already runs (pid $pid); scripts/dev run --stop first, to start a new build"
    return 0
  fi
  if port_is_taken "$port"; then
    fail "port $port is taken by another process, $program cannot start (who: ss -ltnp 'sport = :$port')"
  fi
  # Not a child of this shell's session: it goes on when the terminal closes.
  setsid "$root/build/release/bin/$program" "$@" >>"$data_dir/$program.log" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$data_dir/$program.pid"
  local deadline=$((SECONDS + 60))
  until port_is_taken "$port"; do
    if ! kill -0 "$pid" 2>/dev/null; then
      tail -n 20 "$data_dir/$program.log" >&2
      fail "$program ended at its start; its log is data/$program.log"
    fi
    [ $SECONDS -ge $deadline ] && fail "$program does not answer on port $port after 60 s; its log is data/$program.log"
    sleep 0.05
  done
  say "$program is ready on 127.0.0.1:$port (pid $pid, log data/$program.log)"
}

verb_run() {
  local demo=
  case ${1:-} in
    '') ;;
    --demo) demo=1 ;;
    --stop)
      stop_program merlin-broker
      stop_program merlin-namesrv
      return 0
      ;;
    --status)
      local program pid
      for program in merlin-namesrv merlin-broker; do
        if pid=$(pid_of $program); then say "$program runs (pid $pid)"; else say "$program does not run"; fi
      done
      return 0
      ;;
    *) fail "run takes --demo, --stop or --status, not '$1'" ;;
  esac
  need_build
  step "build"
  build_preset release merlin-broker merlin-namesrv
  mkdir -p "$data_dir"
  write_conf namesrv "bindAddress=127.0.0.1" "listenPort=9876" "kvConfigPath=$data_dir/namesrv/kvConfig.json" \
    "configStorePath=$data_dir/namesrv/namesrv.properties"
  write_conf broker "bindAddress=127.0.0.1" "brokerIP1=127.0.0.1" "listenPort=10911" "namesrvAddr=127.0.0.1:9876" \
    "storePathRootDir=$data_dir/store"
  step "start"
  start_program merlin-namesrv 9876 -c "$data_dir/namesrv.conf"
  start_program merlin-broker 10911 -n 127.0.0.1:9876 -c "$data_dir/broker.conf"
  if [ -n "$demo" ]; then run_demo; fi
  cat <<TEXT

Running. Any RocketMQ client (4.9 or 5.x remoting) reaches it with name server 127.0.0.1:9876; topics appear at the first send.
  send and consume ten messages:  scripts/dev run --demo
  logs:                           data/merlin-broker.log, data/merlin-namesrv.log
  configuration:                  data/broker.conf, data/namesrv.conf
  stop:                           scripts/dev run --stop
TEXT
}

run_demo() {
  need_test
  step "demo: ten messages through rocketmq-client 5.5.0"
  local class_path=$root/build/demo/classpath log=$root/build/demo/maven.log
  mkdir -p "$root/build/demo"
  if [ ! -s "$class_path" ] || [ "$root/scripts/demo/pom.xml" -nt "$class_path" ]; then
    if ! mvn -q -B -f scripts/demo/pom.xml dependency:build-classpath -Dmdep.outputFile="$class_path" >"$log" 2>&1 </dev/null; then
      tail -n 20 "$log" >&2
      fail "Maven could not fetch rocketmq-client"
    fi
  fi
  java -Drocketmq.client.logRoot="$data_dir/client-logs" -cp "$(<"$class_path")" scripts/demo/Demo.java 127.0.0.1:9876
}
