"""Rows on alert storms: what is posted by a real Alertmanager's rules of the game, counted in the database afterwards."""
import concurrent.futures
import http.client
import json
import time

from house import House

WITHOUT_WORKER = "[worker]\ninside_serve = false\n"
PATH = "/api/signals/alertmanager"


def post(connection, path, body, headers=None):
    connection.request("POST", path, body, {"Content-Type": "application/json", **(headers or {})})
    answer = connection.getresponse()
    text = answer.read()
    return answer.status, text


def one_outage(number, group):
    """An alert of one rule on one of many instances, in one of five notifications."""
    return {
        "status": "firing", "startsAt": "2026-11-22T11:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
        "labels": {"alertname": "InstanceUnreachable", "severity": "critical", "zone": f"z{group}",
                   "instance": f"10.{group}.{number // 250}.{number % 250}:9100", "job": "node"},
        "annotations": {"summary": f"instance {number} of zone {group} does not answer"},
    }


def storm(options):
    """50,000 alerts of one outage, in five notifications of 10,000 that arrive at once."""
    each = 1_000 if options.quick else 10_000
    bodies = [json.dumps({"version": "4", "status": "firing", "receiver": "bench", "alerts": [one_outage(n, group) for n in range(each)]})
              for group in range(5)]
    with House(WITHOUT_WORKER) as house:
        def notify(body):
            return post(http.client.HTTPConnection(house.address, timeout=120), PATH, body)[0]

        used, began = house.processor_seconds(), time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            answers = list(pool.map(notify, bodies))
        seconds, used = time.perf_counter() - began, house.processor_seconds() - used
        rows, incidents = house.count("SELECT COUNT(*) FROM signals"), house.count("SELECT COUNT(*) FROM incidents")
        entries = house.count("SELECT COUNT(*) FROM entries")
    if answers != [202] * 5 or rows != 5 * each or incidents != 1:
        raise RuntimeError(f"answers {answers}, {rows} signals, {incidents} incidents")
    return {"value": seconds, "processor_us": used * 1e6 / rows,
            "note": f"{rows:,} alerts of as many instances: {rows:,} signals, 1 incident that was told of {entries - 1} of them"}


def duplicates(options):
    """10,000 deliveries, each five times, over 32 connections."""
    each = 1_000 if options.quick else 10_000
    with House(WITHOUT_WORKER) as house:
        def caller(first):
            connection, odd = http.client.HTTPConnection(house.address, timeout=60), 0
            for n in range(first, 5 * each, 32):
                body = json.dumps({"message": f"payment {n % each} failed", "level": "error", "metadata": {"service": "kiosk"}})
                status, _ = post(connection, "/api/signals/logs", body, {"X-Webhook-Id": f"delivery-{n % each}"})
                odd += status != 202
            return odd

        began = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            odd = sum(pool.map(caller, range(32)))
        seconds = time.perf_counter() - began
        rows, incidents = house.count("SELECT COUNT(*) FROM signals"), house.count("SELECT COUNT(*) FROM incidents")
    if odd or incidents != 1:
        raise RuntimeError(f"{odd} answers were not 202, {incidents} incidents")
    return {"value": abs(rows - each), "note": f"{5 * each:,} posts, {rows:,} signals; {5 * each / seconds:,.0f}/s, as fast as the generator is"}
