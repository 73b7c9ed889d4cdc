#!/usr/bin/env bash
# The main job on screen: build, break the demo town, resolve the incident, leave a server to explore.
source "$(dirname "$0")/lib.sh"

cargo=${CARGO:-cargo}
have "$cargo" || die "no Rust toolchain: install Rust 1.95 or newer (rustup.rs)"
say "make run: builds (about 6 minutes the first time on two cores, seconds afterwards), then a simulated town breaks and is"
say "mended on screen (about 10 seconds); a server stays to explore. Nothing leaves this machine, no key is needed."
say ""
build_web
"$cargo" build --locked -p sentinell
say ""
if [[ -t 1 ]]; then exec target/debug/sentinell demo --keep; fi

# Where nobody can press Ctrl-C the server goes on in the background, for an hour at most.
log=$(mktemp)
setsid timeout 3600 target/debug/sentinell demo --keep >"$log" 2>&1 </dev/null &
server=$!
for _ in $(seq 600); do
  if grep -q 'Ctrl-C ends it' "$log"; then break; fi
  if ! kill -0 "$server" 2>/dev/null; then break; fi
  sleep 0.1
done
sed '/Ctrl-C ends it/d' "$log"
kill -0 "$server" 2>/dev/null || die "the demo ended before its time"
say "It ends by itself after an hour, or with: kill $server"
