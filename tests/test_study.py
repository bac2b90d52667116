"""The units of the held-out study are those of its protocol, in its order."""

import importlib.util
import json
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "reports/embedded/study.py"


@pytest.fixture(scope="module")
def study():
    spec = importlib.util.spec_from_file_location("study", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["study"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["study"]


def test_arms_are_those_of_the_protocol(study):
    arms = list(study.arms())
    assert len({arm.name for arm in arms}) == len(arms) == 36
    primary = [("esd", {"entropy": x}, words) for words in (True, False) for x in (0, 0.5, 1)]
    assert [(x.method, x.options, x.words) for x in arms[:6]] == primary
    assert [(x.method, x.words) for x in arms[6:10]] == [
        (x, words) for words in (True, False) for x in ("vsd", "sds")
    ]
    assert not [x for x in arms[:10] if x.student or x.schedule or x.steps != study.STEPS]
    worded = [arm.words for arm in arms[10:]]
    assert worded == sorted(worded, reverse=True), "the others without view words are cut first"
    assert Counter(x.method for x in arms if not x.words)["perp_neg"] == 0
    assert {x.options["entropy"] for x in arms if x.method == "esd"} == {
        *(0, 0.25, 0.5, 0.75, 1, 2, 4, 16)
    }
    assert sum(x.student == "exact" for x in arms) == 6
    assert sum(x.schedule == "dreamtime" for x in arms) == 4


def test_primary_arms_differ_in_the_weight_of_entropy_alone(study):
    for words in (True, False):
        specs = [study.template(x) for x in study.arms() if x.words == words][:3]
        same = [
            replace(spec, stages=(replace(spec.stages[0], method=specs[0].stages[0].method),))
            for spec in specs
        ]
        assert len({spec.digest for spec in same}) == 1
        options = [dict(spec.method.options) for spec in specs]
        assert [x.pop("entropy") for x in options] == [0, 0.5, 1]
        assert options[0] == options[1] == options[2]


def test_the_longer_sds_takes_as_long_as_esd(study):
    """By the rates of its own packs, in TF32."""
    found = [
        json.loads((ROOT / f"benchmarks/results/pack48_{x}.json").read_text())
        for x in ("esd", "sds")
    ]
    esd, sds = (x["pack 48, graph"]["milliseconds per step"] for x in found)
    assert pytest.approx(study.STEPS * esd / sds, abs=1) == study.LONGER


def test_every_arm_has_a_spec_and_a_name_of_its_own_in_tables(study):
    specs = {arm.name: study.template(arm) for arm in study.arms()}
    labels = {arm.name: study.title(arm, specs[arm.name].label) for arm in study.arms()}
    assert len({*labels.values()}) == len(labels)
    assert labels["esd-entropy0.5-dreamtime-plain"] == "ESD (λ = 0.5) + DreamTime, no view words"
    assert len({spec.digest for spec in specs.values()}) == len(specs)
    assert {spec.suite for spec in specs.values()} == {"study"}


def test_the_paper_knows_what_the_study_makes(study):
    """``study.py --describe`` wrote it: prompts, seeds, and every arm with its label and the digest of its spec."""
    stored = json.loads((SCRIPT.parent / "arms.json").read_text(encoding="utf-8"))
    assert stored == json.loads(json.dumps(study.described()))


def test_the_command_lists_its_units():
    done = subprocess.run([sys.executable, SCRIPT, "--list"], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert len(lines) == 3 * 36
    assert [x.split()[0] for x in lines[:4]] == [
        *(f"esd-entropy0-s{k}" for k in range(3)),
        "esd-entropy0.5-s0",
    ]


def test_a_trial_is_not_stored_among_the_results():
    done = subprocess.run([sys.executable, SCRIPT, "--steps", "3"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "--out" in done.stderr.splitlines()[-1]


def test_a_unit_of_other_settings_is_not_taken_for_this(study, tmp_path):
    a = study.argparse.Namespace(out=tmp_path, steps=None, prompts=None)
    name, (arm, _) = next(iter(study.units().items()))
    assert not study.stored(name, a)
    study._path(a, name, "json").write_text(json.dumps(study.recipe(arm, a)))
    assert study.stored(name, a)
    a.steps = 7
    with pytest.raises(SystemExit, match="another spec"):
        study.stored(name, a)


def test_matrix_products_are_as_before_outside(study):
    before = torch.backends.cuda.matmul.allow_tf32

    def products():
        with study.tf32():
            assert torch.backends.cuda.matmul.allow_tf32
            raise KeyError

    with pytest.raises(KeyError):
        products()
    assert torch.backends.cuda.matmul.allow_tf32 == before


def test_a_unit_is_measured_beside_the_next_and_a_lost_one_takes_no_other_along(
    study, tmp_path, monkeypatch
):
    """Threads stand for the process beside; the second unit fails to be made, the third to be measured."""
    begun, lock = [], threading.Event()

    def make(name, arm, seed, a):
        begun.append(f"make {name}")
        if seed == 1:
            raise ValueError("can't be made")
        if seed == 2:
            lock.set()
        return 1.0

    def measure(name, arm, seed, a, made):
        assert made == 1.0
        assert seed != 0 or lock.wait(20), "the next unit is not made before this one is measured"
        begun.append(f"measured {name}")
        if seed == 2:
            raise ValueError("can't be measured")
        return 0.5

    monkeypatch.setattr(study, "make", make)
    monkeypatch.setattr(study, "measure", measure)
    monkeypatch.setattr(study, "ProcessPoolExecutor", lambda n, context: ThreadPoolExecutor(n))
    a = study.shards.parser("", tmp_path / "runs", tmp_path).parse_args(["--only", "vsd-s"])
    a.steps = a.prompts = None
    assert study.work(study.units(), a) == ["vsd-s1", "vsd-s2"]
    assert begun[:3] == ["make vsd-s0", "make vsd-s1", "make vsd-s2"]
    assert sorted(begun[3:]) == ["measured vsd-s0", "measured vsd-s2"]


def test_what_scoring_lacks_is_said_before_a_unit_is_made(study, monkeypatch):
    pytest.importorskip("pyarrow")
    study.ready("cpu")
    lacking = {**study.SCORED, "imagenet": (("inception",), {"classifier": "no_such"})}
    monkeypatch.setattr(study, "SCORED", lacking)
    with pytest.raises(SystemExit, match="^scoring would fail: .*no_such"):
        study.ready("cpu")
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SystemExit, match=r"pip install -e '\.\[study\]'"):
        study.ready("cpu")


def test_no_unit_is_begun_that_would_not_end_in_time(study, tmp_path):
    words = ["--seconds", "0.5", "--shard", "1/2", "--only", "^b"]
    a = study.shards.parser("", tmp_path, Path()).parse_args(words)
    made = []
    for name in study.shards.missing(["b1", "b2", "ab", "b3", "b4", "b5", "b6"], "b2".__eq__, a):
        made.append(name)
        study.time.sleep(0.3)
    assert made == ["b3"]


def test_what_another_process_has_begun_is_left_to_it(study, tmp_path):
    shards, names = study.shards, ["a", "b", "c", "d"]
    a = shards.parser("", tmp_path, Path()).parse_args(["--limit", "1"])
    claim = "import sys; from pathlib import Path; from reports.shards import claimed\n"
    claim += f"assert claimed(Path({str(tmp_path)!r}), 'a'); print(); sys.stdin.read()"
    command = [sys.executable, "-c", claim]
    with subprocess.Popen(command, cwd=ROOT, stdin=-1, stdout=-1, text=True) as other:
        other.stdout.readline()
        assert list(shards.missing(names, set().__contains__, a)) == ["b"]
        other.kill()
    assert list(shards.missing(names, {"b"}.__contains__, a)) == ["a"], "a killed one has none"
    assert list(shards.missing(names, set().__contains__, a)) == ["c"], "they are being scored"


@pytest.fixture(autouse=True)
def claims_end(study):
    yield
    while study.shards._CLAIMS:
        study.shards._CLAIMS.pop().close()


def test_what_was_stored_while_others_were_made_is_not_made_again(study, tmp_path):
    a = study.shards.parser("", tmp_path, Path()).parse_args([])
    stored, made = set(), []
    for name in study.shards.missing(["a", "b", "c"], stored.__contains__, a):
        made.append(name)
        stored.add("b")
    assert made == ["a", "c"]
