"""From run folders to text: what is read, what is refused, and that it takes no torch."""

import io
import json
import subprocess
import sys
import time

import pandas as pd
import pytest

from esd_bench import published
from esd_bench.gather import gather, write_scores
from esd_bench.report import find_table, report, report_published
from esd_bench.spec import Choice
from esd_bench.tables import COLUMNS
from tests.pipeline.test_score import World
from tests.tables.test_formats import NASTY, compile_latex

TABLES = ("overview", "spread", "per_prompt", "collapse", "paired", "ranks")


# ---- reading -------------------------------------------------------------------------------------------------------


def test_the_frame_is_tidy(study):
    frame = gather(study.root)
    assert tuple(frame.columns) == COLUMNS
    assert len(frame) == 6 * 3 * 2 * 7
    assert not frame.duplicated(["run", "score"]).any()
    assert set(frame["label"]) == {"SDS", "VSD", "ESD (λ = 0.5)"}
    assert set(frame["prior"]) == {"embedded"}


def test_a_suites_or_a_prompts_folder_is_enough(study):
    suite = study.root / "test"
    assert len(gather(suite)) == len(gather(study.root))
    assert set(gather(suite / "a-cat-number-2")["prompt"]) == {"a-cat-number-2"}


def test_unfinished_runs_are_not_seen(fakes):
    folder = fakes.add(scores={"fid": 1.0})
    folder.rename(folder.with_name(f".{folder.name}.partial"))
    with pytest.raises(ValueError, match="no finished run in"):
        gather(fakes.root)


def test_runs_can_be_chosen(fakes):
    fakes.add("a cat", suite="demo", scores={"fid": 1.0})
    fakes.add("a cat", suite="benchmark", scores={"fid": 3.0})
    assert set(gather(fakes.root)["prompt"]) == {"demo/a-cat", "benchmark/a-cat"}
    assert gather(fakes.root, {"suite": "benchmark"})["value"].tolist() == [3.0]
    assert len(gather(fakes.root, {"suite": ["benchmark", "demo"]})) == 2
    with pytest.raises(ValueError, match="with suite none"):
        gather(fakes.root, {"suite": "none"})
    with pytest.raises(ValueError, match="not by 'value'"):
        gather(fakes.root, {"value": 1})


@pytest.mark.parametrize("name", ["scores.csv", "scores.csv.gz"])
def test_committed_scores_give_the_same_tables(study, tmp_path, name):
    path = tmp_path / name
    write_scores(gather(study.root), path)
    written = path.read_bytes()
    write_scores(gather(path), path)
    assert path.read_bytes() == written
    found, wanted = gather(path), gather(study.root)
    assert [f"{study.root}/{run}" for run in found["run"]] == wanted["run"].tolist()
    pd.testing.assert_frame_equal(found, wanted.assign(run=found["run"]), check_dtype=False)
    for table in ("spread", "per_prompt"):
        assert report(path, table, "csv") == report(study.root, table, "csv")


def test_runs_of_one_label_that_differ_otherwise_are_told_apart(fakes):
    fakes.add(scores={"fid": 1.0})
    fakes.add(
        scores={"fid": 2.0}, changes={"prior": Choice("stable_diffusion", (("folder", "biased"),))}
    )
    fakes.add(seed=3, scores={"fid": 3.0}, changes={"view_size": 128})
    labels = set(gather(fakes.root)["label"])
    assert len(labels) == 3
    assert {"SDS, biased" in x for x in labels} == {True, False}
    assert any("view_size = 128" in x for x in labels)


def test_what_tells_runs_apart_stands_before_the_wording(fakes):
    for size in (64, 128):
        how = {"changes": {"view_size": size}, "scores": {"janus_rate": 0.5}}
        fakes.add(label="SDS, no view words", words=False, **how)
    labels = set(gather(fakes.root)["label"])
    assert labels == {f"SDS, view_size = {x}, no view words" for x in (64, 128)}
    assert "no view words |" not in report(fakes.root, "collapse").replace("| no view words |", "")


def test_a_run_without_a_label_goes_by_its_method(fakes):
    folder = fakes.add(scores={"fid": 1.0})
    record = folder / "record.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "label": ""}))
    assert gather(fakes.root)["label"].tolist() == ["sds"]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("record.json", "{"),
        ("record.json", "[]"),
        ("record.json", '{"label": "x"}'),
        ("spec.json", '{"suite": "x"}'),
        ("spec.json", "\x00"),
        ("scores/fid.json", "{}"),
        ("scores/fid.json", '{"scores": [{"name": "fid", "value": "much"}]}'),
        ("scores/fid.json", '{"scores": 3}'),
    ],
)
def test_a_broken_file_is_named_in_one_line(fakes, file, content):
    folder = fakes.add(scores={"fid": 1.0})
    (folder / file).write_text(content)
    with pytest.raises(ValueError, match=str(folder)) as caught:
        report(fakes.root)
    assert "\n" not in str(caught.value)


def test_nothing_to_show_is_said(fakes, tmp_path):
    with pytest.raises(ValueError, match="no finished run"):
        report(tmp_path)
    fakes.add()
    with pytest.raises(ValueError, match="run esd-bench score first"):
        report(fakes.root)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="holds no scores"):
        report(tmp_path / "other.csv")


def _rescore_on_other_views(world, protocol):
    for path in world.store.root.glob("*/*/*/scores/fid.json"):
        file = json.loads(path.read_text())
        file["comparability"]["protocol"] = protocol
        path.with_name("fid@sphere-20.json").write_text(json.dumps(file))


def test_what_score_writes_is_what_report_reads(tmp_path):
    world = World(tmp_path)
    for text in ("a red cat", "a dog"):
        world.run(text)
    world.run("an owl", status="failed")
    world.score()
    _rescore_on_other_views(world, "sphere:20")
    frame = gather(world.store.root)
    assert {"clip_distance", "fid", "iq", "iv", "ig", "kid", "janus_rate", "success"} <= {
        *frame["score"]
    }
    assert "fid@sphere:20" in set(frame["score"])
    text = report(world.store.root, "1")
    assert "| sds | 3 | 1/3 |" in text
    assert "judge-7, sphere:15 on white, n = 15 views, 6 reference pictures" in text
    assert "FID sphere:20 ↓" in text


# ---- comparing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"background": "black"}, "background black"),
        ({"n": 60}, "n 60"),
        (
            {"networks": {"features": {"name": "net-2", "digest": "ab"}}},
            "networks.features.name net-2",
        ),
        ({"reference": {"pool": "f" * 8, "n": 48}}, "reference.pool ffffffff"),
    ],
)
def test_numbers_that_were_measured_otherwise_are_refused(fakes, changed, said):
    fakes.add("a cat", "sds", scores={"fid": 1.0, "iv": 1.0})
    fakes.add("a cat", "esd", scores={"fid": 2.0}, key=changed)
    with pytest.raises(ValueError, match="fid can't be compared") as caught:
        report(fakes.root)
    message = str(caught.value)
    assert said in message
    assert "\n" not in message
    assert message.count(str(fakes.root)) == 2


def test_another_version_of_a_metric_is_refused(fakes):
    fakes.add("a cat", scores={"fid": 1.0})
    fakes.add("a dog", scores={"fid": 1.0}, version=2)
    with pytest.raises(ValueError, match="has version 1, but .* has version 2"):
        report(fakes.root)


def test_columns_that_a_table_does_not_show_may_differ(fakes):
    fakes.add("a cat", scores={"fid": 1.0, "janus_rate": 0.5})
    folder = fakes.add("a dog", scores={"fid": 1.0})
    fakes.score(folder, "janus_rate", 0.1, key={"n": 24})
    assert "FID" in report(fakes.root, "overview")
    with pytest.raises(ValueError, match="janus_rate can't be compared"):
        report(fakes.root, "collapse")


def test_other_scores_of_the_same_file_do_not_matter(fakes):
    fakes.add("a cat", scores={"success": 1.0}, key={"versions": {"success": 1}})
    fakes.add("a dog", scores={"success": 1.0}, key={"versions": {"success": 1, "colour": 3}})
    assert "100.0" in report(fakes.root)


def test_mixed_provenance_is_a_footnote(fakes):
    fakes.add("a cat", scores={"fid": 1.0})
    fakes.add("a dog", scores={"fid": 1.0}, provenance={"device": "H100", "views": "others"})
    text = report(fakes.root)
    assert "Scores of one column differ in provenance: device (H100 and x86\\_64)." in text


def test_columns_may_come_from_different_machines(fakes):
    """Each column is of one machine: no number stands beside one of another."""
    for prompt in ("a cat", "a dog"):
        folder = fakes.add(prompt, scores={"fid": 1.0})
        fakes.score(folder, "iq", 2.0, provenance={"device": "H100"})
    assert "differ in provenance" not in report(fakes.root)


# ---- text ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_tables_compile(study, tmp_path, latex, table):
    log = compile_latex(tmp_path, latex, report(study.root, table, "latex"))
    assert "Overfull" not in log


@pytest.mark.parametrize("format", ["latex", "html", "markdown"])
def test_a_hostile_prompt_is_text(fakes, tmp_path, format, request):
    for method in ("sds", "esd"):
        fakes.add(NASTY, method, scores={"fid": 1.0})
    text = report(fakes.root, "3", format, options={"texts": True})
    assert "<script" not in text
    if format == "latex":
        compile_latex(tmp_path, request.getfixturevalue("latex"), text)


@pytest.mark.parametrize("table", ["overview", "per_prompt"])
def test_csv_goes_through_pandas(study, table):
    frame = pd.read_csv(io.StringIO(report(study.root, table, "csv")))
    shown = frame[frame["score"] == "ig"]
    assert shown["value"].notna().all()
    assert {"failed", "value", "sd", "low", "high", "n", "note"} <= set(frame)


@pytest.mark.parametrize(("name", "number"), [("1", 1), ("2", 2), ("3", 3), ("per-prompt", 3)])
def test_tables_have_the_papers_numbers(name, number):
    assert find_table(name).number == number


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("4", {}, r"the paper's are 1 \(overview\), 2 \(spread\), 3 \(per_prompt\)"),
        (
            "best",
            {},
            "there are: band, collapse, overview, paired, per_prompt, ranks, spread, versus",
        ),
        ("3", {"words": True}, "it has: texts, failed"),
    ],
)
def test_unknown_tables_and_options_are_listed(name, options, message):
    with pytest.raises(ValueError, match=message):
        find_table(name, options)


def test_a_table_of_the_users_own(study, tmp_path):
    path = tmp_path / "counts.py"
    path.write_text(
        "from esd_bench.tables import Body, Cell, Column, Table\n"
        "def counts():\n"
        "    def build(frame):\n"
        "        return Body('Runs', ('What',), (Column('n', digits=0),), ((('runs',), (Cell(frame['run'].nunique()),)),))\n"
        "    return Table(None, build)\n"
    )
    assert "| runs | 36 |" in report(study.root, str(path))


@pytest.mark.parametrize("format", ["csv", "markdown", "html", "latex"])
def test_the_papers_tables_print_with_their_flags(format):
    text = report_published(None, format)
    assert text.count("inconsistent") >= 3
    assert text.count("truncation") == 5
    assert "0.366" in text


def test_one_of_the_papers_tables():
    assert "55.83" in report_published(1)
    assert "55.83" not in report_published(3)
    with pytest.raises(ValueError, match="the paper has tables"):
        report_published(7)
    assert published.folder().is_dir()


# ---- speed ---------------------------------------------------------------------------------------------------------

PROGRAM = """
import sys
from esd_bench.report import report, report_published
for table, format in zip(("1", "2", "3", "collapse"), ("csv", "latex", "markdown", "html")):
    report(sys.argv[1], table, format)
report_published(3)
loaded = [name for name in ("torch", "scipy", "transformers", "diffusers") if name in sys.modules]
assert not loaded, loaded
"""


def test_reports_import_no_torch(study):
    subprocess.run([sys.executable, "-c", PROGRAM, str(study.root)], check=True)


def test_a_report_over_many_scores_is_quick(fakes):
    folder = fakes.add("a cat 0", scores={"fid": 1.0, "iv": 1.0, "iq": 1.0})
    spec = json.loads((folder / "spec.json").read_text())
    for i in range(1, 300):
        copy = folder.parent.parent / f"a-cat-{i}" / folder.name
        (copy / "scores").mkdir(parents=True)
        spec["prompt"] |= {"id": f"a-cat-{i}", "text": f"a cat {i}"}
        (copy / "spec.json").write_text(json.dumps(spec))
        for name in ("record.json", "scores/fid.json", "scores/iv.json", "scores/iq.json"):
            (copy / name).write_bytes((folder / name).read_bytes())
    began = time.process_time()
    text = report(fakes.root, "1")
    assert "| SDS | 300 | 0/300 |" in text
    # The goal is 10,000 scores in five seconds; these are 900.
    assert time.process_time() - began < 2
