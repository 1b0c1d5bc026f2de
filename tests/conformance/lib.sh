# Sourced by the scripts of the Java tests. Needs $root and $out; sets NAMESRV_CMD and BROKER_CMD when they are not set.

conformance=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export NAMESRV_CMD=${NAMESRV_CMD:-$root/build/release/bin/merlin-namesrv}
export BROKER_CMD=${BROKER_CMD:-$root/build/release/bin/merlin-broker}

# build_client RELEASE: the sources of the suite compiled with that client; sets $classpath.
build_client() {
  case $1 in
    # Without the property Maven takes the profile of the newest release.
    5.5) build_maven "$conformance" "$1" ;;
    4.9) build_maven "$conformance" "$1" -Dclient=4.9.8 ;;
    # With the commands of mqadmin, which the scenarios for this release do not use.
    4.9-tools) build_maven "$conformance" "$1" -Dclient=4.9.8 -Dtools=yes ;;
    *) echo "no such client release: $1" >&2; exit 2 ;;
  esac
}

# build_maven FOLDER NAME ARGS...: compiles FOLDER into $out/classes-NAME, unless nothing changed, and sets $classpath.
build_maven() {
  local folder=$1 dir=$out/classes-$2 stamp
  shift 2
  mkdir -p "$out"
  stamp=$(cd "$folder" && cat pom.xml $(find src -name '*.java' | LC_ALL=C sort) | sha256sum | cut -c1-16)
  if [ "$(cat "$dir/stamp" 2>/dev/null)" != "$stamp" ]; then
    rm -rf "$dir"
    mkdir -p "$dir"
    mvn -q -B -f "$folder/pom.xml" "$@" -Dbuild.dir="$dir" compile dependency:build-classpath \
      -Dmdep.outputFile="$dir/classpath" >"$dir/maven.log" 2>&1 || {
      cat "$dir/maven.log" >&2
      exit 2
    }
    echo "$stamp" >"$dir/stamp"
  fi
  classpath=$dir/classes:$(cat "$dir/classpath")
}

# test_java LOGDIR CLASS ARGS...: in a folder of its own, for some commands of mqadmin write files where they stand. Servers start where
# the caller stands: their commands may be relative. A busy machine may need more than the client's 3 s to connect.
test_java() {
  local dir=$1
  shift
  mkdir -p "$dir/tmp" "$dir/home"
  # shellcheck disable=SC2086
  CALLER_DIR=$PWD env -C "$dir/tmp" java -Xms64m -Xmx640m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dfile.encoding=UTF-8 -Duser.home="$dir/home" \
    -Djava.io.tmpdir="$dir/tmp" -Drocketmq.client.logRoot="$dir/client" -Drocketmq.client.localOffsetStoreDir="$dir/home/offsets" \
    -Drocketmq.client.logLevel=INFO -Dcom.rocketmq.remoting.client.connect.timeout=15000 ${TEST_OPTS:-} -cp "$classpath" "$@"
}
