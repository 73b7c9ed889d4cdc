# What the stages share: headings with elapsed time, loud skips, and services that are stopped by their process id.
# Sourced, never run.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
shared=${SENTINELL_SHARED:-$root/../shared}
cache=$root/.cache

say() { printf '%s\n' "$*"; }

# A stage that cannot run here says so where nobody can overlook it, and ends with the exit code that means "skipped".
skip() {
  printf '\n!!! SKIPPED: %s\n\n' "$*"
  exit 77
}

die() {
  printf 'failed: %s\n' "$*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Debian packages, only for root in CI or where SENTINELL_INSTALL=1 asks for it.
install_packages() {
  if [[ $(id -u) == 0 && (${CI:-} == true || ${SENTINELL_INSTALL:-} == 1) ]] && have apt-get; then
    say "installing: $*"
    apt-get update -qq >/dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 || return 1
  else
    return 1
  fi
}

# PROGRAM PACKAGE…: there, or installed, or the stage is skipped.
need() {
  local program=$1
  shift
  have "$program" && return
  install_packages "$@" && have "$program" && return
  skip "$program is missing; as root: apt-get install $*, or run with SENTINELL_INSTALL=1"
}

# The packages of the web UI, as its lock file names them; nothing to do if they are there.
web_packages() {
  local stamp=$root/web/node_modules/.lock
  cmp -s "$root/web/package-lock.json" "$stamp" && return
  (cd "$root/web" && npm ci --no-audit --no-fund --loglevel=error) && cp "$root/web/package-lock.json" "$stamp"
}

# The web UI into web/dist, where the next build of the program finds it. Without Node the program has a plain page instead.
build_web() {
  if ! have npm; then
    say "Node and npm are not here: the program is built with a plain page instead of its web UI (Node 20 would bring it)"
    return
  fi
  if [[ -f $root/web/dist/index.html && -z $(find "$root"/web/{src,index.html,vite.config.ts,package-lock.json} -newer "$root/web/dist/index.html" -print -quit) ]]; then return; fi
  if ! { web_packages && (cd "$root/web" && npm run --silent build -- --logLevel error); }; then
    say "the web UI could not be built: the program has a plain page instead"
  fi
}

scratch=
pids=()

# A folder of its own for the stage, gone when it ends, with everything that it started.
use_scratch() {
  scratch=$(mktemp -d "$@")
  trap stop_all EXIT
}

# The same for a cluster, in memory where there is room: a kubelet starts no pod while less than 15 % of its disk are free.
use_roomy_scratch() {
  local free
  free=$(df --output=avail -k /dev/shm 2>/dev/null | tail -1)
  if ((${free:-0} > 2 << 20)); then use_scratch -p /dev/shm; else use_scratch; fi
}

stop_services() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  pids=()
}

stop_all() {
  stop_services
  if [[ -n $scratch ]]; then rm -rf --one-file-system "$scratch"; fi
}

# NAME PROGRAM ARGS…: starts it in the background with its own log.
start() {
  local name=$1
  shift
  "$@" >"$scratch/$name.log" 2>&1 </dev/null &
  pids+=($!)
}

# SECONDS COMMAND…: waits until the command succeeds.
wait_for() {
  local seconds=$1
  shift
  local until=$((SECONDS + seconds))
  while ((SECONDS < until)); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.2
  done
  return 1
}

# A port that was free a moment ago.
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# NAME…: the adapters' tests of these names, with those that are ignored elsewhere. Built as the whole workspace is: for one
# package alone, cargo would build most dependencies a second time with fewer features.
adapters_tests() {
  if cargo nextest --version >/dev/null 2>&1; then
    local names
    names=$(printf ' | test(%s)' "$@")
    cargo nextest run --workspace --locked --cargo-quiet --status-level fail --no-capture -j 1 --run-ignored all \
      -E "binary_id(sentinell-adapters::main) & (${names# | })"
  else
    cargo test --locked --quiet -p sentinell-adapters --test main -- --include-ignored --nocapture "$@"
  fi
}
