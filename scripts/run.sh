#!/usr/bin/env bash
# The main job on screen: build, break the demo town, resolve the incident, leave a server to explore.
source "$(dirname "$0")/lib.sh"

cargo=${CARGO:-cargo}
have "$cargo" || die "no Rust toolchain: install Rust 1.95 or newer (rustup.rs)"
say "make run: builds (about 6 minutes the first time on two cores, seconds afterwards), then a simulated town breaks and is"
say "mended on screen (about 10 seconds); a server stays until Ctrl-C. Nothing leaves this machine, no key is needed."
say ""
"$cargo" build --locked -p sentinell
say ""
# Where nobody watches (CI, a pipe) nothing is left running.
keep=()
if [[ -t 1 || ${SENTINELL_KEEP:-} == 1 ]]; then keep=(--keep); fi
exec target/debug/sentinell demo "${keep[@]}"
