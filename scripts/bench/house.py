"""A real server on a scratch database and a free port, and what the operating system says about it."""
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time

BINARY = os.environ["BENCH_BINARY"]
LOAD = os.environ["BENCH_LOAD"]
TICKS = os.sysconf("SC_CLK_TCK")


class Skipped(Exception):
    """A row that cannot be measured here, and why."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(argv, seconds):
    """Runs a program that prints one line of JSON."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds)
    if done.returncode != 0:
        raise RuntimeError(f"{argv[0]} failed: {done.stderr.strip()[-2000:] or done.stdout.strip()[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def load(word, limit=300, **args):
    """One word of the load generator."""
    pairs = [piece for name, value in args.items() for piece in (f"--{name}", str(value).lower())]
    return run([LOAD, word, *pairs], limit)


class House:
    """`sentinell serve` in a folder of its own."""

    def __init__(self, settings="", database=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sentinell-bench-"))
        self.file = self.folder / "bench.db"
        self.database = database or f"sqlite://{self.file}"
        self.address = None
        self.process = None
        (self.folder / "sentinell.toml").write_text(settings)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, *words):
        """Starts it; answers milliseconds until the first answer to a request."""
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.folder), "SENTINELL_LISTEN": self.address,
            "DATABASE_URL": self.database, "SENTINELL_OPERATOR_TOKEN": "bench-operator-token-0123456789",
        }
        with open(self.folder / "server.log", "ab") as log:
            began = time.perf_counter()
            self.process = subprocess.Popen(
                [BINARY, *(words or ["serve"])], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log)
        if words and words[0] != "serve":
            return None
        while time.perf_counter() - began < 30:
            if self.process.poll() is not None:
                raise RuntimeError((self.folder / "server.log").read_text()[-2000:])
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection(self.address, timeout=5)
                connection.request("GET", "/api/health")
                if connection.getresponse().status == 200:
                    return (time.perf_counter() - began) * 1000
            time.sleep(0.0005)
        raise RuntimeError("the server did not answer within 30 s")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    @contextlib.contextmanager
    def held(self, runs_ms, every_ms):
        """Lets the server run only so much of the time, so that a generator beside it can offer far more than it takes."""
        over = threading.Event()

        def hold():
            while not over.is_set():
                self.process.send_signal(signal.SIGSTOP)
                time.sleep((every_ms - runs_ms) / 1000)
                self.process.send_signal(signal.SIGCONT)
                time.sleep(runs_ms / 1000)

        thread = threading.Thread(target=hold)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def processor_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mib(self, what):
        """`VmRSS` now, `VmHWM` at its highest."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(what):
                return int(line.split()[1]) / 1024
        return 0.0

    def answers(self, route):
        """How many reads of this route the server has answered well so far, and the seconds they took by its own clock."""
        connection = http.client.HTTPConnection(self.address, timeout=30)
        connection.request("GET", "/metrics")
        page = connection.getresponse().read().decode()
        names = [f"sentinell_http_request_duration_seconds_{part}{{" for part in ("count", "sum")]
        labels = ('method="GET"', f'route="{route}"', 'class="2xx"')
        return [sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines()
                    if line.startswith(name) and all(label in line for label in labels)) for name in names]

    def count(self, sql):
        with contextlib.closing(sqlite3.connect(self.file, timeout=30)) as database:
            return database.execute(sql).fetchone()[0]
