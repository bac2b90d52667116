"""Pictures of the study's paper: cut out of the stored contact sheets, the right asset from the right place."""

import numpy as np
import pytest
from PIL import Image

from reports.embedded.paper import judged, judgements, outcomes, sheets, units
from tests import study_units
from tests.study_units import PRIMARY, scores

MARGIN = 150
COLOURS = {"esd-entropy0": 0, "esd-entropy1": 80, "esd-entropy1-plain": 160, "vsd": 240}
"""Arm -> red of its sheet; green is that of the row."""


def page(red: int, rows: int, head: int) -> Image.Image:
    """A sheet whose views have a colour for each prompt."""
    made = Image.new("RGB", (MARGIN + 4 * 64, head + rows * 64), "white")
    for k in range(rows):
        top = head + k * 64
        made.paste((red, 10 * k, 0), (MARGIN, top, made.width, top + 64))
    return made


@pytest.fixture
def folder(tmp_path):
    """Four arms have a sheet; one has failed runs, and no row for one of them."""

    def effect(name, rng):
        if name == "esd-entropy1" and rng.random() < 0.5:
            return None
        return scores(0.9 if name.endswith("plain") else float(rng.choice([0.0, 0.3, 0.9])), rng)

    made = study_units.write(tmp_path / "study", effect, [*PRIMARY, "vsd"], prompts=18)
    for number, (name, red) in enumerate(COLOURS.items()):
        path = made / "units" / f"{name}-s0.sheet.webp"
        rows = 15 if name == "esd-entropy1" else 16
        page(red, rows, 36 + 14 * (number % 3)).save(path, lossless=True)
    return made


def test_each_run_has_its_own_row(folder):
    study = units.read(folder)
    pages = sheets.stored(folder, study)
    assert [*pages] == ["ESD (λ = 0)", "ESD (λ = 1), no view words", "VSD"], (
        "a failed run moves the rows"
    )
    found = sheets.strips(pages, study)
    assert len(found) == 3 * 16
    for run, strip in found.items():
        prompt, name = run.split("/")[1:]
        red, row = COLOURS[name.removesuffix("-s0")], study.prompts.index(prompt)
        assert strip.size == (4 * 64, 64)
        assert strip.getcolors() == [(4 * 64 * 64, (red, 10 * row, 0))]


def test_two_sheets_stand_side_by_side(folder, tmp_path):
    study = units.read(folder)
    worst, best = sheets.extremes(study, outcomes.means(study))
    assert worst.words is False
    assert best.words is True
    pages = sheets.stored(folder, study)
    del pages["VSD"]
    with Image.open(sheets.beside(pages, 16, tmp_path / "both.webp")) as page:
        made = page.convert("RGB")
    assert made.size == (MARGIN + 2 * 4 * 64, 40 + 8 * 64)
    seen = np.asarray(made)[40 + 32 :: 64, MARGIN + 128 :: 256]
    assert np.abs(seen[:, 0, :2] - [[0, 10 * k] for k in range(8)]).max() < 6
    assert np.abs(seen[:, 1, :2] - [[160, 10 * k] for k in range(8)]).max() < 6


def test_a_metric_is_shown_by_assets_that_have_a_picture_and_a_clear_janus(folder, tmp_path):
    study = units.read(folder)
    seen = judged.Judged(study)
    views = sheets.strips(sheets.stored(folder, study), study)
    pairs = judgements.chosen(seen, False, views)
    assert {*pairs} == {"fid"}
    (pair,) = pairs.values()
    wide = seen.assets.set_index("run")
    assert {pair.janus, pair.right} <= {*views}
    assert wide["amount"][pair.janus] >= judged.CLEAR
    assert wide["prompt"][pair.janus] == wide["prompt"][pair.right]
    with Image.open(sheets.pairs(seen, pairs, views, tmp_path / "pairs.webp")) as made:
        assert made.width > 800


def test_without_a_clear_janus_another_one_is_shown(tmp_path):
    def effect(name, rng):
        return scores(float(rng.choice([0.0, 0.3])), rng)

    seen = judged.Judged(units.read(study_units.write(tmp_path / "study", effect, PRIMARY)))
    pair = judged.example(seen, "fid", told=False)
    assert seen.raw(pair.janus, "janus_rate") == 0.3
