"""One log parser on the labelled lines of the `logparse` suite.

It is given the messages without their headers (the column `Content`), which our side has to find by itself. Its templates are put into
the labels' notation by the published rules that ours are put through as well. Configurations: one for every system, with the masks of
Drain3's documentation (`masks`) and without any (`plain`); and, where the package has them, its settings for each system (`tuned`).
Prints one line of JSON. Usage: logs.py Drain3|Drain|Spell|AEL|IPLoM|Brain|LenMa DATA CASES RUNS
"""
import ast
import collections
import contextlib
import csv
import importlib
import inspect
import io
import json
import pathlib
import re
import resource
import sys
import tempfile
import time
from importlib.metadata import version

NEAR = r"((?<=[^A-Za-z0-9])|^)%s((?=[^A-Za-z0-9])|$)"
MASKS = [NEAR % p for p in (r"(([0-9a-f]{2,}:){3,}([0-9a-f]{2,}))", r"(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})", r"([0-9a-f]{6,} ?){3,}",
                            r"([0-9A-F]{4} ?){4,}", r"(0x[a-f0-9A-F]+)", r"([\-\+]?\d+)")]
PATHS = r"([\s,!;:=|\"'\[\](){}])"
WORDS = r"([\s,!;:=|\"'\[\](){}.\-+@#$%&])"
# What a parser does besides parsing: reading its file and writing its tables.
AROUND = ("load_data", "log_to_dataframe", "outputResult", "dump", "dumpTemplates", "WriteEventToFile")
# The names that the packages' settings have for what the parsers call otherwise.
SETTING = {"regex": "rex", "delimiter": "delimeter", "theshold": "threshold"}
# AEL's default merges nothing; this is the value of its demonstration.
DEFAULTS = {"AEL": {"merge_percent": 0.5}}


def notation(template):
    """Khan et al., ICSE 2022, table 3."""
    template = re.sub(r"\s+", " ", template.strip())
    template = "".join("<*>" if re.match(r"^(/[^/]+)+$", token) else token for token in re.split(PATHS, template))
    known = {"true", "false", "null", "root", "admin"}
    tokens = re.split(WORDS, template)
    template = "".join("<*>" if token.lower() in known or re.match(r"^\d+$", token) or ("<*>" in token and "/" not in token)
                       else token for token in tokens)
    for old, new in (("<*>.<*>", "<*>"), ("<*><*>", "<*>"), ("<*>:<*>", "<*>"), (" #<*>#<*> ", " <*> ")):
        while old in template:
            template = template.replace(old, new)
    return template


def marks(events, labels, said):
    of_event, of_group = collections.Counter(events), collections.defaultdict(collections.Counter)
    of_said = collections.defaultdict(set)
    for event, label, text in zip(events, labels, said):
        of_group[text][event] += 1
        of_said[text].add(label)
    right = [sum(inside.values()) for inside in of_group.values()
             if len(inside) == 1 and of_event[next(iter(inside))] == sum(inside.values())]
    pure = sum(1 for text, there in of_said.items() if there == {text})
    return {"GA": sum(right) / len(events), "FGA": 2 * len(right) / (len(of_group) + len(of_event)),
            "PA": sum(a == b for a, b in zip(labels, said)) / len(events), "FTA": 2 * pure / (len(of_said) + len(set(labels)))}


def column(path, name):
    with open(path, encoding="utf-8", newline="") as file:
        return [" ".join(row[name].split()) for row in csv.DictReader(file)]


def drain3(messages, rex):
    """Processor seconds, and a template a message."""
    from drain3 import TemplateMiner
    from drain3.masking import MaskingInstruction
    from drain3.template_miner_config import TemplateMinerConfig

    config = TemplateMinerConfig()
    config.masking_instructions = [MaskingInstruction(pattern, "*") for pattern in rex]
    miner, began = TemplateMiner(config=config), time.process_time()
    found = [miner.add_log_message(message)["cluster_id"] for message in messages]
    seconds = time.process_time() - began
    texts = {cluster.cluster_id: cluster.get_template() for cluster in miner.drain.clusters}
    return seconds, [texts[cluster] for cluster in found]


def logparser3(name, messages, settings):
    """The same by one of logparser3's parsers; reading its file and writing its tables is not counted."""
    make = importlib.import_module(f"logparser.{name}").LogParser
    taken = inspect.signature(make.__init__).parameters
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        pathlib.Path(folder, "messages.log").write_text("\n".join(messages) + "\n", encoding="utf-8")
        settings = {**DEFAULTS.get(name, {}), **settings, "log_format": "<Content>", "indir": folder, "outdir": f"{folder}/out", "logname": "log"}
        parser = make(**{key: value for key, value in settings.items() if key in taken})
        around = without_files(parser)
        began = time.process_time()
        parser.parse("messages.log")
        seconds = time.process_time() - began - around[0]
        return seconds, column(pathlib.Path(folder, "out", "messages.log_structured.csv"), "EventTemplate")


def without_files(parser):
    """Sums up the seconds that the parser spends on its files; one of these methods may call another."""
    spent, depth = [0.0], [0]

    def timed(method):
        def inside(*args, **kwargs):
            began, depth[0] = time.process_time(), depth[0] + 1
            try:
                return method(*args, **kwargs)
            finally:
                depth[0] -= 1
                spent[0] += (time.process_time() - began) if depth[0] == 0 else 0.0
        return inside

    for name in AROUND:
        if hasattr(parser, name):
            setattr(parser, name, timed(getattr(parser, name)))
    return spent


def tuned(name):
    """The settings by system that the package's own benchmark has, read without running it."""
    package = pathlib.Path(importlib.import_module(f"logparser.{name}").__file__).parent
    for node in ast.parse((package / "benchmark.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "benchmark_settings":
            every = ast.literal_eval(node.value)
            return {system: {SETTING.get(key, key): value for key, value in own.items()} for system, own in every.items()}
    return {}


def measure(data, cases, runs, parse):
    """The mean over systems of the marks, and the processor seconds of each run over all of them."""
    found, seconds, lines = [], [], 0
    for run in range(runs):
        seconds.append(0.0)
        for case in cases:
            messages = column(data / case["truth_structured"], "Content")
            spent, templates = parse(case, messages)
            seconds[-1] += spent
            if run == 0:
                said = [notation(template) for template in templates]
                assert len(said) == len(messages), f"{len(said)} templates for {len(messages)} lines of {case['id']}"
                lines += len(messages)
                labels = column(data / case["truth_corrected"], "EventTemplate")
                found.append(marks(column(data / case["truth_structured"], "EventId"), labels, said))
    return {"marks": {name: sum(one[name] for one in found) / len(found) for name in found[0]}, "seconds": seconds, "lines": lines}


def main(name, data, cases, runs):
    data, cases = pathlib.Path(data), [json.loads(line) for line in pathlib.Path(cases).read_text().splitlines() if line.strip()]
    answer = {"version": f"drain3 {version('drain3')}" if name == "Drain3" else f"logparser3 {version('logparser3')}", "configurations": {}}
    ways = {"masks": lambda _, messages: parse_with(name, messages, MASKS), "plain": lambda _, messages: parse_with(name, messages, [])}
    if name != "Drain3":
        own = tuned(name)
        if all(case["system"] in own for case in cases):
            ways["tuned"] = lambda case, messages: logparser3(name, messages, own[case["system"]])
    for way, parse in ways.items():
        answer["configurations"][way] = measure(data, cases, int(runs), parse)
    answer["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(answer))


def parse_with(name, messages, rex):
    return drain3(messages, rex) if name == "Drain3" else logparser3(name, messages, {"rex": rex})


if __name__ == "__main__":
    main(*sys.argv[1:])
