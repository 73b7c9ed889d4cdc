#!/usr/bin/env python3
"""Tells recorded failures in words, for `cargo bench --bench load -- alike --cases FILE`.

    failures.py CASES.jsonl FOLDER > cases.jsonl
    failures.py --words cases.jsonl          # recall@5 of SQLite's own FTS5 (bm25, porter) on the same cases

A case is told by what somebody on duty would paste: the complaint, warnings among the events, pods that do not run, and
lines of errors. Its label is the true root cause, whichever component had it: the same failure again. What is in
`truth_` fields goes into the label alone.
"""

import json
import re
import sqlite3
import sys
from pathlib import Path


def told(case, folder):
    cache = json.loads((folder / case["dir"] / "tool_cache.json").read_text())
    seen, lines = set(), [case["query"]]

    def add(line, most=200):
        line = re.sub(r"\s+", " ", str(line)).strip()[:most]
        shape = re.sub(r"\d+", "0", line)
        if line and shape not in seen:
            seen.add(shape)
            lines.append(line)

    for call, answer in cache.items():
        answer = answer if isinstance(answer, str) else json.dumps(answer)
        if call.startswith("GetResources:") and '"pods"' in call and '"name":""' in call and "output_wide" not in call:
            for line in answer.splitlines()[1:]:
                if " Running " not in line and "show_labels" not in call:
                    add(line)
        if call.startswith("DescribeResource"):
            for line in answer.splitlines():
                if re.match(r"\s*Warning\s", line) or re.search(r"(Reason|Last State|Message):\s+\S", line):
                    add(line)
        if call.startswith(("GetErrorLogs", "GetAlerts")):
            for line in answer.splitlines()[:15]:
                add(line)
        if len(lines) > 40:
            break
    return "\n".join(lines)[:4000]


def words(path):
    cases = [json.loads(line) for line in open(path)]
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE t USING fts5(x, tokenize='porter unicode61')")
    db.executemany("INSERT INTO t (rowid, x) VALUES (?, ?)", [(n + 1, case["text"]) for n, case in enumerate(cases)])
    asked = hits = 0
    for n, case in enumerate(cases):
        if sum(other["label"] == case["label"] for other in cases) < 2:
            continue
        asked += 1
        query = " OR ".join(f'"{word}"' for word in dict.fromkeys(re.findall(r"\w+", case["text"]))) or '""'
        rows = db.execute("SELECT rowid FROM t WHERE t MATCH ? ORDER BY bm25(t) LIMIT 6", (query,)).fetchall()
        others = [row[0] - 1 for row in rows if row[0] - 1 != n][:5]
        hits += any(cases[other]["label"] == case["label"] for other in others)
    print(json.dumps({"asked": asked, "fts5_words": round(hits / max(asked, 1), 4)}))


def main():
    if sys.argv[1] == "--words":
        return words(sys.argv[2])
    for line in open(sys.argv[1]):
        case = json.loads(line)
        print(json.dumps({"text": told(case, Path(sys.argv[2])), "label": case["truth_root_cause"]}))


if __name__ == "__main__":
    main()
