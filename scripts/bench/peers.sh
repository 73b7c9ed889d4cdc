# The interpreter that has the peers of accuracy, as `python`, and their folder, as `peers`. Sourced after lib.sh, never run.
# BENCH_PEERS names an interpreter that has them; otherwise they are installed once, from PyPI, into the cache.
peers=$root/crates/sentinell-eval/benches/peers
python=${BENCH_PEERS:-$cache/bench/accuracy/bin/python}
export PYTHONDONTWRITEBYTECODE=1

if [[ -z ${BENCH_PEERS:-} ]] && ! cmp -s "$peers/requirements.txt" "$cache/bench/accuracy/installed"; then
  mkdir -p "$cache/bench"
  python3 -m venv "$cache/bench/accuracy"
  "$python" -m pip install --quiet --disable-pip-version-check -r "$peers/requirements.txt" >&2 ||
    die "the peers cannot be had from PyPI"
  # ε-Diagnosis and the hypothesis test of RCAEval are PyRCA's, which asks for versions that no longer install beside the rest.
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps sfr-pyrca==1.0.1 >&2 ||
    say "!!! sfr-pyrca cannot be had: two methods of RCAEval say so in their rows" >&2
  cp "$peers/requirements.txt" "$cache/bench/accuracy/installed"
fi
