"""Labels belong to what was seen, not to the name that it had: an asset in another's place begins without any."""

import sqlite3

import pytest

from esd_bench.ingest import Settings, ingest, of_path
from esd_bench.labelling import session
from esd_bench.labelling.acts import Act, act
from esd_bench.labelling.database import NAME, open_database
from esd_bench.labelling.opening import opened
from esd_bench.labelling.study import opaque, study
from esd_bench.labelling.tallies import gone, votes
from esd_bench.store import RunStore
from tests.adapters.meshes import Gltf, bar, cube_gltf
from tests.labelling.studies import asset, grid, said
from tests.pipeline.command import command

LOST = "1 finished judgements are of assets that are no longer there"


def take(folder, made: Gltf, method: str = "mine") -> str:
    """The run's name, whatever stands in it."""
    path = made.save(folder / "a.glb")
    settings = Settings(views=("sphere:6", "ring:15:4"), size=16, again=True)
    (run,) = ingest(of_path(path, method, "a cube", 0), RunStore(folder / "runs"), settings).made
    return run.id


def judged(root, answers: str, mode: str = "single") -> None:
    with opened(root, mode) as (database, shown):
        ann = database.rater("Ann")
        slot = session.card(database, shown, ann).slot
        database.add(ann, mode, said(slot, answers))


def tally(root, **how):
    heard = []
    return act(root, Act(tally=True, format="csv", **how), heard.append), heard


def test_an_asset_that_takes_a_runs_name_does_not_take_its_labels(tmp_path):
    root = tmp_path / "runs"
    name = take(tmp_path, cube_gltf())
    judged(root, "yyy")
    assert tally(root)[1] == []
    assert take(tmp_path, cube_gltf()) == name
    assert tally(root)[1] == [], "the same pictures are the same asset"
    assert take(tmp_path, bar()) == name
    with opened(root) as (database, shown):
        assert votes(database, shown).empty
        assert gone(database, shown) == 1
        card = session.card(database, shown, database.rater("Ann"))
        assert (card.done, card.answers) == (0, {})
    heard = []
    with pytest.raises(ValueError, match="is finished yet"):
        act(root, Act(tally=True), heard.append)
    assert [line for line in heard if line.startswith(LOST)]
    judged(root, "nnn")
    with opened(root) as (database, shown):
        assert set(votes(database, shown)["value"]) == {"no"}
    assert tally(root)[1][0].startswith(LOST)
    take(tmp_path, cube_gltf())
    with opened(root) as (database, shown):
        assert set(votes(database, shown)["value"]) == {"yes"}, "what was seen first is back"


def test_a_pair_of_which_one_changed_is_another_pair(tmp_path):
    root = tmp_path / "runs"
    take(tmp_path, cube_gltf(), "mine")
    take(tmp_path, cube_gltf(), "other")
    judged(root, "fs=", "pairs")
    take(tmp_path, bar(), "other")
    with opened(root, "pairs") as (database, shown):
        assert votes(database, shown).empty
        assert gone(database, shown) == 1


def test_what_was_only_not_chosen_is_not_reported(tmp_path):
    grid(tmp_path, prompts=1)
    with opened(tmp_path) as (database, shown):
        for slot in shown.items:
            database.add(database.rater("Ann"), "single", said(slot))
    assert tally(tmp_path, only={"method": "esd"})[1] == []


@pytest.mark.parametrize("mode", ["single", "pairs"])
def test_labels_that_an_earlier_version_began_are_read_as_before(tmp_path, mode):
    grid(tmp_path, prompts=1)
    database = open_database(tmp_path)
    secret = database.secret("items")
    names = [x.name for x in study(tmp_path, secret).assets.values()]
    by_label = sorted(names, key=lambda x: x.rsplit("/", 1)[1])
    slot = opaque(secret, names[0]) if mode == "single" else opaque(secret, "pair", *by_label)
    answers = "yyy" if mode == "single" else "fff"
    database.add(database.rater("Ann"), mode, said(slot, answers))
    database.close()
    raw = sqlite3.connect(tmp_path / NAME)
    raw.execute("PRAGMA user_version = 1")
    raw.close()
    heard = []
    with opened(tmp_path, mode, say=heard.append) as (database, shown):
        assert set(votes(database, shown)["item"]) == {slot}
    assert len(heard) == 1
    assert "begun by an earlier esd-bench" in heard[0]


def test_where_no_runs_are_no_labels_are_begun(tmp_path):
    for words in (("--no-browser",), ("--import", tmp_path / "theirs.csv"), ("--tally",)):
        done = command("label", tmp_path, *words)
        assert done.code == 2
        assert len(done.err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_here_is_a_folder_of_runs(tmp_path, monkeypatch):
    asset(tmp_path, "a cat")
    monkeypatch.chdir(tmp_path)
    assert len(study(".", "s").items) == len(study(tmp_path, "s").items) == 1
