"""Peers that install from PyPI, on Sock Shop's cases: accuracy by service and seconds a case.

    python -m venv V && V/bin/pip install fse-baro
    V/bin/python metrics.py DIR DIR/cases.jsonl [shift seconds]

N-sigma (the largest deviation after the onset, in standard deviations) needs nothing but pandas; BARO (FSE 2024) is its authors' package.
"""

import json
import sys
import time

import pandas as pd


def table(data, case):
    """Both recordings on one time line, the abnormal one right behind the normal one."""
    normal, abnormal = (pd.read_csv(f"{data}/{case[name]}") for name in ("normal", "abnormal"))
    end = normal["time"].iloc[-1]
    abnormal["time"] = abnormal["time"] - abnormal["time"].iloc[0] + end + 1
    return pd.concat([normal, abnormal], ignore_index=True).ffill().fillna(0), end + 1


def n_sigma(both, onset):
    before, since = both[both["time"] < onset], both[both["time"] >= onset]
    scores = {}
    for name in both.columns.drop("time"):
        spread = before[name].std() or 1e-9
        scores[name] = ((since[name] - before[name].mean()).abs() / spread).max()
    return sorted(scores, key=scores.get, reverse=True)


def baro(both, onset):
    from baro.root_cause_analysis import robust_scorer

    return robust_scorer(both, inject_time=onset)["ranks"]


def services(ranked):
    return list(dict.fromkeys(name.split("_")[0] for name in ranked))


def main():
    data, index = sys.argv[1:3]
    shift = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    cases = [json.loads(line) for line in open(index) if line.strip()]
    for name, method in (("N-sigma", n_sigma), ("BARO", baro)):
        places, spent = [], 0.0
        try:
            for case in cases:
                both, onset = table(data, case)
                start = time.process_time()
                ranked = services(method(both, onset + shift))
                spent += time.process_time() - start
                places.append(ranked.index(case["truth_service"]) + 1 if case["truth_service"] in ranked else 99)
        except ImportError as missing:
            print(f"{name:<10} not installed: {missing}")
            continue
        right = [sum(place <= k for place in places) / len(places) for k in range(1, 6)]
        print(f"{name:<10} A@1 {right[0]:.3f}  A@3 {right[2]:.3f}  Avg@5 {sum(right) / 5:.3f}  {spent / len(places):.3f} s a case")


main()
