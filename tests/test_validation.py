"""Scores judged by a truth: right, reversed, blind; and the whole command on a few small fixtures."""

import runpy
import sys
from pathlib import Path

import pandas as pd
import pytest

from esd_bench import agreement
from esd_bench.gather import gather
from esd_bench.tables import COLUMNS, Body
from esd_bench.validation import assets, body, main

ROOT = Path(__file__).parents[1]
BETTER = {"good": "lower", "reversed": "higher", "blind": "lower", "janus_rate": "lower"}


def frame(values: dict[str, list[float]], wordings: tuple[str, ...] = ("view words",)):
    """Assets, two of each of some prompts, with these scores."""
    rows = []
    for score, each in values.items():
        for i, value in enumerate(each):
            row = {
                "run": f"r{i}",
                "prompt": f"p{i // 2}",
                "wording": wordings[i % len(wordings)],
                "status": "finished",
                "score": score,
                "value": value,
                "better": BETTER.get(score, ""),
                "key": "same",
            }
            rows.append({name: row.get(name, "") for name in COLUMNS})
    return pd.DataFrame(rows)


RATES = [0.0, 0.1, 0.19, 0.2, 0.9, 1.0, 0.05, 0.5]
KNOWN = {
    "janus_rate": RATES,
    "good": [10 * x for x in RATES],
    "reversed": RATES,
    "blind": [1.0] * 8,
}


def cell(made: Body, score: str, column: str) -> float | None:
    (row,) = (cells for labels, cells in made.rows if labels[0] == score)
    return row[[x.name for x in made.columns].index(column)].value


def test_a_score_that_sees_janus_one_that_prefers_it_and_one_that_is_blind():
    made = body(frame(KNOWN))
    aucs = {name: cell(made, name, "AUC, all") for name in ("good", "reversed", "blind")}
    assert aucs == {"good": 1.0, "reversed": 0.0, "blind": 0.5}
    assert cell(made, "good", "tau, all") == pytest.approx(1)
    assert cell(made, "reversed", "tau, all") == pytest.approx(-1)
    assert cell(made, "blind", "tau, all") is None
    assert "all: 4 Janus, 4 without." in made.footnotes


def test_wordings_are_judged_apart():
    made = body(frame(KNOWN, ("view words", "no view words")))
    names = [column.name for column in made.columns]
    assert names[:3] == ["AUC, all", "AUC, view words", "AUC, no view words"]


def test_counts_of_fronts_are_worse_the_farther_from_one():
    made = body(frame({**KNOWN, "front_peaks": [1, 1, 1, 0, 2, 3, 1, 4]}))
    assert cell(made, "front_peaks", "AUC, all") == 1.0


def test_fixtures_are_judged_by_their_fronts():
    """Figures with 1, 2 and 4 fronts; two things without a front, one flagged and one undefined."""
    fronts = [1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 0.0, 0.0]
    good = [0.1, 0.2, 0.9, 0.15, 0.9, 0.9, 0.9, float("nan")]
    made = body(frame({"fronts": fronts, "good": good, "janus_rate": RATES}))
    assert cell(made, "good", "AUC, all") == pytest.approx(7 / 8)
    assert cell(made, "good", "Found") == 75
    assert cell(made, "good", "False, symmetric") == 50
    assert {labels[0] for labels, _ in made.rows} == {"good", "janus_rate"}
    assert assets(frame({"fronts": fronts}))["truth"].isna().sum() == 2


def test_what_can_t_be_judged_is_refused_in_one_line():
    with pytest.raises(ValueError, match="no asset has a janus_rate"):
        body(frame({"good": RATES}))
    mixed = frame(KNOWN)
    mixed.loc[mixed.index[-1], "key"] = "another"
    with pytest.raises(ValueError, match="blind was not measured alike"):
        body(mixed)
    apart = frame(KNOWN, ("view words", "no view words"))
    apart.loc[(apart["score"] == "good") & (apart["wording"] == "view words"), "key"] = "another"
    with pytest.raises(ValueError, match="good was not measured alike"):
        body(apart)


def test_rows_of_different_assets_are_told():
    said = "A row is of the assets that have its score"
    assert not any(said in x for x in body(frame(KNOWN)).footnotes)
    some = frame({**KNOWN, "fid": [1.0, 2.0, 3.0, float("nan")]})
    assert any(said in x for x in body(some).footnotes)


def test_scores_on_other_views_are_judged_as_their_like():
    counts = [1, 1, 1, 0, 2, 3, 1, 4]
    made = body(
        frame({**KNOWN, "faces@ring:30:36": counts, "fid_floor@band:0:9 of sphere:120": RATES})
    )
    assert cell(made, "faces@ring:30:36", "AUC, all") == 1.0
    assert not [labels for labels, _ in made.rows if labels[0].startswith("fid_floor")]


def test_the_command_says_what_is_wrong(monkeypatch, capsys, tmp_path):
    (tmp_path / "no.csv").write_text("a,b\n1,2\n")
    monkeypatch.setattr(sys, "argv", ["validation", str(tmp_path / "no.csv")])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")


def made(monkeypatch, *words: object) -> None:
    """``reports/validation/make.py`` with these words."""
    script = ROOT / "reports/validation/make.py"
    monkeypatch.setattr(sys, "argv", [str(script), *map(str, words)])
    runpy.run_path(str(script), run_name="__main__")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--sizes", 16), "a part is not the result"),
        (("--kinds", "unicorn", "--out"), "no fixture is of the kinds unicorn"),
        (("--stored", "--out"), "run this without --stored first"),
        (("--sizes", "x"), "invalid sizes value"),
    ],
    ids=["part", "kind", "nothing", "size"],
)
def test_what_the_validation_refuses(monkeypatch, tmp_path, capsys, words, said):
    out = [tmp_path] if words[-1] == "--out" else []
    with pytest.raises(SystemExit) as stop:
        made(monkeypatch, "--work", tmp_path / "work", *words, *out)
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_the_whole_validation_in_small(monkeypatch, tmp_path):
    monkeypatch.setattr(agreement, "RESAMPLES", 100)
    work, out = tmp_path / "work", tmp_path / "out"
    words = ["--work", work, "--out", out, "--sizes", 16, "--backgrounds", "white"]
    metrics = "view_words,self_similarity,front_peaks,pose_peaks,janus"
    words += ["--kinds", "clock,ball", "--metrics", metrics]
    made(monkeypatch, *words)
    stored = gather(out / "fixtures.csv.gz")
    wide = assets(stored).set_index("run")
    truth = stored[stored["score"] == "fronts"].set_index("run")["value"]
    similar = wide["self_similarity"]
    assert sorted(truth) == [0, 1, 2]
    assert similar[truth == 2].min() > 0.8 > 0.5 > similar[truth == 1].max()
    assert similar[truth == 0].isna().all(), "a ball has nothing to repeat"
    for name in ("fixtures.md", "fixtures.csv", "fixtures.tex", "roc.png"):
        assert (out / name).stat().st_size > 500, name
    kept = {x: x.stat().st_mtime_ns for x in work.rglob("views/*/*")}
    assert kept
    made(monkeypatch, *words)
    assert {x: x.stat().st_mtime_ns for x in work.rglob("views/*/*")} == kept, "rendered again"
    assert gather(out / "fixtures.csv.gz").equals(stored)
