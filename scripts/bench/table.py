"""Measures the rows and prints the table; `--write` puts it into BENCHMARKS.md, `--quick` takes fewer and shorter runs."""
import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from house import Skipped  # noqa: E402
from rows import ROWS  # noqa: E402

BEGIN, END = "<!-- begin: scripts/bench/run --write -->", "<!-- end -->"


def machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1)) / (1 << 20)
    return f"{os.cpu_count()} cores ({cpu.group(1).strip() if cpu else platform.machine()}), {memory:.0f} GiB, {platform.system()} {platform.release()}"


def commit():
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def written(value, unit):
    if value is None:
        return "–"
    text = f"{value:,.0f}" if value >= 100 or float(value).is_integer() else f"{value:.2f}" if value < 10 else f"{value:.1f}"
    return f"{text} {unit}".replace(" /s", "/s").strip()


def line(what, unit, target, more, got):
    bound = f"{'≥' if more else '≤'} {written(target, unit)}"
    if "skipped" in got:
        return f"| {what} | {bound} | not measured: {got['skipped']} | – | – | – |"
    value, peer = got["value"], got.get("peer")
    holds = value >= target if more else value <= target
    # How many times better, whichever way that is.
    ratio = (value / peer if more else peer / value) if peer and value else 0
    beside = f"{written(peer, unit)} ({got['peer_name']}); {ratio:,.0f} times" if peer else "–"
    used = f"{got['processor_us']:.0f} µs" if "processor_us" in got else "–"
    return f"| {what} | {bound} | **{written(value, unit)}**{'' if holds else ' (not reached)'} | {used} | {beside} | {got['note']} |"


def table(results, options):
    load = ", ".join(f"{value:.1f}" for value in results["load"])
    mode = f"{'quick mode, ' if options.quick else ''}median of {options.runs} runs of {options.seconds} s"
    head = [
        f"{results['date']}, commit {results['commit']}; {results['machine']}; load average {load} when it began ({mode}).",
        "Generator and server share these cores; SQLite with `synchronous=FULL`.", "",
        "| what | target | measured | server's processor time each | peer, same run | details |", "|---|---|---|---|---|---|",
    ]
    return "\n".join(head + [line(*ROWS[name][:4], got) for name, got in results["rows"].items()])


def read_options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--runs", type=int)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    options.runs = options.runs or (1 if options.quick else 3)
    options.seconds = 3 if options.quick else 10
    return options


def main():
    options = read_options()
    results = {"date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"), "commit": commit(),
               "machine": machine(), "load": os.getloadavg(), "rows": {}}
    failed = False
    for name in options.rows.split(","):
        what, unit, target, more, measure = ROWS[name]
        print(f"… {name}: {what}", flush=True)
        try:
            results["rows"][name] = measure(options)
        except Skipped as why:
            results["rows"][name] = {"skipped": str(why)}
        except Exception as error:  # noqa: BLE001: one broken row must not hide the others
            failed = True
            results["rows"][name] = {"skipped": f"failed: {error}"[:500].replace("\n", " ").replace("|", "/")}
        print(f"  {json.dumps(results['rows'][name], ensure_ascii=False)}", flush=True)
    text = table(results, options)
    folder = pathlib.Path("target/bench")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1))
    print("\n" + text)
    if options.write:
        page = pathlib.Path("BENCHMARKS.md")
        before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
        page.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
