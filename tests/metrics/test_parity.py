"""The stored comparison with the libraries: every mode, and nothing further apart than promised."""

import json
from pathlib import Path

from esd_bench.features import FID_MODES

STORED = Path(__file__).parents[2] / "benchmarks" / "results" / "parity.json"


def test_every_number_agrees_with_every_library() -> None:
    found = json.loads(STORED.read_text())
    assert found["limit"] == 1e-4
    apart = {
        (x["pictures"], x["mode"], x["peer"], x["number"]): abs(x["ours"] - x["theirs"])
        / abs(x["ours"])
        for x in found["rows"]
    }
    assert {key: value for key, value in apart.items() if not value < found["limit"]} == {}
    assert {mode for _, mode, _, _ in apart} - {""} == set(FID_MODES)
    assert {number for *_, number in apart} == {"FID", "KID", "MI", "CLIP distance"}
    assert {pictures for pictures, *_ in apart} == {"photographs", "renders"}
