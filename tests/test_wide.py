"""Units of the study are stored wide and read as they were."""

import hashlib
import json
import math

import pandas as pd
import pytest

from esd_bench.tables import COLUMNS
from reports.embedded import wide


def tidy(failed=()):
    """Three prompts, two passes; one score without a value and with a note."""
    rows = []
    for k, prompt in enumerate(("a-cat", "a-dog", "a-pig")):
        run = {
            **{"suite": "study", "prompt": prompt, "text": prompt.replace("-", " ")},
            **{"prior": "embedded", "method": "esd", "label": "ESD (λ = 0)", "seed": 1},
            **{"run": f"study/{prompt}/run{k}", "wording": "view words", "start": ""},
        }
        if prompt in failed:
            nothing = dict.fromkeys(("unit", "better", "network", "key", "provenance", "score"), "")
            why = {"status": "failed", "note": "diverged", "value": math.nan, "n": 0}
            rows.append({**run, **nothing, **why, "pass": "main"})
            continue
        for part, score, n in (("main", "iq", 120), ("main", "peaks", 36), ("ring", "iq@ring", 36)):
            blind = score == "peaks" and prompt == "a-dog"
            value = math.nan if blind else (k + 1) / 7 * n
            about = {
                "unit": "",
                "better": "lower",
                "network": "embedded",
                "key": json.dumps({"n": n}),
            }
            about |= {"provenance": "{}", "note": "alike, everywhere" if blind else "", "n": n}
            rows.append(
                {**run, **about, "status": "finished", "score": score, "value": value, "pass": part}
            )
    return pd.DataFrame(rows)[[*COLUMNS, "pass"]]


def in_order(frame):
    return frame.sort_values(["prompt", "pass", "score"]).reset_index(drop=True)


@pytest.mark.parametrize("failed", [(), ("a-cat",), ("a-pig",)])
def test_scores_are_read_as_they_were(tmp_path, failed):
    frame = tidy(failed)
    facts = json.loads(json.dumps(wide.write(frame, tmp_path / "unit.csv.xz")))
    found = wide.read(tmp_path / "unit.csv.xz", facts)
    assert facts["failed"] == dict.fromkeys(failed, "diverged")
    pd.testing.assert_frame_equal(in_order(found), in_order(frame), rtol=1e-8, check_dtype=False)


def test_the_same_scores_are_the_same_bytes(tmp_path):
    for name in "ab":
        wide.write(tidy(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_score_measured_in_two_ways_is_refused(tmp_path):
    frame = tidy()
    frame.loc[0, "key"] = "{}"
    with pytest.raises(ValueError, match="two ways"):
        wide.write(frame, tmp_path / "unit.csv.xz")


def test_another_file_is_refused_by_name(tmp_path):
    path = tmp_path / "x.csv.xz"
    facts = wide.write(tidy(), path)
    path.write_bytes(b"no xz")
    with pytest.raises(ValueError, match=r"x\.csv\.xz does not hold what its \.json says"):
        wide.read(path, facts)
    with pytest.raises(ValueError, match=r"x\.csv\.xz holds no scores"):
        wide.read(path, {"scores": hashlib.sha256(b"no xz").hexdigest()})
    path.unlink()
    with pytest.raises(ValueError, match=r"x\.csv\.xz is missing"):
        wide.read(path, facts)
