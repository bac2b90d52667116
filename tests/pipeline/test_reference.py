"""The reference cache: what decides a key, resuming, and finding every changed byte."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from esd_bench import reference
from esd_bench.reference import Recipe, build, get, sets, verify


class Painter:
    """A stand-in for a prior: each seed paints its own noise; counts its calls."""

    name, digest, files, device = "painter", "d" * 64, {"unet": "0" * 64}, torch.device("cpu")

    def __init__(self, fail_after: int = 10**9) -> None:
        self.calls, self.fail_after = 0, fail_after

    def sample(
        self, texts: Sequence[str], seeds: Sequence[int], scale: float = 7.5, steps: int = 25
    ) -> torch.Tensor:
        if self.calls >= self.fail_after:
            raise KeyboardInterrupt
        self.calls += 1
        assert len(texts) == len(seeds) == reference.BATCH
        draws = [torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(s)) for s in seeds]
        return torch.stack(draws)


def test_pictures_come_back_as_they_were_made(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    made = build(Painter(), "a red cat", 20, root=tmp_path, progress=lambda *x: seen.append(x))
    pictures = made.pictures()
    assert pictures.shape == (20, 3, 8, 8)
    expected = Painter().sample(["x"] * 16, range(16)) * 255 + 0.5
    assert torch.equal(pictures[:16], expected.floor().to(torch.uint8))
    assert seen == [(16, 20), (20, 20)]
    assert made.path.name.startswith("a-red-cat-")
    assert made.provenance["size"] == [8, 8]
    assert not verify(tmp_path)
    assert [x.recipe for x in sets(tmp_path)] == [made.recipe]


def test_a_finished_set_is_found_and_not_made_again(tmp_path: Path) -> None:
    first, again = Painter(), Painter()
    made = build(first, "a red cat", 16, root=tmp_path)
    found = build(again, "a red cat", 16, root=tmp_path)
    assert (first.calls, again.calls) == (1, 0)
    assert found == made
    assert get(replace(made.recipe, n=17), tmp_path) is None


def test_everything_that_changes_a_pixel_changes_the_key() -> None:
    base = Recipe("p", "a red cat", 48, 7.5, 25, 0)
    changed = [
        replace(base, prior="q"),
        replace(base, text="a red dog"),
        replace(base, n=47),
        replace(base, scale=7.0),
        replace(base, steps=26),
        replace(base, seed=1),
        replace(base, sampler=base.sampler + 1),
    ]
    assert len({base.key, *(x.key for x in changed)}) == 8
    # Numbers of different prompts may share a column; nothing else may.
    assert changed[1].pool == base.pool
    assert base.pool not in {x.pool for i, x in enumerate(changed) if i != 1}


def test_a_picture_does_not_depend_on_how_many_were_asked_for(tmp_path: Path) -> None:
    few, many = (build(Painter(), "a cat", n, root=tmp_path).pictures() for n in (5, 40))
    assert torch.equal(few, many[:5])


def test_interrupted_work_is_taken_up(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(Painter(fail_after=2), "a cat", 48, root=tmp_path)
    assert sets(tmp_path) == []
    assert verify(tmp_path) == []
    (partial,) = tmp_path.glob(".*.partial")
    (partial / ".0032.png").write_bytes(b"half a picture")
    rest = Painter()
    made = build(rest, "a cat", 48, root=tmp_path)
    assert rest.calls == 1
    assert verify(tmp_path) == []
    assert torch.equal(
        made.pictures(), build(Painter(), "a cat", 48, root=tmp_path / "new").pictures()
    )
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_verify_names_a_flipped_byte_a_missing_file_and_a_stranger(tmp_path: Path) -> None:
    made = build(Painter(), "a cat", 16, root=tmp_path)
    victim = made.path / "0003.png"
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(bytes(data))
    assert verify(tmp_path) == [f"{victim} has changed"]
    with pytest.raises(ValueError, match=r"0003\.png has changed"):
        made.pictures()
    victim.unlink()
    (made.path / "other.png").write_bytes(b"")
    assert verify(tmp_path) == [
        f"{victim} is missing",
        f"{made.path / 'other.png'} does not belong there",
    ]


def test_verify_names_a_changed_or_broken_manifest(tmp_path: Path) -> None:
    made = build(Painter(), "a cat", 16, root=tmp_path)
    path = made.path / "manifest.json"
    value = json.loads(path.read_text())
    path.write_text(json.dumps({**value, "recipe": {**value["recipe"], "scale": 1.0}}))
    assert "another set" in verify(tmp_path)[0]
    path.write_text("{")
    assert str(path) in verify(tmp_path)[0]


def test_default_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ESD_BENCH_REFERENCES", raising=False)
    assert reference.default_root() == Path("reference_cache")
    monkeypatch.setenv("ESD_BENCH_REFERENCES", str(tmp_path))
    assert reference.default_root() == tmp_path


def test_workers_that_want_the_same_set_make_it_once(tmp_path: Path) -> None:
    # Threads stand in for processes: the lock belongs to an open file, not to a process.
    painters = [Painter() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda painter: build(painter, "a cat", 48, root=tmp_path), painters))
    assert found == [found[0]] * 4
    assert sorted(painter.calls for painter in painters) == [0, 0, 0, 3]
    assert verify(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("n", [0, -1])
def test_refuses_an_empty_set(tmp_path: Path, n: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        build(Painter(), "a cat", n, root=tmp_path)


def test_a_diffusers_prior_fills_a_set(tmp_path: Path) -> None:
    from tests.tiny_prior import tiny_prior

    prior = tiny_prior()
    made = build(prior, "a red cat", 3, steps=2, root=tmp_path)
    pictures = made.pictures()
    assert pictures.shape == (3, 3, prior.resolution, prior.resolution)
    assert not torch.equal(pictures[0], pictures[1])
    again = build(prior, "a red cat", 3, steps=2, root=tmp_path / "again")
    assert torch.equal(pictures, again.pictures())
    assert again.digest == made.digest
    assert made.provenance["prior_files"] == prior.files
