"""The units of the held-out study are those of its protocol, in its order."""

import importlib.util
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

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
    sys.path.remove(str(ROOT / "reports"))


def test_arms_are_those_of_the_protocol(study):
    arms = list(study.arms())
    assert len({arm.name for arm in arms}) == len(arms) == 32
    worded = [arm.words for arm in arms]
    assert worded == sorted(worded, reverse=True), "arms without view words are cut first"
    primary = [("vsd", {}), ("esd", {"entropy": 0.5}), ("esd", {"entropy": 1.0})]
    for words, first in ((True, 1), (False, 0)):
        own = [x for x in arms if x.words == words][first : first + 3]
        assert [(x.method, x.options) for x in own] == primary
        assert not [x for x in own if x.student or x.schedule or x.steps != study.STEPS]
    assert Counter(x.method for x in arms if not x.words)["perp_neg"] == 0
    assert {x.options["entropy"] for x in arms if x.method == "esd"} == {
        0.25,
        0.5,
        0.75,
        1,
        2,
        4,
        16,
    }
    assert sum(x.student == "exact" for x in arms) == 6
    assert sum(x.schedule == "dreamtime" for x in arms) == 4


def test_every_arm_has_a_spec_and_a_name_of_its_own_in_tables(study):
    specs = {arm.name: study.template(arm) for arm in study.arms()}
    labels = {arm.name: study.title(arm, specs[arm.name].label) for arm in study.arms()}
    assert len({*labels.values()}) == len(labels)
    assert labels["esd-entropy0.5-dreamtime-plain"] == "ESD (λ = 0.5) + DreamTime, no view words"
    assert len({spec.digest for spec in specs.values()}) == len(specs)
    assert {spec.suite for spec in specs.values()} == {"study"}


def test_the_command_lists_its_units():
    done = subprocess.run([sys.executable, SCRIPT, "--list"], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert len(lines) == 96
    assert lines[0].split()[0] == "sds-s0"


def test_no_unit_is_begun_that_would_not_end_in_time(study):
    words = ["--seconds", "0.5", "--shard", "1/2", "--only", "b"]
    a = study.shards.parser("", "runs", Path()).parse_args(words)
    made = []
    for name in study.shards.missing(["b1", "b2", "a", "b3", "b4", "b5", "b6"], "b2".__eq__, a):
        made.append(name)
        study.time.sleep(0.3)
    assert made == ["b3"]
