# Sourced by the scripts of the clients in other languages. Needs $root and $out; starts a name server and a broker, sets
# $namesrv and $broker (host:port), and stops them when the script ends. NAMESRV_CMD and BROKER_CMD as for ./run.

export NAMESRV_CMD=${NAMESRV_CMD:-$root/build/release/bin/merlin-namesrv}
export BROKER_CMD=${BROKER_CMD:-$root/build/release/bin/merlin-broker}

# not_fetched LOG: the client's own packages could not be had from their registry. With MERLIN_NEED_CLIENTS=1 that is a failure.
not_fetched() {
  cat "$1" >&2
  [ "${MERLIN_NEED_CLIENTS:-0}" = 1 ] && exit 2
  echo "SKIP the client could not be fetched"
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
}

# free_port: one that nobody listens on, below those that the system gives out; the one two below it is free as well.
free_port() {
  local port
  while true; do
    port=$((20000 + RANDOM % 12000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && ! (exec 3<>"/dev/tcp/127.0.0.1/$((port - 2))") 2>/dev/null &&
      ! (exec 3<>"/dev/tcp/127.0.0.1/$((port + 1))") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
}

await_port() {
  for _ in $(seq 600); do
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
    sleep 0.1
  done
  echo "nothing listens on port $1" >&2
  exit 2
}

stop_servers() {
  local pid
  for pid in ${broker_pid:-} ${namesrv_pid:-}; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "${store:-}"
}

start_servers() {
  local namesrv_port broker_port
  mkdir -p "$out"
  store=$(mktemp -d -t conformance.XXXXXX)
  trap stop_servers EXIT
  trap 'exit 130' INT TERM
  namesrv_port=$(free_port)
  printf 'listenPort=%s\nkvConfigPath=%s/kv.json\nconfigStorePath=%s/namesrv.properties\n' "$namesrv_port" "$store" "$store" \
    >"$out/namesrv.properties"
  # shellcheck disable=SC2086
  $NAMESRV_CMD -c "$out/namesrv.properties" >"$out/namesrv.log" 2>&1 &
  namesrv_pid=$!
  await_port "$namesrv_port"
  namesrv=127.0.0.1:$namesrv_port
  broker_port=$(free_port)
  broker=127.0.0.1:$broker_port
  cat >"$out/broker.properties" <<P
brokerClusterName=ConformanceCluster
brokerName=broker-a
brokerId=0
brokerIP1=127.0.0.1
listenPort=$broker_port
haListenPort=$((broker_port + 1))
namesrvAddr=$namesrv
storePathRootDir=$store/store
storePathCommitLog=$store/store/commitlog
mappedFileSizeCommitLog=33554432
waitTimeMillsInSendQueue=10000
diskMaxUsedSpaceRatio=95
defaultTopicQueueNums=4
P
  # shellcheck disable=SC2086
  PEER_HOME=$store $BROKER_CMD -c "$out/broker.properties" -n "$namesrv" >"$out/broker.log" 2>&1 &
  broker_pid=$!
  await_port "$broker_port"
}
