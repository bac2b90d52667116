"""The folder as files: links lead somewhere, nothing is half-written, nothing of a run is markup."""

import csv
import json
import re
import shutil
import struct
import zlib
from html.parser import HTMLParser
from urllib.parse import urldefrag

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from esd_bench import formats, pages
from esd_bench.gather import gather
from esd_bench.pages import folder as folders
from esd_bench.pages.models import LIMIT
from esd_bench.report import build, find_table
from tests.pages.conftest import ATTACK, REASON, asset, edit, fill
from tests.pipeline.command import command
from tests.tables.fakes import Runs


class Page(HTMLParser):
    """What a page refers to, which anchors it has, and its text."""

    def __init__(self, path):
        super().__init__()
        self.links, self.ids, self.tags, self.words = [], [], [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.tags.append((tag, known))
        self.links += [known[x] for x in ("href", "src", "data-model") if known.get(x)]
        self.ids += [known["id"]] if "id" in known else []

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def parsed(report):
    return {path: Page(path) for path in report.html()}


def test_every_link_leads_to_a_file_and_an_anchor_of_the_report(report, parsed):
    ids = {path.resolve(): set(page.ids) for path, page in parsed.items()}
    seen = 0
    for path, page in parsed.items():
        for link in page.links:
            if link == "data:,":
                continue
            file, anchor = urldefrag(link)
            target = (path.parent / file).resolve() if file else path.resolve()
            assert target.is_file(), f"{path.name}: {link}"
            assert report.folder in target.parents
            assert not anchor or anchor in ids[target], f"{path.name}: {link}"
            seen += bool(anchor)
    assert seen > 60


def test_an_anchor_is_there_once(parsed):
    for path, page in parsed.items():
        assert len(page.ids) == len(set(page.ids)), path.name


def test_what_runs_say_is_text(report, parsed):
    assert any(ATTACK in "".join(page.words) for page in parsed.values())
    assert any(REASON in "".join(page.words) for page in parsed.values())
    for path, page in parsed.items():
        scripts = [known for tag, known in page.tags if tag == "script"]
        assert [x["src"].split("/")[-1] for x in scripts] == ["report.js"], path.name
        assert not [known for _, known in page.tags if any(x.startswith("on") for x in known)]
        assert not [1 for _, known in page.tags if "style" in known], "the policy forbids it"


def test_file_names_hold_nothing_of_a_prompt(report):
    names = [path.relative_to(report.folder).as_posix() for path in report.folder.rglob("*")]
    assert not [x for x in names if "cat" in x or "script" in x]
    pattern = r"prompts/[0-9a-f]{12}\.html|(strips|thumbs)/[0-9a-f]{12}\.webp"
    pages_ = [x for x in names if "/" in x and not x.startswith(("static", "downloads"))]
    assert all(re.fullmatch(pattern, x) for x in pages_)


def test_nothing_is_asked_of_the_network(report):
    for path in (*report.html(), *report.folder.glob("static/report.*")):
        assert not re.search(r"https?://", path.read_text()), path.name
    for page in report.html():
        assert "default-src 'none'" in page.read_text()


def test_a_strip_is_the_ring_by_azimuth(report):
    """Red rises with the index, and the ring's index with its azimuth."""
    for path in (report.folder / "strips").iterdir():
        with Image.open(path) as file:
            pixels = np.asarray(file.convert("RGB"), dtype=float)
        assert pixels.shape == (16, 36 * 16, 3)
        red = pixels[:, :, 0].reshape(16, 36, 16).mean((0, 2))
        assert np.abs(red - np.arange(36) * 255 // 36).max() < 6


def test_the_downloads_are_the_tables(report):
    frame = gather(report.runs)
    for name in ("spread", "collapse"):
        body = build(frame, find_table(name))
        assert (report.folder / f"downloads/{name}.csv").read_text() == formats.to_csv(body)
        assert (report.folder / f"downloads/{name}.tex").read_text() == formats.to_latex(body)
    again = gather(report.folder / "downloads" / "scores.csv")
    assert len(again) == len(frame)


def test_every_number_of_every_run_is_on_its_page(report, parsed):
    frame = gather(report.runs)
    words = {
        path: "".join(page.words) for path, page in parsed.items() if path.parent.name == "prompts"
    }
    for row in frame[frame["score"] != ""].to_dict("records"):
        assert any(f"{row['value']:.4g}" in text and row["text"] in text for text in words.values())


def test_the_worst_come_first(report):
    frame = gather(report.runs)
    rates = frame[frame["score"] == "janus_rate"]["value"].sort_values(ascending=False)
    text = (report.folder / "janus.html").read_text()
    shown = [float(x) for x in re.findall(r"Janus rate</a></dt><dd>([\d.]+)", text)]
    assert shown == [round(x, 3) for x in rates]


def test_a_second_build_writes_nothing_anew_but_pages_that_changed(report, tmp_path):
    shutil.copytree(report.runs, tmp_path / "runs")
    out = tmp_path / "report"
    shutil.copytree(report.folder, out)
    first = report.built
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    again = pages.write(tmp_path / "runs", out)
    after = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    changed = {path.name for path in after if after[path] != before.get(path)}
    assert changed <= {"report.json", "scores.csv"}
    assert (first.files, first.size) == (again.files, again.size)
    # One run's pictures changed: one strip is made, the old one goes.
    (run,) = tmp_path.glob("runs/test/a-red-cat/sds-*-s0-*")
    edit(run / "record.json", views={"ring:15:36": "0" * 64})
    pages.write(tmp_path / "runs", out)
    strips = {path.name for path in (out / "strips").iterdir()}
    assert len(strips) == len({path for path in before if path.parent.name == "strips"})
    assert len(strips - {path.name for path in before}) == 1


def test_a_killed_build_goes_on_and_leaves_only_whole_files(tmp_path, monkeypatch):
    fill(tmp_path / "runs")
    written, whole = [], folders.Folder.write

    def dying(self, name, content):
        if len(written) == 9:
            raise KeyboardInterrupt
        written.append(name)
        whole(self, name, content)

    monkeypatch.setattr(folders.Folder, "write", dying)
    with pytest.raises(KeyboardInterrupt):
        pages.write(tmp_path / "runs", tmp_path / "out")
    assert not (tmp_path / "out" / "index.html").exists()
    assert not list((tmp_path / "out").rglob(".*"))
    made = {x: (tmp_path / "out" / x).stat().st_mtime_ns for x in written}
    assert any(x.startswith("strips/") for x in made)
    monkeypatch.undo()
    pages.write(tmp_path / "runs", tmp_path / "out")
    assert all((tmp_path / "out" / x).stat().st_mtime_ns == at for x, at in made.items())


def test_a_folder_with_something_else_is_refused(tmp_path):
    asset(Runs(tmp_path / "runs"), "a", "sds", 0)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine")
    said = command("report", tmp_path / "runs", "--html", tmp_path / "out")
    assert said.code == 2
    assert "no report" in said.err
    assert [x.name for x in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_the_command_says_where_how_many_and_how_large(tmp_path):
    asset(Runs(tmp_path / "runs"), "a", "sds", 0)
    said = command("report", tmp_path / "runs", "--html", tmp_path / "out")
    assert said.code == 0, said.err
    assert re.search(r"written: \S+index\.html, 1 assets, \d+ files, \d+ kB", said.err)


@pytest.mark.parametrize("other", [("--published",), ("--table", "1"), ("--out", "x")])
def test_pages_hold_all_tables_so_one_is_not_asked_for(tmp_path, other):
    said = command("report", tmp_path, "--html", tmp_path / "out", *other)
    assert said.code == 2
    assert "--html" in said.err
    assert not (tmp_path / "out").exists()


def test_scores_alone_make_pages_without_pictures(report, tmp_path):
    built = pages.write(report.folder / "downloads" / "scores.csv", tmp_path / "out")
    assert built.assets == 8
    assert not list((tmp_path / "out" / "strips").iterdir())
    assert "ESD (λ = 1)" in (tmp_path / "out" / "index.html").read_text()


def test_numbers_that_cannot_be_compared_are_refused_and_the_rest_is_shown(tmp_path):
    runs = Runs(tmp_path / "runs")
    runs.add("a", "sds", 0, {"iq": 1.0})
    runs.add("a", "vsd", 0, {"iq": 1.0}, key={"background": "black"})
    pages.write(tmp_path / "runs", tmp_path / "out")
    assert "can&#39;t be compared" in (tmp_path / "out" / "index.html").read_text()
    assert len(list((tmp_path / "out" / "prompts").iterdir())) == 1


def test_broken_views_are_one_line(tmp_path):
    folder = asset(Runs(tmp_path / "runs"), "a", "sds", 0)
    (folder / "views" / "ring-15-36" / "007.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="007.png is not a whole picture"):
        pages.write(tmp_path / "runs", tmp_path / "out")


def test_a_large_model_is_named_and_left_out(tmp_path):
    folder = asset(Runs(tmp_path / "runs"), "a", "sds", 0)
    with (folder / "asset.glb").open("wb") as file:
        file.truncate(LIMIT + 1)
    pages.write(tmp_path / "runs", tmp_path / "out")
    (page,) = (tmp_path / "out" / "prompts").iterdir()
    assert "over the 16.8 MB that a page shows" in page.read_text()
    assert not list((tmp_path / "out" / "models").iterdir())
    assert not (tmp_path / "out" / "static" / "model-viewer.min.js").exists()


def test_plots_do_without_a_table_that_is_refused(tmp_path):
    """Only the table of means has a row a method; the one of collapse is grouped by wording."""
    runs = Runs(tmp_path / "runs")
    for prompt in "abc":
        for method, ground in (("sds", "white"), ("vsd", "black")):
            folder = runs.add(prompt, method, 0, {"success": 1.0, "janus_rate": 0.5})
            runs.score(folder, "clip_distance", 0.7, key={"background": ground})
    pages.write(tmp_path / "runs", tmp_path / "out")
    assert "Oracle success" in (tmp_path / "out" / "index.html").read_text()
    assert "No column has an interval" in (tmp_path / "out" / "plots.html").read_text()


def test_a_view_without_a_number_is_no_dot_and_moves_no_scale(tmp_path):
    folder = asset(Runs(tmp_path / "runs"), "a", "sds", 0)
    for name in ("iq", "front_share"):
        path = folder / "scores" / f"{name}.json"
        (found,) = json.loads(path.read_text())["scores"]
        edit(path, scores=[{**found, "per_view": [None, *found["per_view"][1:]]}])
    pages.write(tmp_path / "runs", tmp_path / "out")
    (page,) = (tmp_path / "out" / "prompts").iterdir()
    text = page.read_text()
    assert not re.search(r"\bnan\b", text)
    ring, sphere = (x.split('"')[0].split() for x in text.split('data-values="')[1:])
    assert (len(ring), len(sphere)) == (35, 23)
    assert text.count("<circle") >= 23


def test_a_picture_that_says_it_is_huge_is_one_line(tmp_path):
    folder = asset(Runs(tmp_path / "runs"), "a", "sds", 0)
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(b"0")), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(x)) + kind + x + struct.pack(">I", zlib.crc32(kind + x))
        for kind, x in parts
    )
    content = b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
    (folder / "views" / "ring-15-36" / "004.png").write_bytes(content)
    with pytest.raises(ValueError, match="004.png is not a whole picture"):
        pages.write(tmp_path / "runs", tmp_path / "out")


@pytest.mark.parametrize("content", ["5", "[]", '"made by"', "{"])
def test_a_file_of_the_same_name_makes_no_report(tmp_path, content):
    asset(Runs(tmp_path / "runs"), "a", "sds", 0)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.json").write_text(content)
    with pytest.raises(ValueError, match="no report"):
        pages.write(tmp_path / "runs", tmp_path / "out")


def test_no_text_of_a_download_is_a_formula(tmp_path):
    """What a spreadsheet would run has a ' before it, which is taken away when the scores are read again."""
    runs, evil = Runs(tmp_path / "runs"), "=HYPERLINK(\"http://x\")|'/c calc'!A0"
    runs.add(evil, "sds", 0, {"iq": 1.0}, label="@SUM(1)")
    runs.add("'a 10² cat", "vsd", 0, reason="-1+cmd()")
    pages.write(tmp_path / "runs", tmp_path / "out")
    for path in (tmp_path / "out" / "downloads").glob("*.csv"):
        for row in csv.reader(path.read_text().splitlines()):
            bad = [
                x for x in row if re.match(r"[=+@\t\r-]", x) and not re.fullmatch(r"-[\d.e-]+", x)
            ]
            assert not bad, path.name
    frame, again = gather(tmp_path / "runs"), gather(tmp_path / "out" / "downloads" / "scores.csv")
    assert set(again["text"]) == {evil, "'a 10² cat"}
    names = ["text", "label", "note", "value", "prompt"]
    pd.testing.assert_frame_equal(frame[names], again[names])
