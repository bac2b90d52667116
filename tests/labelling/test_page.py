"""The page over HTTP: who may come in, what leaks, and what raters' clicks become."""

import io
import json
import re
import socket
import struct
import threading
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="the extra label is not installed")
pytest.importorskip("uvicorn", reason="the extra label is not installed")
pytest.importorskip("python_multipart", reason="the extra label is not installed")

from esd_bench.labelling import session
from esd_bench.labelling.criteria import NAMES
from esd_bench.labelling.database import open_database, read_database
from esd_bench.labelling.guard import LARGEST, Guard
from esd_bench.labelling.order import AGAIN
from esd_bench.labelling.progress import Event, fold
from esd_bench.labelling.study import study
from tests.labelling.studies import Client, asset, grid, page_here, said

SCRIPT = "<script>alert('1')</script>"


def glb(path, **more):
    """A GLB file that tells everything about itself."""
    tree = {
        "asset": {"version": "2.0", "generator": "esd"},
        "meshes": [{"name": "esd mesh", "primitives": [], "extras": {"method": "ESD"}}],
        "extras": {"run": "esd-voxels"},
        **more,
    }
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    rest = struct.pack("<I4s", 4, b"BIN\0") + b"\1\2\3\4"
    head = struct.pack("<4sIII4s", b"glTF", 2, 20 + len(text) + len(rest), len(text), b"JSON")
    path.write_bytes(head + text + rest)
    return rest


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for method in ("sds", "esd"):
        glb(asset(folder, f"a cat {SCRIPT}", method) / "asset.glb")
        asset(folder, "a dog", method)
    return folder


@pytest.fixture(scope="module")
def served(root):
    with page_here(root) as client:
        yield client


@pytest.fixture
def client(served):
    return Client(served.port, served.token)


@pytest.fixture
def ann(client):
    return client.enter(f"Ann {uuid4().hex[:8]}")


# ---- who may come in


@pytest.mark.parametrize(
    "path", ["/", "/card", "/adjudicate", "/static/label.js", "/asset/x/ring.png"]
)
def test_without_the_token_there_is_nothing(client, path):
    assert client.ask("GET", path).status == 403
    assert client.ask("GET", f"{path}?token=wrong").status == 403
    client.cookies = {f"esd_label_{client.port}": "wrong"}
    assert client.ask("GET", path).status == 403


def test_the_token_opens_only_the_entrance_and_becomes_a_cookie(client):
    assert client.ask("GET", f"/card?token={client.token}").status == 403
    entered = client.ask("GET", f"/?token={client.token}")
    assert entered.status == 200
    assert {"HttpOnly", "SameSite=Strict"} <= set(entered.headers["set-cookie"].split("; "))
    assert client.token not in entered.text
    assert client.ask("GET", "/").status == 200


def test_a_post_must_come_from_the_page(ann):
    slot = ann.slot()
    form = {"key": uuid4().hex, "slot": slot, "kind": "answer", "criterion": "view", "value": "yes"}
    elsewhere = "http://evil.example"
    for wrong in (
        {"Origin": elsewhere},
        {"Origin": ""},
        {"Origin": "null"},
        {"X_CSRF_Token": ""},
        {"X_CSRF_Token": "0" * 64},
    ):
        assert ann.ask("POST", "/event", form, **wrong).status == 403
    assert ann.ask("POST", "/event", form).status == 200
    begun = {"name": "Zoe", "role": "rater"}
    assert ann.ask("POST", "/start", begun, X_CSRF_Token="").status == 403
    assert ann.ask("POST", "/start", {**begun, "csrf": "0" * 64}, X_CSRF_Token="").status == 403
    assert ann.ask("POST", "/start", {**begun, "csrf": ann.csrf}, X_CSRF_Token="").status == 303


def test_another_host_name_is_refused(ann):
    assert ann.ask("GET", "/", Host="evil.example").status == 400
    assert ann.ask("GET", "/", Host=f"localhost:{ann.port}").status == 200
    assert ann.ask("GET", "/", Host=f"LOCALHOST:{ann.port}").status == 200
    assert ann.ask("GET", "/", Host="[::1").status == 400


@pytest.mark.parametrize(("host", "name"), [("MyBox.Lan", "mybox.lan"), ("::1", "[::1]")])
def test_the_host_it_serves_is_known_however_it_is_written(host, name):
    """A browser writes names small, and puts an IPv6 address in brackets."""

    async def nothing(*_):
        raise AssertionError

    wall = Guard(nothing, "t", 1, host)
    refused = wall._refused(
        {"query_string": b"", "path": "/", "method": "GET"}, {"host": f"{name}:8765"}
    )
    assert refused[0] == 403, "the token is asked for, not the host"


def test_a_name_that_is_known_is_taken_only_by_who_says_so(client):
    name = f"Ann {uuid4().hex[:8]}"
    client.enter(name)
    other = Client(client.port, client.token)
    other.ask("GET", f"/?token={client.token}")
    asked = other.ask("POST", "/start", {"name": name.upper(), "role": "rater"})
    assert asked.status == 200
    assert f"Somebody has begun as {name}" in asked.text
    assert other.ask("GET", "/card").status == 401
    wrong = {"name": name, "role": "rater", "again": "somebody else"}
    assert other.ask("POST", "/start", wrong).status == 200
    assert other.ask("POST", "/start", {**wrong, "again": name}).status == 303
    assert other.slot() == client.slot()


def test_a_page_of_one_rater_does_not_click_for_another(client):
    """A browser has one cookie: who begins in a second window changes it for the first one, too."""
    client.enter(f"Ann {uuid4().hex[:8]}")
    ann = re.search(r'data-rater="(\d+)"', client.ask("GET", "/").text)[1]
    client.enter(f"Bob {uuid4().hex[:8]}")
    bob = re.search(r'data-rater="(\d+)"', client.ask("GET", "/").text)[1]
    form = {"key": uuid4().hex, "slot": client.slot(), "kind": "answer"}
    form |= {"criterion": "view", "value": "yes"}
    assert client.ask("GET", "/card", X_Rater=ann).status == 401
    assert client.ask("POST", "/event", form, X_Rater=ann).status == 401
    assert client.ask("POST", "/event", form, X_Rater=bob).status == 200


def test_a_body_that_breaks_off_is_not_taken_for_a_whole_one(ann, root):
    slot, key = ann.slot(), uuid4().hex
    form = f"key={key}&slot={slot}&kind=note&value=two"
    cookie = "; ".join(f"{k}={v}" for k, v in ann.cookies.items())
    head = (
        f"POST /event HTTP/1.1\r\nHost: 127.0.0.1:{ann.port}\r\nOrigin: http://127.0.0.1:{ann.port}\r\n"
        f"X-CSRF-Token: {ann.csrf}\r\nCookie: {cookie}\r\nContent-Length: {len(form) + 6}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", ann.port), timeout=10) as wire:
        wire.sendall((head + form).encode())
    whole = {"key": key, "slot": slot, "kind": "note", "value": "two faces"}
    assert ann.ask("POST", "/event", whole).status == 200
    assert ">two faces</textarea>" in ann.ask("GET", "/card").text


def test_a_rater_cannot_be_forged(client, root):
    client.ask("GET", f"/?token={client.token}")
    for value in ("1", "1.", "1." + "0" * 32, "x"):
        client.cookies[f"esd_rater_{client.port}"] = value
        assert client.ask("GET", "/card").status == 401


def test_requests_are_bounded(ann):
    slot = ann.slot()
    long = {"key": uuid4().hex, "slot": slot, "kind": "note", "value": "x" * LARGEST}
    assert ann.ask("POST", "/event", long).status == 413
    assert ann.ask("POST", "/event", {**long, "value": "x" * 2001}).status == 422
    assert ann.ask("POST", "/event", {**long, "value": "x" * 2000}).status == 200
    # Without a length, in chunks.
    cookie = "; ".join(f"{k}={v}" for k, v in ann.cookies.items())
    head = (
        f"POST /event HTTP/1.1\r\nHost: 127.0.0.1:{ann.port}\r\nOrigin: http://127.0.0.1:{ann.port}\r\n"
        f"X-CSRF-Token: {ann.csrf}\r\nCookie: {cookie}\r\nTransfer-Encoding: chunked\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", ann.port), timeout=10) as wire:
        wire.sendall(
            head.encode() + b"".join(b"4000\r\n" + b"x" * 0x4000 + b"\r\n" for _ in range(5))
        )
        assert b" 413 " in wire.recv(100)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py",
        "/static/..%2fserver.py",
        "/static/%2e%2e/server.py",
        "/asset/..%2f..%2fspec.json/ring.png",
        "/asset/../../etc/passwd/ring.png",
        "/asset/%00/ring.png",
        "/docs",
        "/openapi.json",
    ],
)
def test_no_other_file_is_served(ann, path):
    assert ann.ask("GET", path).status == 404


def test_every_answer_carries_the_policy(ann, client):
    for answer in (
        ann.ask("GET", "/"),
        ann.ask("GET", "/static/label.js"),
        client.ask("GET", "/x"),
    ):
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe-eval'" not in answer.headers["content-security-policy"].replace(
            "wasm-unsafe-eval", ""
        )
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers


# ---- what leaks


def test_nothing_tells_the_method(ann, root):
    words = [b"sds", b"esd", b"vsd", b"voxels"]
    shown = [ann.ask("GET", "/"), ann.ask("GET", "/card")]
    ids = set(re.findall(r"/asset/([^/\"]+)/", shown[1].text))
    assert all(re.fullmatch(r"[0-9a-f]{20}", x) for x in ids)
    with_mesh = [x.id for x in study(root, read_database(root).secret("items")).assets.values()]
    for one in with_mesh:
        shown += [
            ann.ask("GET", f"/asset/{one}/{x}") for x in ("ring.png", "sphere.png", "model.glb")
        ]
    ours = re.compile(rb"esd[-_](label|rater)[\w-]*")
    for answer in shown:
        text = ours.sub(b"", answer.body.lower()) if b"png" not in answer.body[:8].lower() else b""
        told = json.dumps(list(answer.headers.items())).lower().encode()
        assert not [x for x in words if x in text or x in ours.sub(b"", told)]
    pictures = [x for x in shown if x.headers["content-type"] == "image/png"]
    assert len(pictures) == 8
    assert not any(Image.open(io.BytesIO(x.body)).info for x in pictures)


def test_a_mesh_keeps_its_geometry_only(tmp_path):
    from esd_bench.labelling.pictures import has_mesh, mesh

    folder = asset(tmp_path, "a cat")
    rest = glb(folder / "asset.glb")
    (shown,) = study(tmp_path, "s").assets.values()
    assert has_mesh(shown)
    content = mesh(shown)
    magic, _, length, size = struct.unpack_from("<4sIII", content)
    assert (magic, length) == (b"glTF", len(content))
    assert json.loads(content[20 : 20 + size]) == {
        "asset": {"version": "2.0"},
        "meshes": [{"primitives": []}],
    }
    assert content.endswith(rest)
    glb(folder / "asset.glb", buffers=[{"uri": "../../secret.bin"}])
    with pytest.raises(ValueError, match="other files"):
        mesh(shown)


def test_what_comes_from_a_run_or_a_rater_is_text(client, root):
    name = "<img src=x onerror=alert(2)>"
    client.enter(name)
    for _ in range(6):
        if "cat" in client.ask("GET", "/card").text.split("<h1")[1][:200]:
            break
        client.judge()
    card = client.ask("GET", "/card").text
    assert "a cat &lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;" in card
    note = "</textarea><script>alert(3)</script>"
    client.click(client.slot(), "note", value=note)
    page = client.ask("GET", "/card").text + client.ask("GET", "/").text
    assert "<img src=x" not in page
    assert "<script>alert" not in page
    assert "&lt;img src=x onerror=alert(2)&gt;" in page


def test_a_link_out_of_the_folder_is_not_shown(tmp_path):
    root, outside = tmp_path / "runs", tmp_path / "outside"
    grid(root)
    secret = asset(outside, "a cat number 9")
    (root / "test" / "a-cat-number-9").symlink_to(secret.parent)
    views = next(iter((root / "test" / "a-cat-number-0").glob("sds-*"))) / "views"
    (views / "ring-15-8" / "003.png").unlink()
    (views / "ring-15-8" / "003.png").symlink_to(secret / "views" / "ring-15-8" / "003.png")
    shown = study(root, "s")
    assert len(shown.items) == 4
    assert "leaves its folder" in shown.left_out[0][1]
    from esd_bench.labelling.pictures import turntable

    broken = next(x for x in shown.assets.values() if str(x.folder) in str(views))
    with pytest.raises(ValueError, match="leaves its folder"):
        turntable(broken)
    with page_here(root) as client:
        client.enter("Ann")
        (linked,) = study(root, read_database(root).secret("items")).left_out
        assert linked[0].startswith("test/a-cat-number-9") or "a-cat-number-9" in linked[0]
        ids = study(root, read_database(root).secret("items")).assets
        bad = next(x.id for x in ids.values() if x.folder == broken.folder)
        assert client.ask("GET", f"/asset/{bad}/ring.png").status == 404
        assert client.ask("GET", f"/asset/{bad}/sphere.png").status == 200


@pytest.mark.parametrize("views", ["../../../outside", "/etc", "..", ""])
def test_views_named_by_a_spec_stay_inside(tmp_path, views):
    folder = asset(tmp_path / "runs", "a cat")
    asset(tmp_path / "outside", "a dog")
    spec = json.loads((folder / "spec.json").read_text())
    (folder / "spec.json").write_text(json.dumps({**spec, "views": ["sphere:12", views]}))
    with pytest.raises(ValueError, match="nothing to judge"):
        study(tmp_path / "runs", "s")


# ---- pictures


def test_a_turntable_turns_from_the_front_by_rising_azimuth(ann, root):
    """Every view of the ring has its own colour, at the place that its azimuth gives it."""
    from esd_bench.labelling.pictures import turntable

    shown = next(iter(study(root, "s").assets.values()))
    sheet = turntable(shown)
    assert (sheet.count, sheet.width, sheet.height) == (8, 16, 16)
    pixels = np.asarray(Image.open(io.BytesIO(sheet.png)))
    cells = [
        pixels[i // sheet.columns * 16 :, i % sheet.columns * 16 :][:16, :16] for i in range(8)
    ]
    cameras = json.loads((shown.folder / "views" / "ring-15-8" / "cameras.json").read_text())
    x, z = (np.array(cameras["camera_to_world"])[:, i, 3] for i in (0, 2))
    azimuth = np.degrees(np.arctan2(x, z)) % 360
    found = [azimuth[int(cell[8, 8, 0]) // 20] for cell in cells]
    np.testing.assert_allclose(found, np.arange(8) * 45, atol=1e-3)
    assert all((cell[0] == 255).all() for cell in cells), "what is transparent is white"


# ---- clicks


def test_raters_work_at_the_same_time_and_nothing_is_lost_or_doubled(tmp_path):
    grid(tmp_path, prompts=4)
    with page_here(tmp_path) as served:

        def work(name):
            rater = Client(served.port, served.token).enter(name)
            while rater.slot():
                rater.judge("yny")

        threads = [threading.Thread(target=work, args=(f"r{i}",)) for i in range(3)]
        [x.start() for x in threads]
        [x.join() for x in threads]
    database = read_database(tmp_path)
    for events in database.everything("single").values():
        assert len(events) == 9 * 4
        done = [e.slot for e in events if e.kind == "done"]
        assert len(set(done)) == 9
        assert sum(x.endswith(AGAIN) for x in done) == 1


def test_two_windows_that_finish_at_once_finish_one_item_once(tmp_path):
    """Asked and answered in one step: else both are told that the item is still open."""
    grid(tmp_path, prompts=1)
    database = open_database(tmp_path)
    shown = study(tmp_path, database.secret("items"))
    ann = database.rater("Ann")
    slot = session.card(database, shown, ann).slot
    for name in NAMES:
        session.click(database, shown, ann, uuid4().hex, Event(slot, "answer", name, "yes"))
    both, refused = threading.Barrier(8), []

    def finish():
        both.wait()
        try:
            session.click(database, shown, ann, uuid4().hex, Event(slot, "done", at=1.0))
        except session.StaleError:
            refused.append(1)

    threads = [threading.Thread(target=finish) for _ in range(8)]
    [x.start() for x in threads]
    [x.join() for x in threads]
    assert len(refused) == 7
    assert [e.kind for e in database.events(ann, "single")].count("done") == 1


def test_nothing_is_taken_back_that_is_not_shown(tmp_path):
    """An undo in a study of some methods must not reopen an item of others, which nobody would see."""
    grid(tmp_path, prompts=1)
    database = open_database(tmp_path)
    secret, ann = database.secret("items"), database.rater("Ann")
    whole = study(tmp_path, secret)
    part = study(tmp_path, secret, only={"method": "esd"})
    (hidden,) = set(whole.items) - set(part.items)
    database.add(ann, "single", said(hidden))
    assert session.card(database, part, ann).first
    with pytest.raises(session.StaleError):
        session.click(database, part, ann, uuid4().hex, Event("", "undo"))
    assert not session.card(database, whole, ann).first
    session.click(database, whole, ann, uuid4().hex, Event("", "undo"))
    assert fold(database.events(ann, "single"))[hidden].done is None


def test_a_click_is_kept_once_and_one_for_another_card_is_refused(ann):
    slot, key = ann.slot(), uuid4().hex
    for _ in range(3):
        assert ann.click(slot, "answer", "view", "yes", key).status == 200
    assert ann.click("elsewhere", "answer", "view", "yes").status == 409
    assert ann.click(slot, "done").status == 409, "two questions are open"
    for criterion in ("count", "look"):
        assert ann.click(slot, "answer", criterion, "unsure").status == 200
    done = uuid4().hex
    assert ann.click(slot, "done", key=done).status == 200
    assert ann.click(slot, "done", key=done).status == 200, "sent again because the answer was lost"
    assert ann.click(slot, "answer", "view", "no").status == 409
    second = ann.slot()
    assert second != slot
    assert ann.click("", "undo").status == 200
    assert ann.slot() == slot


@pytest.mark.parametrize(
    ("kind", "criterion", "value"),
    [
        ("answer", "view", "maybe"),
        ("answer", "colour", "yes"),
        ("answer", "view", "first"),
        ("drop", "", ""),
        ("done", "view", ""),
    ],
)
def test_what_the_page_cannot_send_is_refused(ann, kind, criterion, value):
    assert ann.click(ann.slot(), kind, criterion, value).status == 422
    assert ann.click(ann.slot(), "done", key="x").status == 422


def test_pairs_are_shown_on_either_side_and_kept_by_asset(tmp_path):
    """The page names sides only: its source is the same whichever method stands on the left."""
    grid(tmp_path, prompts=6)
    with page_here(tmp_path, "pairs") as client:
        client.enter("Ann")
        wanted, ahead = {}, set()
        shown = study(tmp_path, read_database(tmp_path).secret("items"), "pairs")
        while slot := client.slot():
            card = client.ask("GET", "/card").text
            left, right = dict.fromkeys(re.findall(r"/asset/([^/\"]+)/ring", card))
            first, second = (x.id for x in shown.items[slot.removesuffix(AGAIN)].assets)
            assert {left, right} == {first, second}
            buttons = re.findall(r'data-value="(\w+)" aria-pressed="false">(\w+)', card)
            assert buttons[:3] == [("left", "Left"), ("right", "Right"), ("same", "Equal")]
            assert client.click(slot, "answer", "view", "first").status == 422
            assert not re.search(r"\"(first|second)\"", card)
            ahead |= {tuple(re.findall(r'data-next-\d="(\w+)"', card))}
            client.click(slot, "answer", "view", "left")
            again = client.ask("GET", "/card").text
            assert 'data-value="left" aria-pressed="true"' in again
            wanted[slot] = "first" if left == first else "second"
            client.judge("fs=")
    assert set(wanted.values()) == {"first", "second"}
    assert {x for x in ahead if x} == {tuple(sorted(x)) for x in ahead if x}
    (events,) = read_database(tmp_path).everything("pairs").values()
    for slot, answers in ((x, y.answers) for x, y in fold(events).items()):
        other = {"first": "second", "second": "first"}[wanted[slot]]
        assert answers == {"view": wanted[slot], "count": other, "look": "same"}


def test_an_adjudicator_of_pairs_is_told_sides_as_they_stand(tmp_path):
    grid(tmp_path, prompts=3)
    with page_here(tmp_path, "pairs") as served:
        shown = study(tmp_path, read_database(tmp_path).secret("items"), "pairs")
        for name, letter in (("Ann", "f"), ("Bob", "=")):
            rater = Client(served.port, served.token).enter(name)
            while slot := rater.slot():
                card = rater.ask("GET", "/card").text
                left = re.search(r"/asset/([^/\"]+)/ring", card)[1]
                mine = left == shown.items[slot.removesuffix(AGAIN)].assets[0].id
                rater.judge(letter * 3 if mine or letter == "=" else "sss")
        chair, sides = Client(served.port, served.token).enter("Cyn", "adjudicator"), set()
        while slot := chair.slot():
            card = chair.ask("GET", "/card").text
            left = re.search(r"/asset/([^/\"]+)/ring", card)[1]
            side = "Left" if left == shown.items[slot].assets[0].id else "Right"
            assert f"{side} 1, Equal 1" in card
            sides.add(side)
            chair.judge("===")
    assert len(sides) in (1, 2)


def test_a_three_dimensional_view_is_there_for_all_or_for_none(tmp_path):
    first, second = asset(tmp_path, "a cat", "sds"), asset(tmp_path, "a cat", "esd")
    glb(first / "asset.glb")
    for expected in (False, True):
        with page_here(tmp_path) as client:
            client.enter("Ann")
            assert ("model.glb" in client.ask("GET", "/card").text) == expected
            ids = study(tmp_path, read_database(tmp_path).secret("items")).assets
            found = [client.ask("GET", f"/asset/{x}/model.glb").status for x in ids]
            assert found == [200 if expected else 404] * 2
        glb(second / "asset.glb")


def test_an_adjudicator_sees_what_is_disputed_and_no_names(tmp_path):
    grid(tmp_path, prompts=2)
    with page_here(tmp_path) as served:
        for name, answers in (("Ann", "yyy"), ("Bob", "yny")):
            rater = Client(served.port, served.token).enter(name)
            rater.click(rater.slot(), "note", value=f"seen by {name[0]}")
            rater.judge(answers)
            while rater.slot():
                rater.judge("yyy")
        chair = Client(served.port, served.token).enter("Ann", "adjudicator")
        disputed = 0
        while chair.slot():
            card = chair.ask("GET", "/card").text
            assert "No 1" in card
            assert "Bob" not in card
            chair.judge("yyy")
            disputed += 1
    assert disputed in (1, 2), "Ann's and Bob's first card may be the same one"
    assert open_database(tmp_path).raters()[2].role == "adjudicator"
