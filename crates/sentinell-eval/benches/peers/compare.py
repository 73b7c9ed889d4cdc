"""Ours and the peers on the same cases, one after the other, as a Markdown table with ratios.

Usage: compare.py logs EVAL DATA CASES [LINES MINE] | compare.py metrics EVAL DATA CASES SHIFT_SECONDS
EVAL and MINE are the built examples. BENCH_RUNS (3): how often a log parser runs. BENCH_SECONDS (300): after how much processor time a method of
metrics begins no further case; it is ended after four times that. BENCH_METHODS: words of metrics.py, separated by commas. Everything on one thread.
"""
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
RUNS = int(os.environ.get("BENCH_RUNS", "3"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "300"))
MARKS = ("GA", "FGA", "PA", "FTA")
PARSERS = ("Drain3", "Drain", "Spell", "AEL", "IPLoM", "Brain", "LenMa")
METHODS = "nsigma,baro,baro-detects,e_diagnosis,circa,ht,pc_pagerank,lingam_pagerank,rcd"
# Those that look at the onset that they are told; for the others a shift changes nothing.
TOLD = {"nsigma", "baro", "e_diagnosis", "circa", "ht", "rcd"}
NAMES = {"nsigma": "N-sigma", "baro": "BARO", "baro-detects": "BARO, onset found by its BOCPD", "e_diagnosis": "ε-Diagnosis", "circa": "CIRCA",
         "ht": "hypothesis test (PyRCA)", "pc_pagerank": "PC + PageRank", "lingam_pagerank": "LiNGAM + PageRank", "rcd": "RCD",
         "fci_pagerank": "FCI + PageRank", "granger_pagerank": "Granger + PageRank"}
CONFIGURATION = {"masks": "Drain3's masks", "plain": "no masks", "tuned": "**its settings for each system**"}
ALONE = {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"), "PYTHONDONTWRITEBYTECODE": "1"}


def ours(binary, suite, data, cases, *options):
    """What `eval` says, and the most memory its process had, in MiB."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = [binary, suite, "--data", data, "--cases", cases, "--json", out.name, *options]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        if status:
            sys.exit(f"failed: {' '.join(command)}")
        return json.loads(pathlib.Path(out.name).read_text()), used.ru_maxrss / 1024


def peer(script, *arguments, limit):
    """Its line of JSON, or why there is none."""
    print(f"… {' '.join(map(str, arguments[:1] + arguments[3:]))}", file=sys.stderr, flush=True)
    try:
        done = subprocess.run([sys.executable, "-W", "ignore", HERE / script, *map(str, arguments)],
                              capture_output=True, text=True, timeout=limit, env=ALONE)
    except subprocess.TimeoutExpired:
        return {"why": f"not finished after {limit} s"}
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return {"why": (done.stderr.strip().splitlines() or ["said nothing"])[-1][:200]}


def number(value):
    return "–" if value is None else f"{value:.3f}"


def seconds(value):
    return f"{value * 1000:.2g} ms" if value < 0.01 else f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def times(them, us):
    ratio = them / us
    return f"{ratio:,.0f}×" if ratio >= 10 else f"{ratio:.1f}×"


def ratio(us, them):
    return f"{us / them:.2f}" if them else "–"


def head(*cells):
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    print(f"{cpu.group(1).strip() if cpu else platform.machine()}, Python {platform.python_version()}, one thread each.\n")
    print("| " + " | ".join(cells) + " |\n|" + "---|" * len(cells))


def row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def logs(binary, data, cases, lines=None, mine=None):
    runs = [ours(binary, "logparse", data, cases) for _ in range(RUNS)]
    report, memory = runs[0]
    spent = statistics.median(sum(case["cpu_ms"] for case in run["cases"]) / 1000 for run, _ in runs)
    us = [report["metrics"][name] for name in MARKS]
    answers = {name: peer("logs.py", name, data, cases, RUNS, limit=4 * SECONDS) for name in PARSERS}
    total = next((one["lines"] for said in answers.values() for one in said.get("configurations", {}).values()), 0)
    head("parser", "configuration", *MARKS, f"time for {total:,} lines", "peak memory, MiB", "ours ÷ theirs: " + ", ".join(MARKS), "their time ÷ ours")
    row("**Sentinell**", "one, header not given", *map(number, us), seconds(spent), f"{memory:.0f}", "", "")
    for name, said in answers.items():
        if "why" in said:
            row(name, f"not measured: {said['why']}", *["–"] * 8)
            continue
        for way, found in shown(said["configurations"]).items():
            them, time = [found["marks"][mark] for mark in MARKS], statistics.median(found["seconds"])
            ratios = ", ".join(ratio(*pair) for pair in zip(us, them))
            row(f"{name} ({said['version']})", CONFIGURATION[way], *map(number, them), seconds(time), f"{said['peak_mib']:.0f}", ratios, times(time, spent))
    if lines:
        speed(lines, mine)


def shown(configurations):
    """The better of the two that are one for all systems, and the tuned one."""
    best = max(("masks", "plain"), key=lambda way: sum(configurations[way]["marks"].values()))
    return {way: found for way, found in configurations.items() if way in (best, "tuned")}


def speed(lines, mine):
    us = json.loads(subprocess.run([mine, lines], capture_output=True, text=True, check=True).stdout)
    them = peer("drain3_lines.py", lines, 20000, limit=4 * SECONDS)
    if "why" in them:
        print(f"\nLines of {lines} by Drain3: {them['why']}")
        return
    print(f"\nLines of {us['bytes_a_line']} bytes, one core: {us['lines_per_second']:,.0f}/s, {them['version']} {them['lines_per_second']:,.0f}/s, "
          f"{us['lines_per_second'] / them['lines_per_second']:,.0f} times.")


def accuracy(places, k):
    return sum(place is not None and place <= k for place in places) / max(1, len(places))


def average(places):
    return sum(accuracy(places, k) for k in range(1, 6)) / 5


def metrics(binary, data, cases, shift):
    with open(cases, encoding="utf-8") as file:
        suite = "petshop" if "target_node" in json.loads(file.readline()) else "rcd-sockshop"
    shifts = [0] if int(shift) == 0 else [0, -int(shift), int(shift)]
    told = {moved: ours(binary, suite, data, cases, f"--onset-shift={moved}") for moved in shifts}
    found = ours(binary, suite, data, cases, "--detect-onset")
    late = [f"A@1, onset {abs(moved)} s {'early' if moved < 0 else 'late'}" for moved in shifts[1:]]
    head("method", "cases", "A@1", "A@3", "Avg@5", *late, "time a case", "peak memory (before the first case), MiB", "ours ÷ theirs, A@1", "their time ÷ ours")
    us = line("**Sentinell**", {moved: mine(*said) for moved, said in told.items()}, shifts, None)
    detected = line("**Sentinell**, onset not told", {0: mine(*found)}, shifts, None)
    for method in os.environ.get("BENCH_METHODS", METHODS).split(","):
        said = {}
        for moved in shifts:
            if moved == 0 or (method in TOLD and answered(said[0])):
                said[moved] = peer("metrics.py", method, data, cases, moved, SECONDS, limit=4 * SECONDS)
        line(f"{NAMES[method]} ({said[0].get('version', 'not installed')})", said, shifts, detected if method == "baro-detects" else us)


def mine(report, memory):
    return {"places": [case.get("rank") for case in report["cases"]], "seconds": [case["cpu_ms"] / 1000 for case in report["cases"]],
            "peak_mib": memory, "cases": len(report["cases"]), "failed": 0}


def answered(said):
    return len(said.get("places", ())) > said.get("failed", 0)


def line(name, said, shifts, us):
    """Prints a method's row and returns its A@1 and seconds a case."""
    plain = said[0]
    if not answered(plain):
        row(name, f"not measured: {plain.get('why', 'no case')}", *["–"] * (len(shifts) + 6))
        return None
    places, time = plain["places"], statistics.median(plain["seconds"])
    count = f"{len(places)}" if len(places) == plain["cases"] else f"{len(places)} of {plain['cases']} in {SECONDS} s"
    count += f", {plain['failed']} failed" if plain["failed"] else ""
    moved = [number(accuracy(said[at]["places"], 1)) if said.get(at, {}).get("places") else "the same" if us and at not in said else "–" for at in shifts[1:]]
    memory = f"{plain['peak_mib']:.0f}" + (f" ({plain['before_mib']:.0f})" if "before_mib" in plain else "")
    first = accuracy(places, 1)
    compared = (ratio(us[0], first), times(time, us[1])) if us else ("", "")
    row(name, count, number(first), number(accuracy(places, 3)), number(average(places)), *moved, seconds(time), memory, *compared)
    return first, time


if __name__ == "__main__":
    {"logs": logs, "metrics": metrics}[sys.argv[1]](*sys.argv[2:])
