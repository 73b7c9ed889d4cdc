"""The rows of the table: each measures one thing, bounded in time, and counts what is stored afterwards."""
import contextlib
import csv
import json
import os
import pathlib
import re
import shutil
import sqlite3
import statistics
import subprocess
import tarfile
import tempfile
import time
import urllib.request

from alerts import duplicates, storm
from house import BINARY, LOAD, House, Skipped, load, run

HERE = pathlib.Path(__file__).parent
BESIDE = HERE.resolve().parent.parent / "crates/sentinell-eval/benches/peers"
CACHE = pathlib.Path(os.environ["BENCH_CACHE"])
PEERS = os.environ["BENCH_PEERS"]
WITHOUT_WORKER = "[worker]\ninside_serve = false\n"


def wrk(house, script, seconds, connections=64):
    try:
        done = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(HERE / script),
             f"http://{house.address}"], capture_output=True, text=True, timeout=seconds + 60)
    except FileNotFoundError:
        raise Skipped("wrk is missing (Debian: wrk)") from None
    line = re.search(r"^JSON (.*)$", done.stdout, re.M)
    if not line:
        raise RuntimeError(done.stdout + done.stderr)
    seen = json.loads(line.group(1))
    seen["per_second"] = seen["requests"] / (seen["micros"] / 1e6)
    return seen


def middle(results, key):
    return statistics.median(result[key] for result in results)


def throughput(script, options):
    """Signals at full speed from 64 connections, worker off; rows counted against answers."""
    results = []
    for _ in range(options.runs):
        with House(WITHOUT_WORKER) as house:
            wrk(house, script, 1)
            time.sleep(0.5)
            before, used = house.count("SELECT COUNT(*) FROM signals"), house.processor_seconds()
            seen = wrk(house, script, options.seconds)
            used = house.processor_seconds() - used
            time.sleep(0.3)
            rows = house.count("SELECT COUNT(*) FROM signals") - before
            opened = house.count("SELECT COUNT(*) FROM incidents")
        # What was under way when the generator hung up is stored and was never read.
        if seen["not_2xx"] or not seen["requests"] <= rows <= seen["requests"] + 64:
            raise RuntimeError(f"answers and rows differ: {seen}, {rows} rows")
        results.append({**seen, "rows": rows, "opened": opened, "us": used * 1e6 / rows})
    return {
        "value": middle(results, "per_second"), "processor_us": middle(results, "us"),
        "note": f"{results[-1]['rows']:,} rows counted for {results[-1]['requests']:,} answers, "
                f"p99 {middle(results, 'p99_ms'):.1f} ms at that rate",
    }


def join(options):
    return throughput("join.lua", options)


def opening(options):
    return throughput("open.lua", options)


def latency(options):
    """2,000 a second, timed from when each was due."""
    results = []
    for _ in range(options.runs):
        with House(WITHOUT_WORKER) as house:
            load("rate", addr=house.address, rate=500, seconds=1, connections=64)
            seen = load("rate", addr=house.address, rate=2000, seconds=options.seconds, connections=64)
            rows = house.count("SELECT COUNT(*) FROM signals") - 500
        if set(seen["statuses"]) != {"202"} or rows != seen["answered"]:
            raise RuntimeError(f"answers and rows differ: {seen}, {rows} rows")
        results.append(seen)
    late = max(result["latest_send_ms"] for result in results)
    return {"value": middle(results, "p99_ms"), "note": f"p50 {middle(results, 'p50_ms'):.1f} ms, "
            f"p99.9 {middle(results, 'p999_ms'):.1f} ms; the generator itself was at most {late:.0f} ms late"}


def overload(options):
    """Four times what the server took, for a minute (ten seconds in quick mode). It runs a quarter of the time, since the
    generator has to share its cores."""
    with House(WITHOUT_WORKER) as house, house.held(20, 80):
        capacity = wrk(house, "join.lua", max(2, options.seconds // 2))["per_second"]
        time.sleep(0.5)
        before = house.count("SELECT COUNT(*) FROM signals")
        seconds = 10 if options.quick else 60
        seen = load("rate", limit=seconds + 120, addr=house.address, rate=4.4 * capacity, seconds=seconds, connections=18000)
        time.sleep(3)
        rows = house.count("SELECT COUNT(*) FROM signals") - before
    taken = seen["statuses"].get("202", 0)
    refused = sum(count for status, count in seen["statuses"].items() if status in ("429", "503"))
    other = seen["answered"] - taken - refused
    lost = max(0, taken - rows)
    wrong = lost + other + seen["refused_without_retry_after"]
    return {"value": wrong, "note": f"{taken:,} acknowledged, {rows:,} rows, {refused:,} refused with Retry-After, "
            f"{other} other answers, {seen['broken']} broken connections; offered {seen['answered'] / seconds:,.0f}/s, "
            f"{seen['answered'] / seconds / capacity:.2f} times the {capacity:,.0f}/s that it took before, running a quarter of the time; p99 {seen['p99_ms']:.0f} ms"}


def loops(options):
    """Whole investigations: signal, two turns, two reads, conclusion; LangGraph with five empty steps beside it."""
    results = []
    for _ in range(options.runs):
        with House() as house:
            house.stop()
            total = 4000 if options.quick else 20000
            seen = load("loops", db=house.database, loops=total, threads=2, concurrency=512)
            entries = house.count("SELECT MIN(seq) FROM incidents WHERE phase = 'escalated'")
            if entries < 6 or house.count("SELECT COUNT(*) FROM incidents WHERE phase = 'escalated'") != total:
                raise RuntimeError(f"not every loop came to its end with six entries: {seen}")
            results.append({**seen, "entries": entries})
    answer = {"value": middle(results, "per_second"), "processor_us": middle(results, "processor_us_each"),
              "note": f"{results[0]['entries']} entries each, {middle(results, 'commands_a_commit'):.1f} commands a commit"}
    with contextlib.suppress(Skipped):
        with peer_folder() as folder:
            them = run([peers(), str(BESIDE / "langgraph_loops.py"), f"{folder}/peer.db",
                        "100" if options.quick else "400", "64"], 300)
        answer |= {"peer": them["per_second"], "peer_name": them["version"]}
    return answer


def peers():
    if not pathlib.Path(PEERS).exists():
        raise Skipped("the peers cannot be had")
    return PEERS


@contextlib.contextmanager
def peer_folder():
    with tempfile.TemporaryDirectory(prefix="sentinell-peer-") as folder:
        yield folder


VIEW = json.dumps({
    "id": "ID", "signal_type": "log", "title": "payment 4711 of customer 17 timed out after 31 ms at 10.1.2.3:5432",
    "description": "payment 4711 of customer 17 timed out after 31 ms at 10.1.2.3:5432", "repo_id": None,
    "severity": "high", "status": "processing", "phase": "escalated", "resolution": None, "source_ref": None,
    "fingerprint": "f" * 32, "created_at": "2026-11-22T12:00:00.000Z", "updated_at": "2026-11-22T12:00:00.000Z",
    "tags": [], "metadata": {"service": "checkout", "namespace": "shop"}}, separators=(",", ":"))


def seed(file, rows):
    """Fills the table of incidents as so many signals would."""
    with contextlib.closing(sqlite3.connect(file, timeout=30)) as database:
        database.execute("PRAGMA synchronous = OFF")
        begun = 1_772_600_000_000
        made = ((f"inc_{n:032x}", begun + n, begun + n, "log", "processing", "escalated", "high", f"{n:032x}", 1, "0" * 64,
                 False, f"payment {n} timed out", VIEW.replace("ID", f"inc_{n:032x}", 1)) for n in range(rows))
        with database:
            database.executemany(
                "INSERT INTO incidents (id, created_at, updated_at, signal_type, status, phase, severity, fingerprint, "
                "seq, head, deed_open, haystack, view) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", made)


@contextlib.contextmanager
def postgres():
    """A server of its own; its URL."""
    folder = tempfile.mkdtemp(prefix="sentinell-pg-", dir="/var/tmp")
    os.chmod(folder, 0o755)
    script = str(HERE.parent / "postgres")
    try:
        made = subprocess.run([script, "up", folder], capture_output=True, text=True, timeout=120)
        if made.returncode == 77:
            raise Skipped("no PostgreSQL server programs here (Debian: postgresql)")
        if made.returncode != 0:
            raise RuntimeError(made.stderr[-1000:])
        yield made.stdout.strip().splitlines()[-1]
    finally:
        subprocess.run([script, "down", folder], capture_output=True, timeout=120)
        shutil.rmtree(folder, ignore_errors=True)


def workers(options):
    """Three workers against one on the same server, 32 incidents side by side each, a model that takes 200 ms."""
    with postgres() as url:
        total, rates = (200 if options.quick else 600), {}
        for count, first in ((1, 0), (3, 1_000_000)):
            seen = load("loops", db=url, loops=total * count, workers=count, first=first, concurrency=32, thinks=200, threads=2)
            rates[count] = seen["per_second"]
    return {"value": rates[3] / rates[1], "note": f"{rates[1]:,.0f} loops/s with one, {rates[3]:,.0f} with three; two turns of 200 ms and "
            "two reads each; workers with connections of their own in one process"}


def listing(rows):
    def measure(options):
        many = min(rows, 100_000) if options.quick else rows
        with House(WITHOUT_WORKER) as house:
            house.stop()
            seed(house.file, many)
            house.start()
            before = house.answers("/api/incidents")
            seen = load("get", addr=house.address, path="/api/incidents", times=300)
            answered = house.answers("/api/incidents")
            filtered = load("get", addr=house.address, path="/api/incidents?status=processing&severity=high", times=100)
        times, seconds = (after - earlier for after, earlier in zip(answered, before))
        return {"value": seconds * 1000 / times, "note": f"{many:,} incidents, page of 500 ({seen['bytes'] / 1024:.0f} KiB); mean of {times:.0f} "
                f"answers by the server's own clock; the client sees {seen['p50_ms']:.1f} ms, p99 {seen['p99_ms']:.1f} ms; with two filters "
                f"{filtered['p50_ms']:.1f} ms"}
    return measure


def start(options):
    """From starting the program to the first answer, on a database that is there and on none."""
    times, fresh = [], []
    for _ in range(max(3, options.runs)):
        with House() as house:
            house.stop()
            for _ in range(3):
                times.append(house.start())
                house.stop()
        with House() as house:
            house.stop()
            for file in house.folder.glob("bench.db*"):
                file.unlink()
            fresh.append(house.start())
    return {"value": statistics.median(times), "note": f"with a new database {statistics.median(fresh):.0f} ms"}


def idle(options):
    with House() as house:
        time.sleep(5)
        used = house.processor_seconds()
        time.sleep(5)
        used = (house.processor_seconds() - used) / 5
        return {"value": house.memory_mib("VmRSS"), "note": f"resident after ten seconds with the worker inside; {used * 100:.1f} % of a core"}


def binary(_):
    return {"value": pathlib.Path(BINARY).stat().st_size / (1 << 20), "note": "as `cargo build --release` leaves it"}


def streams(options):
    """100 clients; each connects, sends a text, and reads its investigation's frames to the end."""
    with House() as house:
        house.stop()
        seen = load("streams", db=house.database, streams=100, thinks=200, rounds=2 + options.runs, threads=2)
    return {"value": seen["seconds"], "note": f"best {seen['best']:.2f} s, worst {seen['worst']:.2f} s; 0.4 s of it are the model's; clients, "
            "server and worker in one process"}


def sockets(options):
    with House(WITHOUT_WORKER) as house:
        seen = load("sockets", addr=house.address, readers=1000, rate=20, seconds=options.seconds)
        memory = house.memory_mib("VmHWM")
    if seen["frames"] != seen["readers"] * seen["events"] or seen["gaps"] or seen["lagged"]:
        raise RuntimeError(f"readers missed frames: {seen}")
    return {"value": seen["p99_ms"], "note": f"{seen['frames']:,} frames, none missing; p50 {seen['p50_ms']:.0f} ms, "
            f"the server's memory at its highest {memory:.0f} MiB (target 256)"}


def real_lines():
    """JSON lines of a public data set, where it is at hand."""
    archive, lines = pathlib.Path(os.environ["BENCH_SHARED"]) / "data/nezha-dev.tar.xz", CACHE / "lines.jsonl"
    if lines.exists():
        return lines
    if not archive.exists():
        raise Skipped("needs the JSON log lines of Nezha (nezha-dev.tar.xz in the shared data, see SENTINELL_SHARED)")
    CACHE.mkdir(parents=True, exist_ok=True)
    made = 0
    with tarfile.open(archive) as tar, open(lines.with_suffix(".part"), "w", encoding="utf-8") as out:
        for member in tar:
            if member.name.endswith("_log.csv") and made < 200_000:
                text = tar.extractfile(member).read().decode("utf-8", "replace").splitlines()
                for row in csv.DictReader(text):
                    if row["Log"].startswith("{"):
                        out.write(row["Log"].replace("\n", " ") + "\n")
                        made += 1
    lines.with_suffix(".part").rename(lines)
    return lines


def lines(options):
    file = real_lines()
    seen = load("lines", file=file, rounds=options.runs)
    answer = {"value": seen["lines_per_processor_second"], "note": f"{seen['lines']:,} lines of {seen['bytes_a_line']:.0f} bytes, "
              f"{seen['templates']} templates; {seen['lines_per_second']:,.0f}/s by the clock"}
    with contextlib.suppress(Skipped):
        them = run([peers(), str(BESIDE / "drain3_lines.py"), str(file), "10000" if options.quick else "40000"], 300)
        answer |= {"peer": them["lines_per_second"], "peer_name": f"{them['version']}, {them['templates']} templates"}
    return answer


def collected(options):
    """Log lines as collectors send them: real OTLP/HTTP bodies (gzip) over four connections to a real server, every line bad
    enough to be redacted, mined and told. The lines of the answers are the lines of the rows. Beside it the same bodies read in
    one process on two threads, without HTTP and rows, and Drain3 over the same lines."""
    file, forms = real_lines(), {}
    for form in ("protobuf", "json"):
        results = []
        for _ in range(options.runs):
            with House(WITHOUT_WORKER) as house:
                used = house.processor_seconds()
                seen = load("collected", url=f"http://{house.address}", connections=4, file=file, errors=100, form=form,
                            seconds=options.seconds)
                used, memory = house.processor_seconds() - used, house.memory_mib("VmHWM")
                told = house.count("SELECT SUM(json_extract(body, '$.metadata.lines')) FROM signals")
                rows, rejected = house.count("SELECT COUNT(*) FROM signals"), rejected_lines(house)
            if seen["lines"] != told + rejected or rejected * 100 > seen["lines"]:
                raise RuntimeError(f"lines and rows differ: {seen}, {told} told, {rejected} turned away")
            results.append({**seen, "rows": rows, "memory": memory, "us": used * 1e6 / seen["lines"]})
        forms[form] = results
    inside = [load("collected", file=file, threads=2, errors=100, seconds=options.seconds) for _ in range(options.runs)]
    ours, last = forms["protobuf"], forms["protobuf"][-1]
    memory = max(result["memory"] for results in forms.values() for result in results)
    answer = {"value": middle(ours, "lines_per_second"), "processor_us": middle(ours, "us"), "note":
              f"protobuf; JSON {middle(forms['json'], 'lines_per_second'):,.0f}/s; {last['lines']:,} lines of "
              f"{last['bytes_a_record']:.0f} bytes packed, {last['records_a_body']:,} a body, in {last['rows']:,} rows (one for each kind of "
              f"line of a body, their counts add up); the server's memory at its highest {memory:.0f} MiB; the generator took "
              f"{middle(ours, 'own_processor_seconds') / options.seconds * 100:.0f} % of a core; without HTTP and rows, two threads, "
              f"{middle(inside, 'lines_per_second'):,.0f}/s"}
    with contextlib.suppress(Skipped):
        them = run([peers(), str(BESIDE / "drain3_lines.py"), str(file), "10000" if options.quick else "40000"], 300)
        answer |= {"peer": them["lines_per_second"], "peer_name": f"{them['version']}, masks and templates only, one core"}
    return answer


def rejected_lines(house):
    """Lines of one kind too many, as the server counts them."""
    with urllib.request.urlopen(f"http://{house.address}/metrics", timeout=30) as page:
        found = re.search(r'^sentinell_log_lines_total\{source="otlp",fate="rejected"\} (\d+)', page.read().decode(), re.M)
    return int(found.group(1)) if found else 0


# name: what, unit, target, whether more is better, how
def remembering(options):
    """The memory with a million records: time and service narrow, then words and meaning. Beside it SQLite's own FTS5 (bm25,
    porter) over the same texts in the same minutes: words alone, narrowed by columns."""
    many = 100_000 if options.quick else 1_000_000
    with peer_folder() as folder:
        ours = f"{folder}/memory.db"
        results = [load("search", limit=1200, records=many, queries=300, file=ours) for _ in range(options.runs)]
        size = os.path.getsize(ours) / (1 << 20)
        them = full_text(ours, f"{folder}/peer.db", 20 if options.quick else 60)
    middles = {name: {key: statistics.median(result[name][key] for result in results) for key in ("p50_ms", "p99_ms")}
               for name in ("service_week", "service", "all", "incidents")}
    return {"value": middles["service_week"]["p99_ms"], "peer": them,
            "peer_name": f"SQLite {sqlite3.sqlite_version} FTS5 alone, words only", "note":
            f"{many:,} records of 200 services over 90 days, eleven words asked, one service of one week, p50 "
            f"{middles['service_week']['p50_ms']:.1f} ms; a service at any time p99 {middles['service']['p99_ms']:.1f} ms, "
            f"incidents of any service {middles['incidents']['p99_ms']:.1f} ms, nothing narrowed {middles['all']['p99_ms']:.1f} ms "
            f"(then meaning ranks what words brought and the newest 400 alone); {size:,.0f} MiB; one reader, file cached"}


def full_text(ours, theirs, times):
    """p99 of plain FTS5 in milliseconds, asked as we are: any of the words, one service, the last week."""
    with contextlib.closing(sqlite3.connect(theirs)) as file:
        file.execute("ATTACH ? AS ours", (ours,))
        file.execute("CREATE VIRTUAL TABLE peer USING fts5(title, text, service UNINDEXED, at UNINDEXED, tokenize = 'porter')")
        file.execute("INSERT INTO peer (title, text, service, at) SELECT title, text, service, at FROM ours.context_records")
        file.commit()
        last = file.execute("SELECT MAX(at) FROM ours.context_records").fetchone()[0]
        step = file.execute("SELECT COUNT(*) FROM peer").fetchone()[0] // times
        asked = [file.execute("SELECT title, service FROM peer WHERE rowid = ?", (1 + step * at,)).fetchone() for at in range(times)]
        took = []
        for title, service in asked:
            began = time.perf_counter()
            file.execute("SELECT rowid FROM peer WHERE peer MATCH ? AND service = ? AND at >= ? ORDER BY bm25(peer) LIMIT 10",
                         (" OR ".join(title.split()), service, last - 7 * 86_400_000)).fetchall()
            took.append((time.perf_counter() - began) * 1000)
    return sorted(took)[max(0, -(-len(took) * 99 // 100) - 1)]


ROWS = {
    "join": ("durable `POST /api/signals/logs` that joins an incident, 64 connections", "/s", 10_000, True, join),
    "latency": ("the same at 2,000/s, p99", "ms", 25, False, latency),
    "open": ("the same opening new incidents", "/s", 3_000, True, opening),
    "overload": ("four times capacity: acknowledged but not stored, or refused without `Retry-After`", "", 0, False, overload),
    "storm": ("50,000 alerts of one outage in five notifications at once, until all are on disk in one incident", "s", 5, False, storm),
    "duplicates": ("10,000 deliveries, each five times, over 32 connections: signals too many or too few", "", 0, False, duplicates),
    "loops": ("durable loop, instant model, 512 side by side", "loops/s", 2_000, True, loops),
    "list-10k": ("`GET /api/incidents`, first page of 10,000", "ms", 2, False, listing(10_000)),
    "list-1m": ("`GET /api/incidents`, first page of 1,000,000", "ms", 10, False, listing(1_000_000)),
    "start": ("start to first answer", "ms", 100, False, start),
    "idle": ("idle memory", "MiB", 40, False, idle),
    "binary": ("release binary", "MiB", 60, False, binary),
    "streams": ("100 streams, two model calls of 200 ms each, first connection to last event", "s", 0.6, False, streams),
    "sockets": ("1,000 WebSocket readers × 20 events/s, p99", "ms", 250, False, sockets),
    "workers": ("three workers against one on PostgreSQL, a model of 200 ms", "×", 2.5, True, workers),
    "search-1m": ("search of 1,000,000 remembered records, one service of one week, words and meaning, p99", "ms", 50, False, remembering),
    "collected": ("log lines over OTLP/HTTP through redaction and templates into rows, generator and server on the same two cores",
                  "lines/s", 100_000, True, collected),
    "lines": ("log lines through redaction, masking and templates, one core", "lines/s", 300_000, True, lines),
}
