#!/usr/bin/env bash
# All stages, or those named (a file each in scripts/stages).
# Every stage prints a heading and its time; one whose component is missing is skipped loudly and listed at the end.
source "$(dirname "$0")/lib.sh"

stages=("$@")
if ((${#stages[@]} == 0)); then
  stages=(components fmt lint docs licences unit web postgres crash schemathesis benches cluster story prometheus alertmanager models memory webhooks senders slack mcp github aws docker deploy systemd)
  say "make test: ${#stages[@]} stages; about 45 minutes cold on two cores, 25 warm"
fi

rm -f "$root/target/test-summary"
began=$SECONDS
passed=() skipped=() failed=()
for stage in "${stages[@]}"; do
  [[ -x scripts/stages/$stage ]] || die "no stage called $stage; there are: $(ls scripts/stages | tr '\n' ' ')"
  printf '\n=== %s\n' "$stage"
  start_of_stage=$SECONDS
  code=0
  "scripts/stages/$stage" || code=$?
  printf -- '--- %s: %d s\n' "$stage" $((SECONDS - start_of_stage))
  case $code in
    0) passed+=("$stage") ;;
    77) skipped+=("$stage") ;;
    *) failed+=("$stage") ;;
  esac
  # Without code that compiles and passes, the dear stages would only say so again.
  if ((${#failed[@]})) && [[ $stage == unit ]]; then break; fi
done

printf '\n=== %d s in all\n' $((SECONDS - began))
say "passed:  ${passed[*]:-none}"
say "skipped: ${skipped[*]:-none}"
say "failed:  ${failed[*]:-none}"
# The closing lines of the test runner, so that they are the last thing read.
if [[ -s $root/target/test-summary ]]; then cat "$root/target/test-summary"; fi
((${#failed[@]} == 0))
