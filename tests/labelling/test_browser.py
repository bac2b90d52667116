"""The page as raters use it: a real browser, keys, a mouse, a server that dies."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from esd_bench.labelling.database import read_database
from esd_bench.labelling.order import AGAIN
from esd_bench.labelling.progress import fold
from tests.labelling.studies import asset, grid, page_here, start

pytest.importorskip("fastapi", reason="the extra label is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)
AXE = Path(__file__).parents[1] / "static" / "axe.min.js"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from tests.conftest import _program

    path = _program("chromium", "chromium-browser", "google-chrome")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=[*FLAGS])
        yield opened
        opened.close()


@contextmanager
def at_work(browser, url: str, name: str, **how) -> Iterator[Any]:
    """A rater in front of the first card; whatever the browser complains of fails the test."""
    context = browser.new_context(**{"viewport": {"width": 1366, "height": 700}, **how})
    page, faults = context.new_page(), []
    page.set_default_timeout(20_000)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda m: faults.append(m.text) if "Content Security" in m.text else None)
    page.goto(url)
    page.fill("#name", name)
    page.keyboard.press("Enter")
    page.wait_for_selector(".question.active")
    yield page
    context.close()
    assert not faults


def slot(page) -> str | None:
    return page.evaluate("document.querySelector('.card')?.dataset.slot")


def wait(page, text: str) -> None:
    """Until it is true; asked from outside, because the page's own policy forbids to evaluate text."""
    end = time.monotonic() + 20
    while not page.evaluate(f"!!({text})"):
        assert time.monotonic() < end, text
        page.wait_for_timeout(15)


def judge(page, keys: str = "111") -> None:
    """One card by keys alone."""
    here = slot(page)
    for key in keys:
        page.keyboard.press(key)
    page.keyboard.press("Space")
    if not page.evaluate(f"document.querySelector('.card').dataset.slot !== {here!r}"):
        wait(page, f"(document.querySelector('.card')?.dataset.slot ?? {here!r}) !== {here!r}")


def test_two_raters_by_keys_while_the_server_is_killed(browser, tmp_path):
    """20 items each; SIGKILL in the middle of a click; the same port again; nothing lost, nothing doubled."""
    grid(tmp_path, prompts=9)
    server = start(tmp_path)
    with (
        at_work(browser, server.url, "Ann") as ann,
        at_work(browser, server.url, "Bob") as bob,
    ):
        for _ in range(8):
            judge(ann, "121")
            judge(bob, "113")
        ann.keyboard.press("2")
        server.kill()
        ann.keyboard.press("1")
        ann.keyboard.press("1")
        ann.keyboard.press("Space")
        bob.keyboard.press("3")
        wait(ann, "document.querySelector('#saved').textContent.includes('Not stored yet')")
        server = start(tmp_path, port=server.port)
        try:
            wait(ann, "document.querySelector('#saved').textContent === 'Stored'")
            wait(ann, "document.querySelector('#main').getAttribute('aria-busy') === 'false'")
            wait(bob, "document.querySelector('#saved').textContent === 'Stored'")
            bob.reload()
            bob.wait_for_selector(".question.active")
            assert (
                bob.get_attribute("[data-criterion=view] [data-value=unsure]", "aria-pressed")
                == "true"
            )
            bob.keyboard.press("1")
            bob.keyboard.press("1")
            bob.keyboard.press("Space")
            for page in (ann, bob):
                wait(
                    page,
                    "document.querySelector('label[for=bar]')?.textContent.startsWith('9 of 20')",
                )
                for _ in range(11):
                    judge(page)
                wait(page, "document.querySelector('h1').textContent.startsWith('All 20')")
        finally:
            server.process.send_signal(signal.SIGINT)
            server.process.wait(20)
    database = read_database(tmp_path)
    raters = {x.id: x.name for x in database.raters()}
    for number, events in database.everything("single").items():
        slots, middle = fold(events), {"Ann": ["no", "yes", "yes"], "Bob": ["unsure", "yes", "yes"]}
        assert len(slots) == 20
        assert sum(x.endswith(AGAIN) for x in slots) == 2
        done = [e.slot for e in events if e.kind == "done"]
        assert len(done) == len(set(done)) == 20
        assert len(events) == 20 * 4
        ninth = slots[done[8]].answers
        assert [ninth[x] for x in ("view", "count", "look")] == middle[raters[number]]
    assert database.rater("Ann").seed != database.rater("Bob").seed


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("runs")
    grid(root, prompts=4)
    with page_here(root) as client:
        yield f"http://127.0.0.1:{client.port}/?token={client.token}"


def seen(page) -> int:
    """Which view the turntable shows, by its colour."""
    red = page.evaluate(
        "document.querySelector('.turntable').getContext('2d').getImageData(8, 12, 1, 1).data[0]"
    )
    return round(red / 20)


def degrees(page) -> str | None:
    return page.get_attribute(".turntable", "aria-valuenow")


def test_a_turntable_is_dragged_and_turned_by_keys(browser, study):
    with at_work(browser, study, "Dragger") as page:
        wait(
            page,
            "document.querySelector('.turntable').getContext('2d').getImageData(8, 12, 1, 1).data[2] === 255",
        )
        box = page.locator(".turntable").bounding_box()
        front = seen(page)
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.move(*middle)
        page.mouse.down()
        page.mouse.move(middle[0] + box["width"] / 4, middle[1], steps=5)
        page.mouse.up()
        assert degrees(page) == "270", "what is dragged to the right turns to the right"
        assert seen(page) != front
        page.mouse.move(*middle)
        assert degrees(page) == "270", "let go"
        for key in ("ArrowRight", "e"):
            page.keyboard.press(key)
        assert degrees(page) == "0"
        assert seen(page) == front
        page.keyboard.press("q")
        assert degrees(page) == "315"
        assert "front right" in page.get_attribute(".turntable", "aria-valuetext")


def test_a_finger_drags_it_too(browser, study):
    how = {"viewport": {"width": 820, "height": 1180}, "has_touch": True}
    with at_work(browser, study, "Finger", **how) as page:
        box = page.locator(".turntable").bounding_box()
        wire = page.context.new_cdp_session(page)
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

        def touch(kind, *points):
            wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [*points]})

        touch("touchStart", {"x": x, "y": y})
        for i in range(1, 6):
            touch("touchMove", {"x": x - i * box["width"] / 20, "y": y})
        touch("touchEnd")
        wait(page, "document.querySelector('.turntable').getAttribute('aria-valuenow') === '90'")
        # A browser takes a tap that comes at once for the end of a fling; what is at once depends on the machine.
        pressed = "!!document.querySelector('[data-criterion=view] [aria-pressed=true]')"
        for _ in range(10):
            page.wait_for_timeout(500)
            page.tap("[data-criterion=view] [data-value=yes]")
            page.wait_for_timeout(500)
            if page.evaluate(pressed):
                break
        wait(page, pressed)


def test_mouse_undo_note_and_reload(browser, study):
    with at_work(browser, study, "Undoer") as page:
        first = slot(page)
        assert page.is_disabled("#undo")
        for name in ("view", "count", "look"):
            assert page.is_disabled("#next")
            page.click(f"[data-criterion={name}] [data-value=no]")
        page.fill("#note", "two faces\n1 2 3")
        page.click("#next")
        wait(page, f"document.querySelector('.card').dataset.slot !== '{first}'")
        page.keyboard.press("z")
        wait(page, f"document.querySelector('.card').dataset.slot === '{first}'")
        page.reload()
        page.wait_for_selector(".question.active")
        assert slot(page) == first
        assert page.input_value("#note") == "two faces\n1 2 3"
        assert page.locator(".answer[aria-pressed=true]").count() == 3
        for count in (3, 2):  # the note first, then an answer
            page.keyboard.press("z")
            wait(page, "document.querySelector('#main').getAttribute('aria-busy') === 'false'")
            wait(
                page, f"document.querySelectorAll('.answer[aria-pressed=true]').length === {count}"
            )
        assert page.input_value("#note") == ""


def test_two_raters_in_one_browser_do_not_click_for_each_other(browser, study):
    """Bob begins in a second window; Ann's next click waits until she says that she is back."""
    with at_work(browser, study, "Ann Twin") as ann:
        here = slot(ann)
        bob = ann.context.new_page()
        bob.goto(study.partition("?")[0])
        bob.wait_for_selector(".question.active")
        bob.click("text=Leave")
        for name in ("ann twin", "Bob Twin"):
            bob.fill("#name", name)
            bob.press("#name", "Enter")
            if name == "ann twin":
                bob.wait_for_selector("text=Somebody has begun as Ann Twin")
        bob.wait_for_selector(".question.active")
        ann.keyboard.press("2")
        ann.wait_for_selector("text=Rater: Bob Twin")
        ann.wait_for_selector(".question.active")
        for page in (ann, bob):
            assert page.locator(".answer[aria-pressed=true]").count() == 0
        ann.click("text=Leave")
        ann.fill("#name", "Ann Twin")
        ann.press("#name", "Enter")
        ann.click("text=It was me")
        ann.wait_for_selector(".answer[data-value=no][aria-pressed=true]")
        assert slot(ann) == here


def test_clicks_of_two_windows_wait_side_by_side(browser, tmp_path):
    """The server is gone; both windows are closed before it is back; neither's clicks replace the other's."""
    grid(tmp_path, prompts=1)
    server = start(tmp_path)
    with at_work(browser, server.url, "Ann") as one:
        two = one.context.new_page()
        two.goto(server.url.partition("?")[0])
        two.wait_for_selector(".question.active")
        server.kill()
        one.keyboard.press("1")
        two.click("[data-criterion=look] [data-value=no]")
        two.fill("#note", "not yet a word")
        for page in (one, two):
            wait(page, "document.querySelector('#saved').textContent.includes('Not stored yet')")
        two.close()
        one.goto("about:blank")
        server = start(tmp_path, port=server.port)
        try:
            one.goto(server.url)
            one.wait_for_selector("[data-criterion=view] [data-value=yes][aria-pressed=true]")
            one.wait_for_selector("[data-criterion=look] [data-value=no][aria-pressed=true]")
            assert one.input_value("#note") == "not yet a word"
        finally:
            server.process.send_signal(signal.SIGINT)
            server.process.wait(20)


def test_by_tab_and_space_alone(browser, study):
    with at_work(browser, study, "Tabber") as page:
        page.keyboard.press("?")
        page.click("#shortcuts")
        page.keyboard.press("Escape")
        page.keyboard.press("1")
        assert page.locator(".answer[aria-pressed=true]").count() == 0, "keys are off"
        here, order = slot(page), []
        page.focus(".turntable")
        for _ in range(16):
            page.keyboard.press("Tab")
            order.append(
                page.evaluate("document.activeElement.dataset.value ?? document.activeElement.id")
            )
            if order[-1] == "yes":
                page.keyboard.press("Space")
            if order[-1] == "next":
                page.keyboard.press("Enter")
                break
        answers = ["yes", "no", "unsure"]
        assert order == ["enlarge", *answers * 3, "note", "undo", "next"]
        wait(page, f"document.querySelector('.card').dataset.slot !== '{here}'")
        assert page.evaluate("document.activeElement.tagName") == "H1"


@pytest.mark.parametrize(("width", "height"), [(1366, 660), (820, 1180), (390, 844)])
def test_no_serious_fault_of_accessibility(browser, study, width, height):
    how = {"viewport": {"width": width, "height": height}, "bypass_csp": True}
    with at_work(browser, study, f"Axe {width}", **how) as page:
        page.keyboard.press("1")
        page.add_script_tag(path=AXE)
        found = page.evaluate("axe.run(document)")["violations"]
        page.keyboard.press("?")
        found += page.evaluate("axe.run(document)")["violations"]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if width > 1000:
            assert page.evaluate("document.documentElement.scrollHeight") <= height, "one screen"
        page.goto(study.replace("/?", "/adjudicate?").partition("?")[0])
        page.add_script_tag(path=AXE)
        found += page.evaluate("axe.run(document)")["violations"]
        assert not [
            (x["id"], x["nodes"][0]["html"])
            for x in found
            if x["impact"] in ("serious", "critical", "moderate")
        ]


def test_a_prompt_that_is_a_script_is_shown_as_text(browser, tmp_path):
    text = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\">"
    asset(tmp_path, text)
    with page_here(tmp_path) as client:
        url = f"http://127.0.0.1:{client.port}/?token={client.token}"
        with at_work(browser, url, "<b>Eve</b>") as page:
            assert page.inner_text("h1").endswith(text)
            assert page.inner_text(".who").endswith("<b>Eve</b>")
            assert page.title() == "Human study"


@pytest.mark.slow
def test_what_is_exported_is_shown_in_three_dimensions(browser, tmp_path):
    trimesh = pytest.importorskip("trimesh")
    folder = asset(tmp_path, "a cat")
    trimesh.creation.box().export(folder / "asset.glb")
    with page_here(tmp_path) as client:
        url = f"http://127.0.0.1:{client.port}/?token={client.token}"
        with at_work(browser, url, "Solid") as page:
            with page.expect_response("**/model.glb") as answer:
                page.keyboard.press("v")
            assert answer.value.status == 200
            assert page.locator("model-viewer").count() == 1
