# Sourced by scripts/dev: messages, installing, building, timing.

say() { printf '%s\n' "$*"; }
step() { printf '\n== %s\n' "$*"; }
fail() {
  printf 'scripts/dev: %s\n' "$*" >&2
  exit 1
}

build_packages=(g++ cmake ninja-build ccache mold pkg-config git python3 libspdlog-dev libfmt-dev
  nlohmann-json3-dev libdeflate-dev librocksdb-dev zlib1g-dev libssl-dev libgtest-dev libgmock-dev libbenchmark-dev
  valgrind)
test_packages=(openjdk-17-jdk-headless maven ca-certificates strace)
check_packages=(clang-19 clang-tidy-19 clang-format-19 libclang-rt-19-dev)

# install_packages NAME PACKAGE...: installs those that dpkg does not know as installed. Quiet when there is nothing to do.
install_packages() {
  local what=$1 missing=() package log
  shift
  [ -n "${MERLIN_NO_INSTALL:-}" ] && return 0
  if ! command -v dpkg-query >/dev/null; then
    say "not a Debian system: install what the $what step needs by hand ($*)"
    return 0
  fi
  for package in "$@"; do
    case $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true) in
      installed) ;;
      *) missing+=("$package") ;;
    esac
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "missing packages, and neither root nor sudo: ${missing[*]}"
    as_root=(sudo)
  fi
  step "installing for $what: ${missing[*]}"
  local started=$SECONDS
  log=$(mktemp)
  if ! { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${missing[@]}"; } \
    </dev/null >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    rm -f "$log"
    fail "could not install: ${missing[*]}"
  fi
  rm -f "$log"
  say "installed in $((SECONDS - started)) s"
}

need_build() { install_packages build "${build_packages[@]}"; }
need_test() { install_packages tests "${test_packages[@]}"; }
# Of these, any that is there already will do: many have them from elsewhere.
need_clients() {
  command -v go >/dev/null || [ -x /usr/local/go/bin/go ] || install_packages "the Go client" golang-go
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then install_packages "the Node client" nodejs npm; fi
}
need_check() { install_packages checks "${check_packages[@]}"; }

# One compiler job takes up to 1.5 GB: as many jobs as there are cores, but no more than the memory holds.
job_count() {
  local cores memory_jobs
  cores=$(nproc)
  memory_jobs=$(awk '/MemAvailable/ {print int($2 / 1500000)}' /proc/meminfo)
  [ "$memory_jobs" -lt 1 ] && memory_jobs=1
  [ "$cores" -lt "$memory_jobs" ] && echo "$cores" || echo "$memory_jobs"
}

# build_preset PRESET [TARGET...]
build_preset() {
  local preset=$1 started=$SECONDS log
  shift
  case $preset in
    clang | fuzz) need_check ;;
  esac
  log=$root/build/$preset.configure.log
  mkdir -p "$root/build"
  if ! cmake --preset "$preset" >"$log" 2>&1; then
    cat "$log" >&2
    fail "cmake --preset $preset failed"
  fi
  # Ninja's status goes to a terminal as one moving line; in a log only failures and the last line matter.
  if [ -t 1 ]; then
    ninja -C "build/$preset" -j "$(job_count)" "$@"
  else
    log=$root/build/$preset.build.log
    if ! ninja -C "build/$preset" -j "$(job_count)" "$@" >"$log" 2>&1; then
      grep -vE '^\[[0-9]+/[0-9]+\] ' "$log" | tail -n 100 >&2
      fail "build of preset $preset failed (whole log: build/$preset.build.log)"
    fi
    tail -n 1 "$log"
  fi
  say "built preset $preset in $((SECONDS - started)) s"
}

# port_owner PORT: succeeds when something listens on 127.0.0.1:PORT.
port_is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
