"""Drain3 on the labelled lines of the `logparse` suite, with the masks of its documentation and one configuration.

It is given the messages without their headers (the column `Content`), which our side has to find by itself, and its
templates are put into the labels' notation by the same published rules. Prints one line of JSON.
Usage: drain3_loghub.py DATA CASES"""
import collections
import csv
import json
import pathlib
import re
import sys
import time
from importlib.metadata import version

from drain3 import TemplateMiner
from drain3.masking import MaskingInstruction
from drain3.template_miner_config import TemplateMinerConfig

NEAR = r"((?<=[^A-Za-z0-9])|^)%s((?=[^A-Za-z0-9])|$)"
MASKS = [NEAR % p for p in (r"(([0-9a-f]{2,}:){3,}([0-9a-f]{2,}))", r"(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})", r"([0-9a-f]{6,} ?){3,}",
                            r"([0-9A-F]{4} ?){4,}", r"(0x[a-f0-9A-F]+)", r"([\-\+]?\d+)")]
PATHS = r"([\s,!;:=|\"'\[\](){}])"
WORDS = r"([\s,!;:=|\"'\[\](){}.\-+@#$%&])"


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


def marks(events, labels, groups, said):
    of_event, of_group = collections.Counter(events), collections.defaultdict(collections.Counter)
    of_said = collections.defaultdict(set)
    for event, label, group, text in zip(events, labels, groups, said):
        of_group[group][event] += 1
        of_said[text].add(label)
    right = [sum(inside.values()) for inside in of_group.values()
             if len(inside) == 1 and of_event[next(iter(inside))] == sum(inside.values())]
    pure = sum(1 for text, there in of_said.items() if there == {text})
    return {"GA": sum(right) / len(events), "FGA": 2 * len(right) / (len(of_group) + len(of_event)),
            "PA": sum(a == b for a, b in zip(labels, said)) / len(events), "FTA": 2 * pure / (len(of_said) + len(set(labels)))}


def column(path, name):
    with open(path, encoding="utf-8", newline="") as file:
        return [" ".join(row[name].split()) for row in csv.DictReader(file)]


def main(data, cases):
    table, lines, seconds = {}, 0, 0.0
    for case in map(json.loads, filter(str.strip, cases.read_text().splitlines())):
        messages = column(data / case["truth_structured"], "Content")
        config = TemplateMinerConfig()
        config.masking_instructions = [MaskingInstruction(pattern, "*") for pattern in MASKS]
        miner, began = TemplateMiner(config=config), time.process_time()
        found = [miner.add_log_message(message)["cluster_id"] for message in messages]
        seconds, lines = seconds + time.process_time() - began, lines + len(messages)
        texts = {cluster.cluster_id: notation(cluster.get_template()) for cluster in miner.drain.clusters}
        said = [texts[cluster] for cluster in found]
        table[case["id"]] = marks(column(data / case["truth_structured"], "EventId"),
                                  column(data / case["truth_corrected"], "EventTemplate"), said, said)
    mean = {name: sum(row[name] for row in table.values()) / len(table) for name in ("GA", "FGA", "PA", "FTA")}
    print(json.dumps({"version": f"drain3 {version('drain3')}", "lines_per_second": lines / seconds, "mean": mean, "systems": table}))


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
