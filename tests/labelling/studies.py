"""Folders of runs with pictures that can be labelled, and the page in this process or in one of its own."""

import http.client
import json
import os
import re
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch

from esd_bench.cameras import protocol
from esd_bench.labelling.criteria import NAMES
from esd_bench.labelling.progress import Event
from esd_bench.views import ViewSet
from tests.tables.fakes import Runs

ROOT = Path(__file__).parents[2]
VIEWS = ("sphere:12", "ring:15:8")


def asset(root: Path, prompt: str, method: str = "sds", seed: int = 0, **how: Any) -> Path:
    """A finished run whose views are drawn: every view has a colour of its own, so that one can see which is shown."""
    changes = {"views": VIEWS, **how.pop("changes", {})}
    folder = Runs(root).add(prompt, method, seed, changes=changes, **how)
    if how.get("reason"):
        return folder
    for name in VIEWS:
        cameras = protocol(name, 16)
        rgba = torch.full((len(cameras), 4, 16, 16), 255, dtype=torch.uint8)
        rgba[:, 0] = (torch.arange(len(cameras)) * 20).to(torch.uint8)[:, None, None]
        rgba[:, 3, :4] = 0
        ViewSet(rgba, cameras, name).save(folder / "views" / name.replace(":", "-"))
    return folder


def grid(
    root: Path, prompts: int = 2, methods: tuple[str, ...] = ("sds", "esd"), seeds: int = 1
) -> Path:
    """Every prompt by every method and seed."""
    for p in range(prompts):
        for method in methods:
            for seed in range(seeds):
                asset(root, f"a cat number {p}", method, seed)
    return root


def said(
    slot: str, answers: str = "yyy", note: str = "", done: bool = True
) -> list[tuple[str, Event]]:
    """Clicks of one rater on one slot; a letter an answer: y, n or u."""
    words = {"y": "yes", "n": "no", "u": "unsure", "f": "first", "s": "second", "=": "same"}
    events = [
        Event(slot, "answer", name, words[x], 1.0) for name, x in zip(NAMES, answers, strict=True)
    ]
    events += [Event(slot, "note", "", note, 1.0)] if note else []
    events += [Event(slot, "done", at=1.0)] if done else []
    return [(uuid4().hex, event) for event in events]


@contextmanager
def page_here(root: Path, mode: str = "single", **how: Any) -> Iterator["Client"]:
    """The page, served by a thread of this process."""
    import uvicorn

    from esd_bench.labelling.database import open_database
    from esd_bench.labelling.serve import _bound
    from esd_bench.labelling.server import application
    from esd_bench.labelling.study import study

    database = open_database(root)
    listening = _bound("127.0.0.1", 0)
    port = listening.getsockname()[1]
    shown = study(root, database.secret("items"), mode)  # type: ignore[arg-type]
    app = application(database, shown, port, **how)
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="critical", server_header=False, lifespan="off")
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield Client(port, database.secret("token"))
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
        database.close()


@dataclass
class Server:
    """``esd-bench label`` in a process of its own."""

    process: subprocess.Popen
    url: str
    port: int
    token: str

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()


def start(root: Path, *words: object, port: int = 0) -> Server:
    """Start it and read its address."""
    command = [sys.executable, "-m", "esd_bench.cli", "label", root, "--no-browser", "--port", port]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*map(str, command), *map(str, words)],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=root,
    )
    said = []
    for line in process.stderr or ():
        said.append(line)
        found = re.search(r"(http://[\w.]+:(\d+)/\?token=([\w-]+))", line)
        if found:
            return Server(process, found[1], int(found[2]), found[3])
    raise AssertionError("".join(said))


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


@dataclass
class Client:
    """A browser without a screen: cookies, the page's token, and clicks."""

    port: int
    token: str
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(
        self, method: str, path: str, form: dict[str, str] | None = None, **headers: str
    ) -> Answer:
        """One request; a header given as None-like "" is left out."""
        own = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        body = urllib.parse.urlencode(form) if form is not None else None
        if form is not None:
            own["Content-Type"] = "application/x-www-form-urlencoded"
            own["Origin"] = f"http://127.0.0.1:{self.port}"
            own["X-CSRF-Token"] = self.csrf
        own |= {k.replace("_", "-"): v for k, v in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body, {k: v for k, v in own.items() if v})
        found = connection.getresponse()
        answer = Answer(found.status, {k.lower(): v for k, v in found.getheaders()}, found.read())
        for cookie in found.headers.get_all("set-cookie") or ():
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        connection.close()
        return answer

    @property
    def csrf(self) -> str:
        """As the page tells its own scripts."""
        from esd_bench.labelling.guard import csrf

        return csrf(self.token)

    def enter(self, name: str, role: str = "rater") -> "Client":
        """Through the link, then a name."""
        assert self.ask("GET", f"/?token={self.token}").status == 200
        form = {"name": name, "role": role, "again": name}
        assert self.ask("POST", "/start", form).status == 303
        return self

    def slot(self) -> str:
        """The slot of the present card; "" at the end."""
        found = re.search(r'data-slot="([^"]*)"', self.ask("GET", "/card").text)
        assert found
        return found[1]

    def click(
        self, slot: str, kind: str, criterion: str = "", value: str = "", key: str = ""
    ) -> Answer:
        """One click."""
        form = {"key": key or uuid4().hex, "slot": slot, "kind": kind}
        return self.ask("POST", "/event", {**form, "criterion": criterion, "value": value})

    def judge(self, answers: str = "yyy") -> str:
        """The present card answered and finished; of a pair f is what stands on the left, s what stands on the right."""
        slot, sides = self.slot(), {"first": "left", "second": "right"}
        for _, event in said(slot, answers):
            made = self.click(
                slot, event.kind, event.criterion, sides.get(event.value, event.value)
            )
            assert made.status == 200, made.text
            assert json.loads(made.body)["kept"]
        return slot
