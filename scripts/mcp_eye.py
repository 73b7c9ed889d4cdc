"""Watches a server whose eyes are other people's MCP servers: BASE, then a step: `first` and what has to be
found, or `second`.

`first`: everything that was asked at the first look of an incident has come, without secrets. `second`: a tool that is not
what it was is named.
"""

import json
import sys
import time
import urllib.request

base, step = sys.argv[1], sys.argv[2]


def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def incident_of(service):
    labels = {"alertname": f"{service} refuses", "service": service, "namespace": "fair", "severity": "critical"}
    alert = {"status": "firing", "labels": labels, "annotations": {}, "startsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    ask("/api/signals/alertmanager", {"version": "4", "status": "firing", "alerts": [alert]})
    for _ in range(400):
        found = [one for one in ask("/api/incidents")["incidents"] if service in json.dumps(one)]
        if found and found[0]["phase"] not in ("queued", "observing", "reasoning"):
            identity = found[0]["id"]
            evidence = ask(f"/api/incidents/{identity}/evidence")
            return evidence, ask(f"/api/incidents/{identity}/hypotheses"), ask(f"/api/incidents/{identity}/journal?limit=200")
        time.sleep(0.2)
    raise SystemExit(f"no incident of {service} came to rest: {ask('/api/incidents')}")


evidence, hypotheses, journal = incident_of("till" if step == "first" else "swing")
text = json.dumps(evidence)
told = json.dumps([evidence, hypotheses, journal])
assert "hunter2" not in told, "a secret was kept"
if step == "first":
    for needle in sys.argv[3:]:
        assert needle in text, f"{needle} is missing in {text}"
    cause = hypotheses["hypotheses"][0]
    assert (cause["component"], cause["fault"]) == ("service/fair/till", "database_connections_exhausted"), cause
    readings = [one for one in evidence["evidence"] if one["kind"] == "reading"]
    assert readings and all(one["outsider_can_write"] for one in readings), readings
    print(f"first look: {len(readings)} readings, cause {cause['fault']} on {cause['component']}, {len(evidence['gaps'])} gaps")
else:
    assert "changed its description" in text, text
    print("a tool that says something else of itself is named and not asked")
