"""How long a click takes to be on the disk: ``python benchmarks/labelling.py [--raters 20] [--items 40] [--pause 0.5] [--out FILE]``.

A server in a process of its own, raters as threads of this one: three answers and "next" an item, then the next card, after
each click a pause (0: as fast as they are answered, which shows the throughput). Counts what is in the database afterwards: no click may be lost or doubled. The peer is
SQLite itself: the same rows appended to a file with the same settings, one after another, by one process.
"""

import argparse
import http.client
import json
import os
import platform
import re
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--raters", type=int, default=20)
    parser.add_argument("--items", type=int, default=40)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two clicks")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), given.raters, given.items, given.pause)
    print(json.dumps(found, indent=1))
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n")


def measure(folder: Path, raters: int, items: int, pause: float) -> dict:
    from tests.labelling.studies import asset

    for i in range(items):
        asset(folder, f"thing number {i}")
    load = os.getloadavg()[0]
    server, port, token = start(folder)
    times: list[tuple[str, float]] = []
    try:
        threads = [
            threading.Thread(target=rate, args=(port, token, f"rater {i}", pause, times))
            for i in range(raters)
        ]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - began
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
    clicks = [t for kind, t in times if kind == "click"]
    cards = [t for kind, t in times if kind == "card"]
    return {
        "raters": raters,
        "items": items,
        "seconds between clicks": pause,
        "clicks sent": len(clicks),
        **counted(folder),
        "clicks per second": len(clicks) / seconds,
        "milliseconds of a click": spread(clicks),
        "milliseconds of a card": spread(cards),
        "milliseconds of one SQLite append": spread(appends(folder / "peer.sqlite")),
        "machine": {
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "load before": load,
            "load after": os.getloadavg()[0],
        },
    }


def start(folder: Path) -> tuple[subprocess.Popen, int, str]:
    command = [
        sys.executable,
        "-m",
        "esd_bench.cli",
        "label",
        str(folder),
        "--no-browser",
        "--port",
        "0",
    ]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    for line in server.stderr:
        if told := re.search(r":(\d+)/\?token=([\w-]+)", line):
            return server, int(told[1]), told[2]
    raise SystemExit("the server did not start")


def rate(port: int, token: str, name: str, pause: float, times: list[tuple[str, float]]) -> None:
    """One rater, from the link to the last item, on one connection."""
    from esd_bench.labelling.guard import csrf

    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {
        "Origin": f"http://127.0.0.1:{port}",
        "X-CSRF-Token": csrf(token),
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": f"esd_label_{port}={token}",
    }

    def ask(method: str, path: str, **form: str) -> tuple[http.client.HTTPResponse, str]:
        wire.request(method, path, urlencode(form) if form else None, headers)
        answer = wire.getresponse()
        return answer, answer.read().decode()

    begun, _ = ask("POST", "/start", name=name, role="rater")
    headers["Cookie"] += f"; {begun.headers['set-cookie'].partition(';')[0]}"
    while True:
        began = time.perf_counter()
        _, text = ask("GET", "/card")
        times.append(("card", time.perf_counter() - began))
        slot = re.search(r'data-slot="([^"]*)"', text)[1]
        if not slot:
            return
        for criterion in ("view", "count", "look", ""):
            kind, value = ("answer", "yes") if criterion else ("done", "")
            form = {"slot": slot, "kind": kind, "criterion": criterion, "value": value}
            began = time.perf_counter()
            answer, said = ask("POST", "/event", key=uuid4().hex, **form)
            times.append(("click", time.perf_counter() - began))
            assert answer.status == 200, said
            time.sleep(pause)


def counted(folder: Path) -> dict[str, int]:
    """What is on the disk."""
    from esd_bench.labelling.database import read_database

    kept = read_database(folder).everything("single")
    told = [[(e.slot, e.kind, e.criterion) for e in events] for events in kept.values()]
    return {
        "clicks kept": sum(map(len, told)),
        "clicks doubled": sum(len(x) - len(set(x)) for x in told),
    }


def appends(path: Path, count: int = 300) -> list[float]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE events (key TEXT UNIQUE, value TEXT)")
    times = []
    for _ in range(count):
        began = time.perf_counter()
        connection.execute("INSERT INTO events VALUES (?, 'yes')", (uuid4().hex,))
        times.append(time.perf_counter() - began)
    return times


def spread(seconds: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=20, method="inclusive")
    names = {"p50": cuts[9], "p95": cuts[18], "worst": max(seconds)}
    return {name: round(1000 * value, 2) for name, value in names.items()}


if __name__ == "__main__":
    main()
