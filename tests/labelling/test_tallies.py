"""From answers to rates: by hand, against slow oracles, and through CSV and the tables."""

import json
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esd_bench import stats
from esd_bench.labelling import agreement, power, preferences
from esd_bench.labelling.criteria import NAMES
from esd_bench.labelling.database import open_database
from esd_bench.labelling.exchange import identity
from esd_bench.labelling.order import AGAIN
from esd_bench.labelling.study import study
from esd_bench.labelling.tallies import (
    by_prompt,
    compare,
    decide,
    seeds,
    success,
    votes,
    without,
)
from tests.labelling.studies import asset, grid, said
from tests.pipeline.command import command

answers = st.lists(st.sampled_from(["yes", "no", "unsure"]), max_size=7)


@given(answers)
def test_rules_are_ordered_and_unsure_is_no_vote(given_):
    told = [x for x in given_ if x != "unsure"]
    found = {rule: decide(given_, rule) for rule in ("min", "majority", "any")}
    assert found == {rule: decide(told, rule) for rule in found}
    if not told:
        assert set(found.values()) == {None}
    else:
        half = found["majority"] if found["majority"] is not None else 0.5
        assert found["min"] <= half <= found["any"]
        assert (found["majority"] is None) == (told.count("yes") == told.count("no"))


class Labels:
    """A study whose raters say what a test wants."""

    def __init__(self, root, mode="single"):
        self.database = open_database(root)
        self.study = study(root, self.database.secret("items"), mode)

    def say(self, rater, verdicts, again=False, role="rater", default=None):
        """``verdicts``: (prompt number, label, seed) -> letters for the three criteria."""
        person = self.database.rater(rater, role)
        for row in self.study.arms.itertuples():
            key = (int(row.prompt[-1]), row.label.split()[0], row.seed)
            letters = verdicts.get(key, default)
            if letters and row.status == "finished":
                self.database.add(person, self.study.mode, said(row.item + AGAIN * again, letters))

    @property
    def votes(self):
        return votes(self.database, self.study)

    def labels(self):
        return sorted(self.study.arms["label"].unique(), key=lambda x: ("SDS" not in x, x))


@pytest.fixture
def two(tmp_path):
    """Two prompts, two methods, three seeds; SDS's second prompt lost a run."""
    for method, prompt, seed in product(("sds", "esd"), range(2), range(3)):
        reason = "diverged" if (method, prompt, seed) == ("sds", 1, 2) else ""
        asset(tmp_path, f"a cat number {prompt}", method, seed, reason=reason)
    return tmp_path


def test_success_by_hand(two):
    made = Labels(two)
    truth = {
        (0, "SDS", 0): "yyn", (0, "SDS", 1): "yyy", (0, "SDS", 2): "nnn",
        (1, "SDS", 0): "nyy", (1, "SDS", 1): "nyy",
        (0, "ESD", 0): "yyy", (0, "ESD", 1): "yyy", (0, "ESD", 2): "yyy",
        (1, "ESD", 0): "yyy", (1, "ESD", 1): "nnn", (1, "ESD", 2): "yyn",
    }  # fmt: skip
    made.say("Ann", truth)
    made.say("Bob", truth)
    made.say("Cyn", {}, default="nnn")
    sds, esd = made.labels()
    decided = seeds(made.votes, made.study)
    found = success(decided, sds)
    assert (found.success.share, found.success.n, found.left_out) == (0.5, 2, 0)
    assert found.success.interval == stats.wilson(1, 2)
    assert found.one.share == pytest.approx((1 / 3 + 0) / 2)
    assert found.all.share == 0
    assert found.criteria["view"].share == pytest.approx((2 / 3 + 0) / 2)
    assert found.criteria["count"].share == pytest.approx((2 / 3 + 2 / 3) / 2), (
        "a failed run has nothing right"
    )
    best = success(decided, esd)
    assert (best.success.share, best.all.share) == (1.0, 0.5)
    assert best.one.share == pytest.approx((1 + 1 / 3) / 2)
    assert success(seeds(made.votes, made.study, "min"), esd).success.share == 0
    assert success(seeds(made.votes, made.study, "any"), esd).success.share == 1
    (both,) = compare(decided, [sds, esd])
    assert (both.n, both.only_first, both.only_second) == (2, 0, 1)
    assert both.p == both.adjusted == stats.mcnemar(0, 1)


def test_a_missing_or_undecided_seed_leaves_the_prompt_out_or_fails(two):
    made = Labels(two)
    made.say("Ann", {(0, "ESD", 2): "uyy"}, default="yyy")
    _, esd = made.labels()
    decided = seeds(made.votes, made.study)
    rates = by_prompt(decided, esd)
    assert rates["any"].isna().tolist() == [True, False]
    assert rates["one"].tolist() == [1.0, 1.0], "of the seeds that are decided"
    assert success(decided, esd).left_out == 1
    strict = success(decided, esd, "fail")
    assert (strict.left_out, strict.success.share, strict.all.share) == (0, 1.0, 0.5)
    assert strict.one.share == pytest.approx((2 / 3 + 1) / 2)


def test_one_criterion_that_failed_decides_a_seed(two):
    made = Labels(two)
    made.say("Ann", {}, default="nuu")
    assert set(seeds(made.votes, made.study)["passed"]) == {0.0}


def test_an_adjudicator_settles_ties_under_the_majority_only(two):
    made = Labels(two)
    made.say("Ann", {}, default="yyy")
    made.say("Bob", {}, default="yny")
    _, esd = made.labels()
    assert np.isnan(by_prompt(seeds(made.votes, made.study), esd)["any"]).all()
    made.say("Chair", {}, role="adjudicator", default="yyy")
    assert success(seeds(made.votes, made.study), esd).success.share == 1
    assert success(seeds(made.votes, made.study, "min"), esd).success.share == 0


def test_what_is_not_finished_or_shown_again_does_not_count(two):
    made = Labels(two)
    item = next(iter(made.study.items))
    ann = made.database.rater("Ann")
    made.database.add(ann, "single", said(item, "nnn", done=False))
    assert made.votes.empty
    made.say("Bob", {}, default="yyy")
    made.say("Bob", {(0, "ESD", 0): "yyn"}, again=True)
    assert success(seeds(made.votes, made.study), made.labels()[1]).all.share == 1
    assert agreement.with_oneself(made.votes, "view") == (1.0, 1)
    assert agreement.with_oneself(made.votes, "look") == (0.0, 1)


votes_ = st.lists(
    st.lists(st.sampled_from([0.0, 1.0, np.nan]), min_size=4, max_size=4), min_size=2, max_size=5
)


@given(votes_)
def test_pairs_of_votes_are_counted_by_a_double_loop(rows):
    values = np.array(rows)
    both = [
        a[i] == a[i] and b[i] == b[i]
        for k, a in enumerate(values)
        for b in values[k + 1 :]
        for i in range(4)
    ]
    assert agreement.pairs(values) == sum(both)


def test_the_matrix_of_votes_has_a_row_a_rater(two):
    made = Labels(two)
    made.say("Ann", {}, default="yuy")
    made.say("Bob", {(0, "ESD", 0): "nny"})
    values = agreement.matrix(made.votes, "view")
    assert values.shape == (2, 11)
    assert np.nansum(values) == 11
    assert np.isnan(values[1]).sum() == 10
    assert np.isnan(agreement.matrix(made.votes, "count")).sum() == 21


def test_pairs_by_hand(tmp_path):
    grid(tmp_path, prompts=3, methods=("sds", "vsd", "esd"))
    made = Labels(tmp_path, "pairs")
    names = {x: made.study.arms.set_index("name")["label"].to_dict() for x in (0,)}[0]
    person = made.database.rater("Ann")
    for item in made.study.items.values():
        first, second = (names[x.name] for x in item.assets)
        letter = "f" if "ESD" in first else "s" if "ESD" in second else "="
        made.database.add(person, "pairs", said(item.id, f"{letter}=u"))
    labels = sorted(set(names.values()))
    found = {
        (x.first, x.second): x for x in preferences.preferences(made.votes, made.study, "view")
    }
    assert {(x.wins + x.losses, x.ties) for x in found.values()} == {(3, 0), (0, 3)}
    table = preferences.wins(preferences.outcomes(made.votes, made.study, "view"), labels)
    best = next(i for i, x in enumerate(labels) if "ESD" in x)
    assert table[best].sum() == 6
    assert table[:, best].sum() == 0
    assert table.sum() == 9
    assert not preferences.preferences(made.votes, made.study, "look")
    # Of a tie an adjudicator's word holds, and of what is none, too.
    chair = made.database.rater("Chair", "adjudicator")
    for item in made.study.items:
        made.database.add(chair, "pairs", said(item, "=su"))
    ties = {x.ties for x in preferences.preferences(made.votes, made.study, "view")}
    assert ties == {3}
    lost = {x.losses for x in preferences.preferences(made.votes, made.study, "count")}
    assert lost == {3}


# ---- files


def test_labels_go_to_another_lab_and_back(two, tmp_path_factory):
    made = Labels(two)
    made.say("=Ann", {(0, "ESD", 0): "ynu"}, default="yyy")
    made.say("Bob", {(0, "ESD", 0): "yyn"}, again=True)
    item = next(iter(made.study.items))
    note = '=HYPERLINK("x"), "quoted"\nnew line'
    made.database.add(made.database.rater("Bob"), "single", said(item, "nnn", note, done=False))
    out = tmp_path_factory.mktemp("out") / "lab one.csv"
    assert command("label", two, "--export", out).code == 0
    assert "'=HYPERLINK" in out.read_text()
    other = tmp_path_factory.mktemp("other")
    for method, prompt, seed in product(("sds", "esd"), range(2), range(3)):
        asset(other, f"a cat number {prompt}", method, seed)
    for _ in range(2):
        done = command("label", other, "--import", out, "--tally")
        assert done.code == 0, done.err
        assert f"{identity(made.database)}: =Ann" in done.out
    there = Labels(other)
    mine, theirs = (x.votes.assign(rater="", item="") for x in (made, there))
    order = [*NAMES, "criterion", "value", "again"][3:]
    pd.testing.assert_frame_equal(
        mine.sort_values(order).reset_index(drop=True)[order],
        theirs.sort_values(order).reset_index(drop=True)[order],
    )
    notes = [
        e.value for x in there.database.everything("single").values() for e in x if e.kind == "note"
    ]
    assert notes == [note]


def test_labels_of_an_asset_that_looks_otherwise_here_are_refused(tmp_path):
    here, there = grid(tmp_path / "here", 1), grid(tmp_path / "there", 1)
    Labels(there).say("Ann", {}, default="yyy")
    file = tmp_path / "labels.csv"
    command("label", there, "--export", file)
    rows = file.read_text().splitlines()
    at = rows[0].split(",").index("views")
    cells = rows[1].split(",")
    assert len(cells[at]) == 16
    cells[at] = "0" * 16
    file.write_text("\n".join([rows[0], ",".join(cells), *rows[2:]]) + "\n")
    done = command("label", here, "--import", file)
    assert done.code == 2
    assert "line 2: " in done.err
    assert "had other views when it was rated" in done.err
    assert Labels(here).votes.empty


def test_two_labs_with_a_file_and_a_rater_of_one_name_stay_two(tmp_path):
    here, labs = grid(tmp_path / "here", 1), [grid(tmp_path / x, 1) for x in ("one", "two")]
    for root, letters in zip(labs, ("yyy", "yny"), strict=True):
        Labels(root).say("Ann", {}, default=letters)
        command("label", root, "--export", root / "labels.csv")
        assert command("label", here, "--import", root / "labels.csv").code == 0
    given_ = Labels(here).votes
    assert given_["rater"].nunique() == 2
    assert sorted(given_[given_["criterion"] == "count"]["value"]) == ["no", "no", "yes", "yes"]


def test_a_study_that_gets_its_own_labels_back_does_not_count_them_twice(two, tmp_path_factory):
    made = Labels(two)
    made.say("Ann", {}, default="yyy")
    before, out = made.votes, tmp_path_factory.mktemp("out")
    command("label", two, "--export", out / "labels.csv")
    done = command("label", two, "--import", out / "labels.csv")
    assert done.code == 0
    assert "11 lines are of this study itself" in done.err
    pd.testing.assert_frame_equal(made.votes, before)
    # Nor when they come by way of another lab.
    other = grid(tmp_path_factory.mktemp("other"), 2, seeds=3)
    Labels(other).say("Bob", {}, default="nnn")
    command("label", other, "--import", out / "labels.csv")
    command("label", other, "--export", out / "both.csv")
    text = "\n".join(x for x in (out / "both.csv").read_text().splitlines() if "sds" not in x)
    (out / "both.csv").write_text(text + "\n")
    assert (
        "imported: 6 lines of 1 raters" in command("label", two, "--import", out / "both.csv").err
    )
    assert sorted(x.split(": ")[-1] for x in made.votes["rater"].unique()) == ["Ann", "Bob"]


def test_a_file_that_comes_again_changed_is_what_it_says_now(two, tmp_path_factory):
    other = grid(tmp_path_factory.mktemp("other"), 1)
    theirs, out = Labels(other), tmp_path_factory.mktemp("out") / "labels.csv"
    for letters in ("yyy", "nyy", "yyy"):
        theirs.say("Ann", {}, default=letters)
        command("label", other, "--export", out)
        assert command("label", two, "--import", out).code == 0
        views_ = Labels(two).votes.query("criterion == 'view'")["value"]
        assert set(views_) == {"yes" if letters[0] == "y" else "no"}


def test_a_rater_may_be_left_out_and_the_tables_say_so(two):
    made = Labels(two)
    made.say("Ann", {}, default="yyy")
    made.say("Bob", {}, default="nnn")
    made.say("Cyn", {}, default="nnn")
    done = command("label", two, "--tally", "--without", "bob", "--without", "Cyn")
    assert done.code == 0, done.err
    assert "Left out of all tables: bob, Cyn." in done.out
    kept = without(made.votes, ["bob", "Cyn"])
    assert success(seeds(kept, made.study), made.labels()[1]).success.share == 1
    assert "there are Ann, Bob, Cyn" in command("label", two, "--tally", "--without", "Eve").err
    assert command("label", two, "--without", "Bob", "--no-browser").code == 2


def test_methods_stand_in_the_order_of_all_tables(tmp_path):
    for method in ("esd", "perp_neg", "sds"):
        asset(tmp_path, "a cat", method, label={"perp_neg": "Perp-Neg"}.get(method, ""))
    made = Labels(tmp_path)
    made.database.add(made.database.rater("Ann"), "single", said(next(iter(made.study.items))))
    out = command("label", tmp_path, "--tally").out
    assert out.index("SDS") < out.index("Perp-Neg") < out.index("ESD")


@pytest.mark.parametrize(
    ("change", "said_"),
    [
        (("esd-voxels", "no-such"), "is not in"),
        ((",yes,", ",maybe,"), "no answer 'maybe'"),
        (("single", "pairs"), "here single"),
        ((",rater,test", ",king,test"), "no role"),
        (("mode,", "moode,"), "the first line is not"),
        (("study,mode,rater", "rater,mode,study"), "the first line is not"),
        (("Ann", ""), "line 2: a name has"),
        (("Ann", "A\u202enn"), "line 2: a name has"),
        (("Ann", "A" * 61), "line 2: a name has"),
        (("+00:00", ""), "time zone"),
        (("1970-01-01", "1970-99-99"), "line 2"),
    ],
)
def test_a_file_that_cannot_be_right_changes_nothing(two, tmp_path_factory, change, said_):
    made = Labels(two)
    made.say("Ann", {}, default="yyy")
    out = tmp_path_factory.mktemp("out") / "wrong.csv"
    command("label", two, "--export", out)
    out.write_text(out.read_text().replace(*change))
    done = command("label", two, "--import", out)
    assert done.code == 2
    assert said_ in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert len(made.database.raters()) == 1


def test_tables_show_the_success_that_raters_saw(two):
    made = Labels(two)
    made.say("Ann", {(0, "SDS", 1): "yyy", (1, "SDS", 0): "uyy"}, default="yny")
    made.say("Bob", {(0, "SDS", 1): "yyy", (0, "ESD", 2): "yyy"}, default="yny")
    before = command("report", two, "--table", "1")
    assert command("label", two, "--write").code == 0
    runs = {p.parent.parent.name[:3]: p for p in sorted(two.rglob("labels/human.json"))}
    assert json.loads(runs["sds"].read_text())["raters"] == 2
    assert "Ann" not in "".join(p.read_text() for p in two.rglob("labels/human.json"))
    table = command("report", two, "--table", "1", "--format", "csv")
    assert table.code == 0, before.err + table.err
    from io import StringIO

    frame = pd.read_csv(StringIO(table.out))
    rates = frame[frame["column"] == "SR"].set_index("method")["value"]
    decided = seeds(made.votes, made.study)
    for label in made.labels():
        assert rates[label] == pytest.approx(100 * success(decided, label).success.share)


def test_what_nobody_judged_any_more_is_taken_out_of_the_runs(two):
    made = Labels(two)
    made.say("Ann", {(0, "ESD", 0): "yyy"})
    made.say("Bob", {(0, "ESD", 0): "nnn", (0, "ESD", 1): "yyy"})
    command("label", two, "--write")
    assert len(list(two.rglob("success_rate.json"))) == len(list(two.rglob("human.json"))) == 2
    assert command("label", two, "--write", "--without", "Bob").code == 0
    (left,) = two.rglob("human.json")
    assert json.loads(left.read_text())["passed"] is True
    assert [x.parents[1] for x in two.rglob("success_rate.json")] == [left.parents[1]]
    refused = command("label", two, "--write", "--missing", "fail")
    assert refused.code == 2
    assert "--missing fail is for --tally" in refused.err


def test_the_command_says_everything_without_a_server(two, tmp_path):
    made = Labels(two)
    made.say("Ann", {}, default="yyy")
    made.say("Bob", {(0, "ESD", 0): "nyy"}, default="yyy")
    run = next(x for x in made.study.arms.itertuples() if x.item)
    gold = tmp_path / "gold.csv"
    gold.write_text(f"run,view,count,look\n{run.name},yes,no,\n")
    done = command("label", two, "--tally", "--gold", gold)
    assert done.code == 0, done.err
    for word in (
        "majority of raters",
        "all raters",
        "any rater",
        "exact McNemar",
        "Agreement",
        "Ann",
    ):
        assert word in done.out
    assert agreement.against_gold(made.votes, {run.item: {"view": "yes", "count": "no"}})[
        "Ann"
    ] == (0.5, 2)
    gold.write_text("run,view\nnowhere,yes\n")
    assert "line 2" in command("label", two, "--tally", "--gold", gold).err
    assert command("label", two, "--tally", "--format", "csv").out.startswith("table,")
    assert command("label", tmp_path / "none", "--tally").code == 2
    assert command("label", "--power", "0.2").code == 2


# ---- power


def test_the_power_of_mcnemar_is_what_a_simulation_finds():
    only = power.discordant(0.3, 0.5, 0.2)
    rng = np.random.default_rng(0)
    draws = rng.multinomial(60, [*only, 1 - sum(only)], 4000)
    table = {(a, b): stats.mcnemar(int(a), int(b)) < 0.05 for a, b in {(x[0], x[1]) for x in draws}}
    hits = np.mean([table[(x[0], x[1])] for x in draws])
    assert power.power(60, *only) == pytest.approx(hits, abs=4 * np.sqrt(hits * (1 - hits) / 4000))


def test_without_a_difference_the_power_stays_below_the_level():
    assert max(power.power(n, 0.2, 0.2) for n in range(1, 200, 7)) <= power.LEVEL


@given(st.sampled_from([(0.1, 0.4), (0.2, 0.5), (0.15, 0.55)]), st.sampled_from([0.8, 0.9]))
def test_the_number_of_prompts_is_enough_and_one_less_is_not(rates, wanted):
    only = power.discordant(*rates)
    n = power.prompts_needed(*only, wanted)
    assert min(power.power(n + k, *only) for k in range(12)) >= wanted
    assert power.power(n - 1, *only) < wanted


def test_a_number_just_below_the_most_is_found():
    only = (0.0815, 0.1)
    n = power.prompts_needed(*only)
    assert 4096 < n <= power.MOST
    assert power.prompts_needed(0.095, 0.1) is None


def test_rates_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        power.discordant(0, 0.5)
    with pytest.raises(ValueError, match="correlation"):
        power.discordant(0.05, 0.9, 0.9)
    assert power.seen(0.2, 1.0, 1) == pytest.approx(0.2)
    assert power.seen(0.2, 0.5, 3) == pytest.approx(0.5)
    assert power.majority(0.8, 3) == pytest.approx(0.8**3 + 3 * 0.8**2 * 0.2)
