"""Posts every example payload of a folder of @octokit/webhooks-examples, signed, twice; fails unless each is accepted and counts once.

Usage: github_payloads.py SERVER FOLDER SECRET
"""
import collections
import hashlib
import hmac
import json
import pathlib
import sys
import urllib.error
import urllib.request

server, folder, secret = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3].encode()


def post(event, delivery, body):
    signature = hmac.new(secret, body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json", "X-GitHub-Event": event, "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    request = urllib.request.Request(f"{server}/api/signals/github", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode("utf-8", "replace")


def listed():
    cursor, found = "", []
    while cursor is not None:
        with urllib.request.urlopen(f"{server}/api/signals?limit=500{cursor and '&cursor=' + cursor}", timeout=30) as answer:
            page = json.load(answer)
        found += page["signals"]
        cursor = page.get("next_cursor")
    return found


examples = json.loads(next(folder.glob("**/index.json")).read_text(encoding="utf-8"))
sent, wrong, opened = 0, [], collections.Counter()
for definition in examples:
    for payload in definition["examples"]:
        sent += 1
        body = json.dumps(payload).encode()
        answers = [post(definition["name"], f"delivery-{sent}", body) for _ in range(2)]
        if [status for status, _ in answers] != [202, 202] or answers[0] != answers[1]:
            wrong.append((definition["name"], answers))
        elif answers[0][1].get("incident_id"):
            opened[definition["name"]] += 1
stored = listed()
changes = sum(len(signal["metadata"].get("changes", [])) for signal in stored)
print(f"{sent} payloads of {len(examples)} events, each twice: {len(wrong)} refused or answered differently; "
      f"{len(stored)} signals stored, {changes} changes told, incidents from {dict(opened) or 'none'}")
if wrong or len(stored) != sent or not changes:
    sys.exit(f"failed: {wrong[:3]}")
