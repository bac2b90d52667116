"""The report as a browser sees it: opened from disk, with no network."""

import base64
import json
import struct
from pathlib import Path

import pytest

from esd_bench import pages
from tests.pages.conftest import ATTACK, asset, views
from tests.tables.fakes import Runs

api = pytest.importorskip("playwright.sync_api")
AXE = Path(__file__).parents[1] / "static" / "axe.min.js"


@pytest.fixture(scope="module")
def browser(chromium):
    with api.sync_playwright() as driver:
        started = driver.chromium.launch(
            executable_path=chromium, args=["--enable-unsafe-swiftshader"]
        )
        yield started
        started.close()


@pytest.fixture
def context(browser):
    """A visitor without a network; the test fails at its end if the browser complained or asked for anything else."""
    made = browser.new_context(viewport={"width": 1280, "height": 900}, has_touch=True)
    made.set_offline(True)
    complaints = []
    made.on(
        "console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None
    )
    made.on("weberror", lambda e: complaints.append(str(e.error)))
    made.on("requestfailed", lambda r: complaints.append(f"failed: {r.url}"))
    made.on(
        "request",
        lambda r: (
            complaints.append(r.url) if not r.url.startswith(("file:", "data:", "blob:")) else None
        ),
    )
    yield made
    made.close()
    assert not complaints


def opened(context, path):
    page = context.new_page()
    page.goto(path.as_uri())
    return page


def prompt_page(report, text):
    return next(
        x for x in sorted((report.folder / "prompts").iterdir()) if f"“{text}”" in x.read_text()
    )


def offsets(page):
    """Where each strip stands, in shares of its width."""
    return page.eval_on_selector_all(
        ".turn img",
        "all => all.map(x => Math.round(-36 * new DOMMatrix(getComputedStyle(x).transform).e / x.clientWidth))",
    )


def test_all_pages_open_without_a_complaint_and_without_sideways_scrolling(report, context):
    for path in report.html():
        page = opened(context, path)
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (
                path.name,
                width,
            )
        page.close()


def test_long_texts_leave_room_for_pictures(context, tmp_path):
    """A prompt of 3,000 letters and a method's name without a space: no page is wider than the screen, or all text."""
    runs = Runs(tmp_path / "runs")
    for text in ("y" * 3000, "word " * 600):
        asset(runs, text, "sds", 0, label="x" * 300)
        runs.add(text, "vsd", 0, reason="diverged")
    pages.write(tmp_path / "runs", tmp_path / "out")
    folder = tmp_path / "out"
    for path in (*folder.glob("*.html"), *(folder / "prompts").iterdir()):
        page = opened(context, path)
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path.name
        page.set_viewport_size({"width": 1280, "height": 900})
        if path.parent != folder or path.name == "janus.html":
            assert page.locator(".turn").first.bounding_box()["y"] < 700, path.name
        page.close()


def test_nobody_gets_in_by_a_prompt(report, context):
    attack = next(
        x for x in (report.folder / "prompts").iterdir() if "&lt;script&gt;" in x.read_text()
    )
    page = opened(context, attack)
    assert page.inner_text("h1") == f"“{ATTACK}”"
    assert page.title() != "broken"
    assert page.locator("main script, main img[src=x]").count() == 0


def test_one_is_dragged_and_all_turn(report, context):
    page = opened(context, prompt_page(report, "a red cat"))
    assert offsets(page) == [0, 0, 0, 0]
    box = page.locator(".turn").nth(1).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + box["width"] / 4, y, steps=4)
    page.mouse.up()
    # A quarter of the width is 45 degrees, and the camera goes to the left.
    assert len(set(offsets(page))) == 1
    assert offsets(page)[0] in (31, 32)
    assert abs(int(page.get_attribute(".turn", "aria-valuenow")) - 315) <= 2
    assert page.input_value("#azimuth") in ("310", "320")
    page.mouse.move(x - 50, y)
    assert offsets(page)[0] in (31, 32), "it was let go"


def test_arrow_keys_a_slider_and_a_finger_turn_them_too(report, context):
    page = opened(context, prompt_page(report, "a red cat"))
    page.focus(".turn >> nth=2")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert offsets(page) == [2] * 4
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    assert offsets(page) == [35] * 4
    page.focus("#azimuth")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert offsets(page) == [1] * 4
    box = page.locator(".turn").first.bounding_box()
    x, y = box["x"] + 20, box["y"] + 20
    finger = context.new_cdp_session(page)
    finger.send(
        "Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]}
    )
    for i in range(1, 6):
        at = {"x": x + i * box["width"] / 10, "y": y}
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [at]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert len(set(offsets(page))) == 1
    assert offsets(page)[0] not in (0, 1)


def test_it_turns_by_itself_until_told_not_to(report, context):
    page = opened(context, prompt_page(report, "a red cat"))
    page.click("#play")
    api.expect(page.locator(".turn").first).not_to_have_attribute("aria-valuenow", "0")
    page.click("#play")
    assert page.get_attribute("#play", "aria-pressed") == "false"


def test_a_table_is_sorted_by_click_and_by_key(report, context):
    page = opened(context, report.folder / "index.html")
    table = page.locator("#table-spread table")

    def column(k):
        return [
            float(x)
            for x in table.locator(f"tbody tr td:nth-child({k + 1})").evaluate_all(
                "all => all.map(x => x.dataset.sort)"
            )
        ]

    names = table.locator("thead th").all_inner_texts()
    k = next(i for i, name in enumerate(names) if name.startswith("IQ"))
    table.locator("thead button").nth(k).click()
    assert column(k) == sorted(column(k))
    assert table.locator("th[aria-sort=ascending]").count() == 1
    table.locator("thead button").nth(k).focus()
    page.keyboard.press("Enter")
    assert column(k) == sorted(column(k), reverse=True)
    table.locator("thead button").first.click()
    rows = table.locator("tbody th").all_inner_texts()
    assert rows == sorted(rows)
    assert "best" in table.locator("td.best").first.inner_text()


def test_a_view_says_its_value(report, context):
    page = opened(context, prompt_page(report, "a red cat"))
    page.locator(".map circle").nth(3).hover()
    assert "nats" in page.inner_text("#reading")


def test_a_number_leads_to_its_origin(report, context):
    page = opened(context, report.folder / "index.html")
    page.locator("#table-spread td a.number").first.click()
    assert page.locator("tr:target").count() == 1
    page.locator("tr:target td a").first.click()
    assert "net-1" in page.locator(".origin:target").inner_text()


@pytest.mark.parametrize(
    "name", ["index", "janus", "plots", "failures", "provenance", "glossary", "prompt"]
)
def test_axe_finds_no_serious_fault(report, context, name):
    path = prompt_page(report, "a red cat") if name == "prompt" else report.folder / f"{name}.html"
    page = opened(context, path)
    page.locator("details").evaluate_all("all => all.forEach(x => { x.open = true })")
    # Through the debugger: the page's own policy lets no foreign script in.
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run({ resultTypes: ['violations'], preload: false })")["violations"]
    bad = [
        (x["id"], x["impact"], x["nodes"][0]["html"][:200])
        for x in found
        if x["impact"] in ("serious", "critical")
    ]
    assert not bad


def test_without_script_everything_can_be_read(report, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(prompt_page(report, "a red cat").as_uri())
    assert page.locator(".controls").is_hidden()
    assert page.locator(".turn img").first.is_visible()
    context.close()


def triangle(path: Path) -> None:
    """The smallest GLB: one triangle."""
    data = struct.pack("<9f", 0, 0, 0, 1, 0, 0, 0, 1, 0)
    scene = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "buffers": [{"byteLength": len(data)}], "bufferViews": [{"buffer": 0, "byteLength": len(data)}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3", "min": [0, 0, 0], "max": [1, 1, 0]}],
    }  # fmt: skip
    text = json.dumps(scene).encode()
    text += b" " * (-len(text) % 4)
    parts = (
        struct.pack("<II", len(text), 0x4E4F534A)
        + text
        + struct.pack("<II", len(data), 0x004E4942)
        + data
    )
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(parts)) + parts)


def test_without_script_no_button_promises_a_model(browser, context, tmp_path):
    folder = asset(Runs(tmp_path / "runs"), "a", "sds", 0)
    triangle(folder / "asset.glb")
    pages.write(tmp_path / "runs", tmp_path / "out")
    (path,) = (tmp_path / "out" / "prompts").iterdir()
    assert opened(context, path).locator("button[data-model]").is_visible()
    bare = browser.new_context(java_script_enabled=False)
    assert opened(bare, path).locator("button[data-model]").is_hidden()
    bare.close()


@pytest.mark.slow
def test_a_model_is_shown_from_disk(browser, tmp_path):
    """Software rendering takes its time, so this one is among the slow tests."""
    folder = asset(Runs(tmp_path / "runs"), "a", "sds", 0)
    triangle(folder / "asset.glb")
    pages.write(tmp_path / "runs", tmp_path / "out")
    (script,) = (tmp_path / "out" / "models").iterdir()
    assert base64.b64decode(script.read_text().split('"')[3]) == (folder / "asset.glb").read_bytes()
    context = browser.new_context(viewport={"width": 400, "height": 500})
    context.set_offline(True)
    complaints = []
    context.on("weberror", lambda e: complaints.append(str(e.error)))
    context.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    (path,) = (tmp_path / "out" / "prompts").iterdir()
    page = opened(context, path)
    page.click("button[data-model]")
    page.wait_for_selector("model-viewer", timeout=60_000)
    page.evaluate(
        "() => new Promise(go => { const v = document.querySelector('model-viewer'); v.loaded ? go() : v.addEventListener('load', go) })"
    )
    size = page.evaluate(
        "(v => [v.getDimensions().x, v.getDimensions().y])(document.querySelector('model-viewer'))"
    )
    assert size == [1, 1]
    assert not complaints
    context.close()


def test_many_frames_or_few_turn_together(browser, tmp_path):
    """An asset with another ring shows the frame that is nearest in angle."""
    runs = Runs(tmp_path / "runs")
    asset(runs, "a", "sds", 0)
    other = runs.add("a", "vsd", 0)
    views(other, "ring:15:12", 0)
    pages.write(tmp_path / "runs", tmp_path / "out")
    (path,) = (tmp_path / "out" / "prompts").iterdir()
    context = browser.new_context()
    page = opened(context, path)
    page.focus(".turn")
    page.keyboard.press("PageUp")
    moved = page.eval_on_selector_all(".turn img", "all => all.map(x => x.style.transform)")
    assert moved == ["translateX(-25%)", "translateX(-25%)"]
    context.close()
