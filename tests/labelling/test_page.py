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

from esd_bench.labelling.database import open_database, read_database
from esd_bench.labelling.guard import LARGEST
from esd_bench.labelling.order import AGAIN
from esd_bench.labelling.study import study
from tests.labelling.studies import Client, asset, grid, page_here

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
    assert "leads out of" in shown.left_out[0][1]
    from esd_bench.labelling.pictures import turntable

    broken = next(x for x in shown.assets.values() if str(x.folder) in str(views))
    with pytest.raises(ValueError, match="leads out of"):
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
    grid(tmp_path, prompts=6)
    with page_here(tmp_path, "pairs") as client:
        client.enter("Ann")
        sides = set()
        shown = study(tmp_path, read_database(tmp_path).secret("items"), "pairs")
        while slot := client.slot():
            card = client.ask("GET", "/card").text
            left, right = dict.fromkeys(re.findall(r"/asset/([^/\"]+)/ring", card))
            first, second = (x.id for x in shown.items[slot.removesuffix(AGAIN)].assets)
            assert {left, right} == {first, second}
            word = re.search(r'data-value="(\w+)" aria-pressed="false">Left', card)[1]
            assert word == ("first" if left == first else "second")
            sides.add(word)
            client.judge("fff")
    assert sides == {"first", "second"}


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
