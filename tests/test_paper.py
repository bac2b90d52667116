"""The study's paper, from small units whose effects are known to the verdict; and what it refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from esd_bench import stats
from esd_bench.formats import to_frame
from esd_bench.gather import gather
from esd_bench.report import build, find_table
from reports.embedded.paper import __main__ as command
from reports.embedded.paper import (
    bodies,
    equal_time,
    judged,
    judgements,
    outcomes,
    units,
    verdict,
)
from reports.embedded.paper.units import Study
from tests import study_units
from tests.study_units import PRIMARY, ROOT, scores

SMALL = 0.01
"""Noise between seeds."""


def shifted(spread: float = SMALL, base: float = 0.5, **shift: float):
    """Janus rates around a base, lower by what an arm is given; success is left alone at 0."""

    def effect(name, rng):
        rate = base + spread * rng.normal() + shift.get(name, 0.0)
        return scores(float(np.clip(rate, 0.2, 1)), rng, success=0.0, consistency=0.4)

    return effect


def read(tmp_path, effect, arms=PRIMARY, **how) -> Study:
    return units.read(study_units.write(tmp_path / "study", effect, arms, **how))


def answered(study: Study, **how) -> verdict.Answer:
    return verdict.answer(outcomes.family(study, **how))


# ---- the rule --------------------------------------------------------------------------------------------------------


def test_a_lower_janus_rate_is_a_yes(tmp_path):
    study = read(tmp_path, shifted(**{"esd-entropy1-plain": -0.2}))
    found = answered(study)
    assert found.kind == "Yes"
    assert [test.first.name for test in found.tame] == ["esd-entropy1-plain"]
    assert not found.more
    (test,) = found.tame
    assert test.made.difference == pytest.approx(-0.2, abs=0.01)
    assert test.p == 2 / 2**12
    assert test.made.n == 12


def test_the_same_everywhere_is_a_no(tmp_path):
    assert answered(read(tmp_path, shifted())).kind == "No"


def test_noise_is_undecided(tmp_path):
    study = read(tmp_path, shifted(spread=0.4))
    assert answered(study).kind == "Undecided"
    said = verdict.page(study, {"primary": outcomes.family(study)}, [""], [])
    assert "**Undecided.**" in said
    assert said.count("minimum detectable effect 0.") >= 4


def test_a_higher_janus_rate_is_neither_yes_nor_no(tmp_path):
    assert answered(read(tmp_path, shifted(**{"esd-entropy1": 0.2}))).kind == "Undecided"


def test_a_missing_seed_cuts_an_arm_and_its_tests_have_p_of_one(tmp_path):
    """All others are alike, which would be a no; what was not tested can't be one."""
    folder = study_units.write(tmp_path / "study", shifted())
    (folder / "units" / "esd-entropy1-s2.json").unlink()
    study = units.read(folder)
    assert study.cut[0].name == "esd-entropy1"
    assert study.missing[0] == "esd-entropy1-s2"
    family = outcomes.family(study)
    cut = [test for test in family.tests if test.made is None]
    assert [(test.first.name, test.p) for test in cut] == [("esd-entropy1", 1.0)] * 2
    assert verdict.answer(family).kind == "Undecided"
    said = verdict.page(study, {"primary": family}, [""], [])
    assert "1 of 4 tests are cut" in said
    assert "not tested, an arm is cut" in said
    assert "Cut, view words (17): ESD (λ = 1); VSD;" in said
    assert "esd-entropy1-s2" in to_text(bodies.seconds(study))
    table = bodies.rule(study, family, "Primary")
    assert [cells[1].value for labels, cells in table.rows if "cut" in labels] == [1.0, 1.0]


def test_a_cut_comparator_cuts_all_its_tests(tmp_path):
    arms = [x for x in PRIMARY if x != "esd-entropy0"]
    study = read(tmp_path, shifted(**{"esd-entropy1-plain": -0.2}), arms)
    family = outcomes.family(study)
    assert sum(test.made is None for test in family.tests) == 4
    assert verdict.answer(family).kind == "Yes", "the other wording stands"
    holm = stats.holm([1.0] * 4 + [test.p for test in family.tests[4:]])
    assert [test.adjusted for test in family.tests] == holm


def test_families_without_any_arm_are_not_tested(tmp_path):
    study = read(tmp_path, shifted())
    families = {name: outcomes.family(study, **how) for name, how in FAMILIES.items()}
    said = verdict.page(study, families, [""], [])
    assert said.count("**Undecided**, not tested: its arms are cut.") == 2


FAMILIES = {"primary": {}, "vsd": {"second": "vsd"}, "exact": {"student": "exact"}}


@pytest.mark.parametrize("guard", ["success", "consistency"])
def test_fewer_right_objects_or_less_r_forbid_a_yes(tmp_path, guard):
    plain = shifted(**{"esd-entropy1": -0.2})

    def effect(name, rng):
        worse = 0.0 if name == "esd-entropy1" else 1.0
        return {**plain(name, rng), guard: worse}

    found = answered(read(tmp_path, effect))
    assert found.kind == "Undecided"
    ((test, why),) = found.spoilt
    assert test.first.name == "esd-entropy1"
    assert ("success" if guard == "success" else "R") in why


def test_a_yes_must_hold_in_the_worst_case_of_failed_runs(tmp_path):
    plain = shifted(**{"esd-entropy1": -0.2})

    def effect(name, rng):
        made = plain(name, rng)
        return None if name == "esd-entropy1" and rng.random() < 0.4 else made

    study = read(tmp_path, effect)
    family = outcomes.family(study)
    found = verdict.answer(family)
    assert found.kind == "Undecided"
    assert "worst case" in found.spoilt[0][1]
    (own,) = (x for x in family.tests if x.first.name == "esd-entropy1" and x.score == "janus_rate")
    (worst,) = (
        x for x in family.worst if x.first.name == "esd-entropy1" and x.score == "janus_rate"
    )
    failed = study.failed["ESD (λ = 1)"]
    assert failed > 5
    raised = study.arrays["ESD (λ = 1)", "janus_rate"]
    assert np.isnan(raised).sum() == failed, "the worst case is assumed nowhere else"
    assert worst.made.first == pytest.approx(np.where(np.isnan(raised), 1, raised).mean())
    assert own.made.difference < -0.15 < worst.made.difference
    successes = study.arrays["ESD (λ = 1)", "success"]
    assert not np.isnan(successes).any(), "a failed run is no success"


def test_a_small_difference_and_more_right_objects_are_told_apart_from_a_yes(tmp_path):
    plain = shifted(**{"esd-entropy0.5": -0.03})

    def effect(name, rng):
        more = {"success": 1.0} if name == "esd-entropy0.5" else {}
        return {**plain(name, rng), **more}

    found = answered(read(tmp_path, effect))
    assert found.kind == "No"
    assert [test.first.name for test in found.small] == ["esd-entropy0.5"]
    assert [(test.first.name, test.made.difference) for test in found.more] == [
        ("esd-entropy0.5", 100.0)
    ]


def test_yes_and_no_exclude_each_other_at_the_very_bound():
    """Every prompt lower by .05 exactly: the interval is that one point."""
    gap = stats.Paired(-0.05, (-0.05, -0.05), 0.001, 12, 0, 0, 12, 0.45, 0.5, 0.0, "sign flips")
    none = stats.Paired(0.0, (0.0, 0.0), 1.0, 12, 0, 12, 0, 0.5, 0.5, 0.0, "sign flips")
    _, _, arms = units.wanted(ROOT / "reports/embedded")
    tests = [
        outcomes.Test(arm, arm, score, made, made.p)
        for arm in (arms[1], arms[2], arms[4], arms[5])
        for score, made in (("janus_rate", gap), ("success", none))
    ]
    guards = {arm.name: none for arm in arms}
    assert verdict.answer(outcomes.Family(tuple(tests), guards)).kind == "Yes"
    assert not any(verdict._within(test) for test in tests if test.score == "janus_rate")


# ---- the numbers -----------------------------------------------------------------------------------------------------


def to_text(body) -> str:
    return " ".join((body.title, *body.footnotes))


def test_differences_are_those_that_compare_prints(tmp_path):
    """Another way to them: the table of ``esd-bench compare``, its intervals drawn one by one; some runs failed."""
    plain = shifted(spread=0.1)
    study = read(tmp_path, lambda name, rng: None if rng.random() < 0.05 else plain(name, rng))
    assert sum(study.failed.values()) > 3
    table = find_table(
        "versus",
        {"first": "ESD (λ = 1)", "second": "ESD (λ = 0)", "interval": "hierarchical"},
    )
    arms = ("ESD (λ = 1)", "ESD (λ = 0)")
    own = study.main[[x.startswith(arms) for x in study.main["label"]]]
    rows = to_frame(build(own, table))
    rows = rows[rows["measure"].str.startswith("Janus")].set_index(["prompts_with", "column"])
    rates = [x for x in outcomes.family(study).tests if x.score == "janus_rate"]
    for test in (x for x in rates if x.first.entropy == 1):
        by = rows.loc[test.first.wording]
        assert test.made.difference == pytest.approx(by["value"]["Difference"])
        assert test.made.interval == pytest.approx(tuple(by.loc["Difference", ["low", "high"]]))
        assert test.p == by["value"]["p"]
        assert test.made.detectable == pytest.approx(by["value"]["MDE"])


def test_the_exploratory_family_has_every_other_arm_and_outcome(tmp_path):
    more = [*PRIMARY, "vsd", "vsd-plain", "esd-entropy0-exact", "esd-entropy1-exact"]
    study = read(tmp_path, shifted(), more)
    tests = outcomes.exploratory(study)
    pairs = {(test.first.name, test.second.name) for test in tests}
    assert pairs == {
        *((f"esd-entropy{x}", "esd-entropy0") for x in ("0.5", "1")),
        *((f"esd-entropy{x}-plain", "esd-entropy0-plain") for x in ("0.5", "1")),
        *(("vsd", "esd-entropy0"), ("vsd-plain", "esd-entropy0-plain")),
        ("esd-entropy1-exact", "esd-entropy0-exact"),
    }
    primary = {test.first.name for test in tests if test.score in outcomes.PRIMARY}
    assert primary == {"vsd", "vsd-plain", "esd-entropy1-exact"}
    assert [test.adjusted for test in tests] == stats.benjamini_hochberg([x.p for x in tests])


def test_metrics_that_see_prefer_and_miss_the_janus(tmp_path):
    def effect(name, rng):
        return scores(float(rng.choice([0.0, 0.1, 0.4, 0.9])), rng)

    seen = judged.Judged(read(tmp_path, effect))
    decided = {score: judged.verdict(found) for score, found in seen.decided.items()}
    assert decided["iq"] == decided["front_elsewhere"] == "would have told"
    assert decided["fid"] == "would have misled"
    assert decided["ig"] == decided["clip_distance"] == decided["iv"] == "neither"
    assert seen.decided["iq"].n == 12 * 3 * 3, "assets with view words only"
    said = " ".join(judged.sentences(seen))
    assert f"108 of 12 prompts × 3 seeds × 3 arms; {int((seen.of()['amount'] >= 0.2).sum())} have" in said  # fmt: skip
    pair = judged.example(seen, "fid", told=False)
    wide = seen.assets.set_index("run")
    assert wide["amount"][pair.janus] >= 0.2 > wide["amount"][pair.right]
    assert wide["prompt"][pair.janus] == wide["prompt"][pair.right]
    assert seen.raw(pair.janus, "fid") < seen.raw(pair.right, "fid"), "it prefers the Janus"
    views = dict(judgements.views(seen).rows)
    assert ("IQ", "120, sphere, ImageNet") in views
    assert ("FID", "36, ring") in views
    assert ("KID", "36, ring") not in views, "it was not measured"


def test_what_only_tells_prompts_apart_is_at_chance_within_them(tmp_path):
    """FID is lower on every other prompt, where more assets are Janus, and knows nothing else."""
    count = iter(range(10_000))

    def effect(name, rng):
        often = next(count) % 2
        rate = 0.6 if rng.random() < 0.1 + 0.8 * often else 0.0
        return scores(rate, rng, fid=600 - 200 * often + rng.normal(), iq=1 + rate)

    seen = judged.Judged(read(tmp_path, effect))
    pairs = judged.mixed(seen.of())
    assert judged.verdict(seen.decided["fid"]) == "would have misled"
    low, high = judged.auc(pairs, "fid", within=True).interval
    assert low < 0.5 < high
    assert judged.auc(pairs, "iq", within=True).value == 1
    said = " ".join(judged.sentences(seen))
    assert f"pairs of one prompt alone ({pairs['prompt'].nunique()} prompts have a Janus and another asset" in said  # fmt: skip
    assert "Kendall's tau of the 3 arms' means" in said
    (first, *_) = judgements.within(seen).rows
    assert first[0][0] == "AUC, one prompt"


def test_metrics_of_the_oracle_s_own_network_are_named(tmp_path):
    def effect(name, rng):
        made = scores(float(rng.choice([0.0, 0.1, 0.4, 0.9])), rng)
        return {k: x for k, x in made.items() if k != "front_elsewhere" or made["janus_rate"] < 0.9}

    seen = judged.Judged(read(tmp_path, effect))
    assert {"fid", "iq", "self_similarity"} <= {*seen.shared}
    assert not {"clip_distance", "right_word", "self_similarity_clip"} & {*seen.shared}
    lost = int((seen.of()["amount"] >= 0.9).sum())
    (note,) = judged.unscored(seen)
    assert note == f"Without a score and left out: {lost} assets, {lost} of which have a Janus rate of 0.2 or more (front_elsewhere)."  # fmt: skip


def test_the_order_of_methods_by_every_metric_in_both_wordings(tmp_path):
    rates = dict(zip(PRIMARY, (0.1, 0.3, 0.5, 0.9, 0.5, 0.1), strict=True))
    study = read(tmp_path, lambda name, rng: scores(rates[name], rng))
    said = [x for x in judged.sentences(judged.Judged(study)) if "the order of methods" in x]
    assert len(said) == 2
    assert ", without view words: Kendall's tau of the 3 arms" in said[1]
    for line in said:
        named = [x.rpartition(" ") for x in line[:-1].split("): ")[-1].split("; ")]
        found = {name: float(tau) for name, _, tau in named}
        assert found["IQ"] == found["front_elsewhere"] == 1
        assert found["FID"] == -1
        assert [*found.values()] == sorted(found.values(), reverse=True)


LONGER = "sds-steps2635"


def equal(folder):
    study = units.read(folder)
    return equal_time.told(study, outcomes.exploratory(study))


def test_the_longer_sds_is_tested_where_it_is_whole(tmp_path):
    arms = [*PRIMARY, "sds", LONGER]
    folder = study_units.write(tmp_path / "study", shifted(**{LONGER: 0.2}), arms)
    intro, *lines = equal(folder)
    assert "cut" not in intro
    assert (
        "By the clock a unit took 10 s (SDS, 2635 steps); 10 s (ESD (λ = 0)); 10 s (SDS)" in intro
    )
    assert len(lines) == 6
    assert lines[0].startswith("SDS, 2635 steps against ESD (λ = 0), view words: Janus rate 0.")
    assert all("Benjamini and Hochberg" in x and "× 3 seeds" in x for x in lines[:3])
    assert all("described, not tested" in x for x in lines[3:]), "the protocol has no such test"
    said = verdict.page(units.read(folder), {}, [intro, *lines], [])
    assert f"## {verdict.EQUAL_TIME} (exploratory)\n\n{intro}\n\n* {lines[0]}" in said


def test_of_a_longer_sds_that_lacks_a_seed_nothing_is_said(tmp_path):
    folder = study_units.write(tmp_path / "study", shifted(), [*PRIMARY, "sds", LONGER])
    (folder / "units" / f"{LONGER}-s0.json").unlink()
    (intro,) = equal(folder)
    assert intro.endswith("The arm is cut.")


def test_success_at_its_floor_is_said_to_be_no_test(tmp_path):
    study = read(tmp_path, shifted())
    family = outcomes.family(study)
    said = verdict.page(study, {"primary": family}, [""], [])
    assert said.count("no run of either is a success, so that this test is empty") == 4
    assert said.count("a guard, not tested in this family") == 4
    assert "lie within ±0.05, between -0.0" in said
    assert any("that test is empty" in x for x in bodies.rule(study, family, "Primary").footnotes)


# ---- what is refused -------------------------------------------------------------------------------------------------


def changed(folder: Path, unit: str, **facts) -> None:
    path = folder / "units" / f"{unit}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"spec": "0123456789"}, r"vsd-s1.json was made of another spec \(01234567\)"),
        ({"prompts": ["a red cat"]}, r"vsd-s1.json has other prompts .*\(1 instead of 12\)"),
        ({"prompts": ["a red cat"] * 12}, "'a red cat' instead of 'an orange house'"),
    ],
)
def test_a_unit_of_another_spec_or_other_prompts_is_refused(tmp_path, facts, message):
    folder = study_units.write(tmp_path / "study", shifted(), ["esd-entropy0", "vsd"])
    changed(folder, "vsd-s1", **facts)
    with pytest.raises(ValueError, match=message):
        units.read(folder)


def test_a_unit_whose_scores_are_others_is_refused(tmp_path):
    folder = study_units.write(tmp_path / "study", shifted(), ["esd-entropy0", "vsd"])
    own, other = (folder / "units" / f"vsd-s{k}.csv.xz" for k in (0, 1))
    kept = own.read_bytes()
    own.write_bytes(other.read_bytes())
    with pytest.raises(ValueError, match=r"vsd-s0.csv.xz does not hold what its .json says"):
        units.read(folder)
    own.write_bytes(kept)
    other.unlink()
    with pytest.raises(ValueError, match=r"vsd-s1.csv.xz is missing beside its .json"):
        units.read(folder)


def test_a_unit_of_no_arm_and_a_broken_one_are_named(tmp_path):
    folder = study_units.write(tmp_path / "study", shifted(), ["esd-entropy0"])
    (folder / "units" / "mine-s0.json").write_text("{}")
    with pytest.raises(ValueError, match="mine-s0.json is of no arm"):
        units.read(folder)
    (folder / "units" / "mine-s0.json").unlink()
    (folder / "units" / "esd-entropy0-s1.json").write_text("{}")
    with pytest.raises(ValueError, match="esd-entropy0-s1.json is no unit"):
        units.read(folder)


# ---- the command -----------------------------------------------------------------------------------------------------

WITHOUT = "import sys; sys.modules.update(torch=None, pyarrow=None); import runpy; runpy.run_module('reports.embedded.paper', run_name='__main__', alter_sys=True)"


def paper(*words: object) -> subprocess.CompletedProcess[str]:
    """The command in an interpreter in which neither torch nor pyarrow can be imported."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    called = [sys.executable, "-c", WITHOUT, *map(str, words)]
    return subprocess.run(called, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)  # fmt: skip


def test_everything_is_made_without_torch(tmp_path):
    def effect(name, rng):
        if rng.random() < 0.02:
            return None
        less = 0.3 if name == "esd-entropy1" else 0.0
        return scores(float(np.clip(rng.choice([0.1, 0.5, 0.9]) - less, 0, 1)), rng)

    folder = study_units.write(tmp_path / "study", effect, [*PRIMARY, "vsd"])
    done = paper("--folder", folder)
    assert done.returncode == 0, done.stderr
    *files, last = done.stdout.splitlines()
    assert last.startswith(f"{len(files)} files in ")
    names = {Path(path).relative_to(folder).as_posix() for path in files}
    figures = {f"figures/{x}.webp" for x in ("differences", "metrics", "clouds")}
    assert {"verdict.md", "tables.html", *figures} <= names
    for table in ("collapse", "primary", "vsd", "exact", "table1", "table3", "told", "seconds"):
        assert {f"tables/{table}.{ending}" for ending in ("csv", "tex", "md")} <= names
    said = (folder / "verdict.md").read_text()
    assert "**Yes.**" in said
    assert "7 of 36 arms, 12 prompts × 3 seeds each" in said
    shown = paper("show", "primary", "--folder", folder).stdout
    assert shown == (folder / "tables/primary.md").read_text()


@pytest.mark.slow
def test_the_same_units_make_the_same_bytes(tmp_path):
    folder = study_units.write(tmp_path / "study", shifted(spread=0.3))
    made = []
    for _ in range(2):
        *files, _ = paper("--folder", folder).stdout.splitlines()
        made.append({path: Path(path).read_bytes() for path in files})
    assert len(made[0]) > 50
    assert made[0] == made[1]


def test_one_arm_alone_makes_everything(tmp_path):
    """The first one that a GPU ends; nothing is Janus, nothing can be compared."""

    def effect(name, rng):
        return scores(0.0, rng)

    folder = study_units.write(tmp_path / "study", effect, PRIMARY[:1], prompts=3)
    made = {path.name for path in command.write(folder)}
    assert {
        "verdict.md",
        "told.md",
        "explored-quality.tex",
        "differences.webp",
        "clouds.webp",
    } <= made
    said = (folder / "verdict.md").read_text()
    assert said.count("**Undecided**, not tested: its arms are cut.") == 3
    assert "* **Undefined** (no Janus, or nothing else): CLIP distance (n = 9);" in said
    assert "1 of 36 arms, 3 prompts × 3 seeds each, 0 of 9 runs failed. Cut, view words (18): ESD (λ = 0.5)" in said  # fmt: skip


def test_with_nothing_stored_it_says_so(tmp_path):
    folder = study_units.write(tmp_path / "study", shifted(), [])
    done = paper("--folder", folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no arm has all its seeds" in done.stderr.splitlines()[-1]
    assert paper("show", "primary", "--folder", folder).stdout == "*Not made yet.*\n"


def test_the_short_table_is_of_published_methods(tmp_path):
    arms = [
        *PRIMARY,
        "esd-entropy4",
        "esd-entropy0-exact",
        "perp_neg",
        "vsd",
        "vsd-dreamtime",
        "sds-plain",
    ]
    study = read(tmp_path, shifted(), arms)
    means = outcomes.means(study)
    body = bodies.headline(study, means)
    assert [x for x, _ in body.rows] == [
        ("view words", x) for x in ("VSD", "Perp-Neg", "ESD (λ = 0)", "ESD (λ = 0.5)", "ESD (λ = 1)")
    ] + [("no view words", x) for x in ("SDS", "ESD (λ = 0)", "ESD (λ = 0.5)", "ESD (λ = 1)")]  # fmt: skip
    cells = dict(zip(bodies.HEADLINE, body.rows[2][1], strict=True))
    for score, ends in bodies.HEADLINE.items():
        found = means["ESD (λ = 0)", score]
        assert cells[score].value == found.value
        assert cells[score].interval == (found.interval if ends else None)


def test_a_figure_is_shown_where_it_is_stored(tmp_path):
    assert command.show("sheets.webp", tmp_path) == "*Not made yet.*\n"
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/sheets.webp").touch()
    assert command.show("sheets.webp", tmp_path).endswith("](figures/sheets.webp)\n")


def test_scores_that_can_t_be_written_are_one_line(tmp_path):
    folder = study_units.write(tmp_path / "study", shifted(), PRIMARY[:1], prompts=2)
    done = paper("scores", tmp_path / "no/study.csv", "--folder", folder)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert str(tmp_path / "no") in line


def test_the_scores_are_what_esd_bench_reads(tmp_path):
    folder = study_units.write(tmp_path / "study", shifted(), PRIMARY[:2])
    command.scores(folder, tmp_path / "study.csv.gz")
    frame = gather(tmp_path / "study.csv.gz")
    assert set(frame["label"]) == {"ESD (λ = 0)", "ESD (λ = 0.5)"}
    assert frame["run"].nunique() == 2 * 12 * 3
    assert not frame["score"].str.contains("@").any()
    with pytest.raises(ValueError, match=r"as \.csv or \.csv\.gz"):
        command.scores(folder, tmp_path / "study.json")


@pytest.mark.slow
def test_the_stored_pages_are_those_of_the_stored_units(tmp_path):
    """Words only: the last digits of a CSV and the pixels of a figure are a machine's."""
    stored = ROOT / "reports/embedded"
    if not (stored / "units").is_dir():
        pytest.skip("no unit is stored yet")
    for name in ("arms.json", "units"):
        (tmp_path / name).symlink_to(stored / name)
    made = [path for path in command.write(tmp_path) if path.suffix == ".md"]
    assert len(made) > 15
    for path in made:
        assert path.read_text() == (stored / path.relative_to(tmp_path)).read_text(), path.name
