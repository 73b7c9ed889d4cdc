"""One method that ranks metrics, on the cases of Sock Shop or PetShop: the place of the true service or node, and the time, by case.

Every method gets what its package documents: one table with a column `time` and a column `<service>_<metric>` for each metric, gaps filled
forwards, and the moment of the onset. PetShop's rows, five minutes apart, are numbered, since these methods count rows. What no method here can be
given are PetShop's call graph and alarm. Counted is the call of the method, not the reading of its table.
Prints one line of JSON. Usage: metrics.py METHOD DATA CASES SHIFT_SECONDS LIMIT_SECONDS
"""
import contextlib
import importlib
import io
import json
import pathlib
import resource
import sys
import time
from importlib.metadata import version

import pandas as pd

# By the word for it: package, module, function. RCAEval ships its own BARO; here is its authors' package.
METHODS = {
    "nsigma": ("RCAEval", "RCAEval.e2e", "nsigma"),
    "baro": ("fse-baro", "baro.root_cause_analysis", "robust_scorer"),
    "baro-detects": ("fse-baro", "baro.root_cause_analysis", "robust_scorer"),
    "e_diagnosis": ("RCAEval", "RCAEval.e2e", "e_diagnosis"),
    "circa": ("RCAEval", "RCAEval.e2e.circa", "circa"),
    "ht": ("RCAEval", "RCAEval.e2e", "ht"),
    "pc_pagerank": ("RCAEval", "RCAEval.e2e.pc_pagerank", "pc_pagerank"),
    "fci_pagerank": ("RCAEval", "RCAEval.e2e.fci_pagerank", "fci_pagerank"),
    "granger_pagerank": ("RCAEval", "RCAEval.e2e.granger_pagerank", "granger_pagerank"),
    "lingam_pagerank": ("RCAEval", "RCAEval.e2e.lingam_pagerank", "lingam_pagerank"),
    "rcd": ("RCAEval", "RCAEval.e2e.rcd", "rcd"),
}


def sock_shop(data, case, shift):
    """Both recordings on one time line, the abnormal one right behind the normal one, as ours reads them."""
    normal, abnormal = (pd.read_csv(data / case[name]) for name in ("normal", "abnormal"))
    onset = normal["time"].iloc[-1] + 1
    abnormal["time"] = abnormal["time"] - abnormal["time"].iloc[0] + onset
    both = pd.concat([normal, abnormal], ignore_index=True)
    owner = {name: name.partition("_")[::2] for name in both.columns if name != "time"}
    return finished(both, owner), onset + shift, case["truth_service"]


def petshop(data, case, shift):
    """The quiet stretch, then the incident's rows; the rows are numbered and the onset is the first row after it."""
    tables = [pd.read_csv(data / case[name], header=[0, 1, 2], index_col=0) for name in ("normal", "abnormal")]
    onset = len(tables[0]) + int((tables[1].index < case["onset_unix"] + shift).sum())
    both = pd.concat(tables, ignore_index=True)
    owner = {f"column{number}": (head[0], head[1] + head[2]) for number, head in enumerate(both.columns)}
    both.columns = list(owner)
    both.insert(0, "time", range(len(both)))
    return finished(both, owner), onset, case["truth_node"]


def finished(table, owner):
    """Gaps filled, and names of the form `<service>_<metric>` with one underscore, by which some methods take them apart."""
    plain = {name: f"{who.replace('_', '-')}_{what.replace('_', '')}" for name, (who, what) in owner.items()}
    table = table.ffill().fillna(0).rename(columns=plain)
    return table, {plain[name]: who for name, (who, _) in owner.items()}


def answer(method, table, onset):
    package, module, function = METHODS[method]
    function = getattr(importlib.import_module(module), function)
    if method == "baro-detects":
        anomalies = importlib.import_module("baro.anomaly_detection").bocpd(table)
        return function(table, anomalies=anomalies)["ranks"]
    return function(table, inject_time=onset, dataset="sock-shop" if method != "rcd" else "table")["ranks"]


def plain(text):
    return text.strip().replace("|", "/").replace("\n", " ")[:200]


def main(method, data, cases, shift, limit):
    data, cases = pathlib.Path(data), [json.loads(line) for line in pathlib.Path(cases).read_text().splitlines() if line.strip()]
    said = {"places": [], "seconds": [], "failed": 0, "empty": 0, "cases": len(cases)}
    said["version"] = f"{METHODS[method][0]} {version(METHODS[method][0])}"
    importlib.import_module(METHODS[method][1])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for case in cases:
        if sum(said["seconds"]) > float(limit):
            break
        (table, owner), onset, truth = (petshop if "target_node" in case else sock_shop)(data, case, int(shift))
        words, began = io.StringIO(), time.process_time()
        try:
            with contextlib.redirect_stdout(words), contextlib.redirect_stderr(words):
                ranks = answer(method, table, onset)
        except Exception as error:  # whatever a peer raises is its answer: none
            ranks, said["why"] = [], plain(f"{type(error).__name__}: {error}")
            said["failed"] += 1
        said["seconds"].append(time.process_time() - began)
        # RCAEval answers with the order of the columns when a method of its own raised.
        if "returning the unranked column order" in words.getvalue():
            ranks, said["why"] = [], plain(words.getvalue().partition("failed (")[2].partition("); ")[0])
            said["failed"] += 1
        said["empty"] += not ranks
        names = list(dict.fromkeys(owner[name] for name in ranks if name in owner))
        said["places"].append(names.index(truth) + 1 if truth in names else None)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**said, "peak_mib": peak, "before_mib": before}))


if __name__ == "__main__":
    main(*sys.argv[1:])
