"""Figures in README's prose on the held-out study are those of its stored tables; see ``test_prose``."""

import json
import math

import pandas as pd
import pytest

from reports.embedded import wide
from tests.structure.test_prose import ROOT, said, short

TABLES = ROOT / "reports/embedded/tables"
UNITS = ROOT / "reports/embedded/units"
NAMES = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight")
PAGE = "reports/embedded/README.md"
NUMBERS = ["value", "low", "high"]
WORDED, PLAIN = "view words", "no view words"
ESD = [f"ESD (λ = {x}) − ESD (λ = 0)" for x in ("0.5", "1")]
OTHERS, PLAINLY = "3. Others, view words", "4. Others, no view words"
BOUNDS = ("Debiased-SDS (0.5 to 2)", "Debiased-SDS (2 to 8)")


def signed(x: float) -> str:
    """As prose writes it: −.029; what rounds to nothing has no sign."""
    return ("−" if round(x, 3) < 0 else "") + short(x, 3)


def span(row: pd.Series) -> str:
    """A difference and its interval."""
    return f"{signed(row['value'])} [{signed(row['low'])}, {signed(row['high'])}]"


def size(row: pd.Series) -> str:
    """The same where the sentence says which way it goes."""
    ends = sorted(abs(row[["low", "high"]]))
    return f"{short(row['value'], 3)} [{short(ends[0], 3)}, {short(ends[1], 3)}]"


def table(name: str) -> pd.DataFrame:
    return pd.read_csv(TABLES / f"{name}.csv")


@pytest.fixture(scope="module")
def means() -> pd.Series:
    """By group, method and outcome."""
    return table("collapse").set_index(["arms", "method", "column"])["value"]


@pytest.fixture(scope="module")
def explored() -> pd.DataFrame:
    return table("explored-collapse").set_index(["arms", "method", "column"])


def test_what_is_made(means):
    arms = json.loads((ROOT / "reports/embedded/arms.json").read_text())["arms"]
    made = len(means.index.droplevel("column").unique())
    assert made == len(arms)
    said("README.md", f"all {made} arms are made, and none of {144 * made} runs failed.")
    assert set(table("collapse")["failed"]) == {"0/144"}


def test_entropy_and_the_janus_rate(explored):
    answers = (ROOT / "reports/embedded/verdict.md").read_text()
    assert "\nESD against the same without entropy. **No.**" in answers
    assert "\nESD against VSD, whose dropout of the camera differs, too. **No.**" in answers
    assert "\nESD against the same without entropy, both with the exact student. **No.**" in answers
    found = table("primary").set_index(["prompts_with", "difference_of", "outcome", "column"])
    rates = found.xs("Janus rate", level="outcome")
    (a, b), (c, d) = (
        [span(rates.loc[words, x, "Difference"]) for x in ESD] for words in (WORDED, PLAIN)
    )
    assert (found.xs("p adjusted", level="column")["value"] == 1).all()
    rows = [("1. Primary, view words", 0), ("1. Primary, no view words", 0)]
    rises = pd.concat(
        [explored.loc[group, f"ESD (λ = {x})", "R"] for group, _ in rows for x in ("0.5", "1")],
        axis=1,
    ).T
    assert (rises["low"] > 0).all()
    low, high = short(rises["value"].min(), 3), short(rises["value"].max(), 3)
    large = explored.loc[OTHERS, "ESD (λ = 16)", "Janus rate"]
    said(
        "README.md",
        f"with λ = 0 the differences are {a} (λ = .5) and {b} (λ = 1) with view words, {c} and {d} without",
        "By the same rule it is no against VSD (secondary) and with the exact student (exploratory).",
        f"R rises by {low} to {high} (exploratory, adjusted p of {short(rises['p_adjusted'].max(), 3)} at most). "
        f"At λ = 16 it is *higher* by {size(large)} with view words (exploratory, adjusted p = {short(large['p_adjusted'], 3)}); "
        f"without, {span(explored.loc[PLAINLY, 'ESD (λ = 16)', 'Janus rate'])}.",
    )
    assert large["low"] > 0


def test_view_words_and_the_other_methods(means, explored):
    successes = means.xs("Oracle success", level="column")
    plain = [x for x in successes.index if x[0].endswith(PLAIN)]
    assert (successes.loc[plain] == 0).all()
    perp = explored.loc[OTHERS, "Perp-Neg", "Janus rate"]
    sds = explored.loc["2. VSD and SDS, view words", "SDS", "Janus rate"]
    bounded = [explored.loc[OTHERS, x, "Janus rate"] for x in BOUNDS]
    said(
        "README.md",
        "Without view words no asset of any arm is right; with them Perp-Neg is least Janus.",
        f"Its Janus rate is lower than that of ESD (0) by {size(perp)}, that of SDS higher by {size(sds)}, "
        f"those of Debiased-SDS by {size(bounded[0])} and {size(bounded[1])} (exploratory, adjusted p of "
        f"{short(max(x['p_adjusted'] for x in (perp, sds, *bounded)), 3)} at most)",
    )
    falling = [
        explored.loc[PLAINLY, f"{x} + DreamTime", "Janus rate"] for x in ("VSD", "ESD (λ = 0.5)")
    ]
    a, b = map(size, falling)
    said(
        "README.md",
        f"Without view words VSD and ESD (.5) with DreamTime are higher by {a} and {b} "
        f"(adjusted p of {short(max(x['p_adjusted'] for x in falling), 3)} at most).",
    )
    rates = means.xs("Janus rate", level="column")
    assert rates[[x for x in rates.index if not x[0].endswith(PLAIN)]].idxmin()[1] == "Perp-Neg"
    assert perp["high"] < 0 < min(x["low"] for x in (sds, *bounded))


def whole(row: pd.Series) -> str:
    """The size of a difference in large units."""
    ends = sorted(abs(row[["low", "high"]]))
    return f"{abs(row['value']):.0f} [{ends[0]:.0f}, {ends[1]:.0f}]"


def test_what_else_the_tables_show(explored):
    found = table("explored-quality").set_index(["arms", "method", "column"])
    found = pd.concat([found, explored]).sort_index()
    falling, perp = (PLAINLY, "VSD + DreamTime"), (OTHERS, "Perp-Neg")

    def chance(*key: str) -> str:
        return short(found.loc[key, "p_adjusted"], 3)

    def of(arm: tuple[str, str], score: str) -> pd.Series:
        return found.loc[(*arm, score)]

    assert of(falling, "IQ")["high"] < 0
    most = max(of(perp, x)["p_adjusted"] for x in ("FID", "KID", "CLIP distance", "IG"))
    success = of(perp, "Oracle success")
    said(
        PAGE,
        f"a higher Janus rate, by {size(of(falling, 'Janus rate'))} (p = {chance(*falling, 'Janus rate')}), and a lower R, by "
        f"{size(abs(of(falling, 'R')[NUMBERS]))} (p = {chance(*falling, 'R')}); yet FID is lower by {whole(of(falling, 'FID'))} "
        f"(p = {chance(*falling, 'FID')}), KID by {whole(of(falling, 'KID'))} (p = {chance(*falling, 'KID')}), and IG higher by "
        f"{size(of(falling, 'IG'))} (p = {chance(*falling, 'IG')}). CLIP distance is worse, by {size(of(falling, 'CLIP distance'))}, "
        f"and IV, by {size(abs(of(falling, 'IV')[NUMBERS]))}. With view words no rise of the Janus rate is shown "
        f"({span(of((OTHERS, 'VSD + DreamTime'), 'Janus rate'))}).",
        f"FID is higher by {whole(of(perp, 'FID'))}, KID by {whole(of(perp, 'KID'))}, CLIP distance by {size(of(perp, 'CLIP distance'))}, "
        f"IG lower by {size(abs(of(perp, 'IG')[NUMBERS]))} (p of {short(most, 3)} at most); but IV is higher by {size(of(perp, 'IV'))}. "
        f"More success is not shown for it: {success['value']:.1f} points [{short(success['low'], 1)}, {success['high']:.1f}], "
        f"p = {short(success['p_adjusted'], 3)}.",
    )
    arms = [(f"1. Primary, {w}", f"ESD (λ = {x})") for x in ("0.5", "1") for w in (WORDED, PLAIN)]
    a, b, c, d = (of(x, "IG") for x in arms)
    assert all(x["low"] < 0 < x["high"] for x in (a, b, c, d))
    rises = pd.DataFrame([of(x, "IV") for x in arms])
    assert (rises["low"] > 0).all()
    more = [of((OTHERS, f"ESD (λ = {x}), exact"), "IG") for x in ("0.5", "1")]
    areas = table("metrics")
    areas = areas[areas["column"] == "AUC, no view words"].set_index("metric")
    assert (areas.loc[["FID", "KID", "IQ", "IG", "MI"], "high"] < 0.5).all()
    said(
        PAGE,
        f"at λ = .5 {span(a)} with view words and {span(b)} without, at λ = 1 {span(c)} and {span(d)}. "
        f"IV rises, by {short(rises['value'].min(), 3)} to {short(rises['value'].max(), 3)} "
        f"(p of {short(rises['p_adjusted'].max(), 3)} at most).",
        f"IG rises, by {size(more[0])} at λ = .5 and {size(more[1])} at 1.",
        f"prefers the Janus** (AUC {area(areas.loc['MI'])}), as FID, KID, IQ and IG do; "
        f"`self_similarity` does not ({area(areas.loc['self_similarity'])}).",
    )
    answers = (TABLES / "answers.md").read_text()
    orders = [x for x in answers.splitlines() if "the order of methods" in x]
    told = [[x.rpartition(" ") for x in line[:-1].split("): ")[-1].split("; ")] for line in orders]
    worded, plain = ({name: float(tau) for name, _, tau in parts} for parts in told)
    assert max(worded, key=worded.get) == "CMMD"
    published = {"FID", "KID", "CMMD", "IQ", "IV", "IG", "MI", "R-precision", "CLIP distance"}
    assert [x for x in published if worded[x] > 0 and plain[x] > 0] == ["CLIP distance"]
    said(
        PAGE,
        f"CMMD's tau with the Janus rate is {short(worded['CMMD'], 2)} with view words and −{short(-plain['CMMD'], 2)} without, "
        f"FID's {short(worded['FID'], 2)} and −{short(-plain['FID'], 2)}; of the published metrics only CLIP distance's is above 0 in both "
        f"({short(worded['CLIP distance'], 2)} and {short(plain['CLIP distance'], 2)}).",
    )


def test_the_picture(means):
    rates = means.xs("Janus rate", level="column")
    most, best = rates.idxmax(), means.xs("Oracle success", level="column").idxmax()
    assert most == (PLAINLY, "VSD + DreamTime")
    assert best[1] == "Perp-Neg"
    right = int(unit("perp_neg-s0").sort_index()["success"][:8].sum())
    said(
        "README.md",
        f"the arm with the highest Janus rate, VSD with DreamTime without view words ({short(rates[most], 3)}), and the one that succeeds most, "
        f"Perp-Neg with them ({means[(*best, 'Oracle success')]:.1f} %, Janus rate {short(rates[best], 3)}).",
        f"and by Perp-Neg, {NAMES[right]} of them right by the oracle]",
    )


@pytest.fixture(scope="module")
def areas() -> pd.DataFrame:
    found = table("metrics")
    return found[found["column"] == "AUC, Janus"].set_index("metric")


@pytest.fixture(scope="module")
def seen() -> pd.DataFrame:
    """By views and classifier: the AUC with view words, and without."""
    return table("views").set_index(["column", "metric", "views"]).sort_index()


def area(row: pd.Series) -> str:
    return f"{short(row['value'], 2)} [{short(row['low'], 2)}, {short(row['high'], 2)}]"


@pytest.fixture(scope="module")
def inside() -> pd.DataFrame:
    """By metric: the AUC of pairs of one prompt."""
    found = pd.concat([table("told"), table("misled")])
    found = found[found["column"] == "AUC, one prompt"].dropna(subset="value")
    return found.set_index(found["metric"].str.split(" ").str[0])


def test_metrics(areas, seen, inside):
    told, misled = (
        {*areas.index[areas["it"] == x]} for x in ("would have told", "would have misled")
    )
    assert told == {"MI", "self_similarity"}
    assert misled == {"FID", "FID above floor", "KID"}
    others = seen.xs("120, sphere, ImageNet", level="views").loc["AUC, Janus"]
    plain = seen.loc[("AUC, no view words", "MI", "120, sphere")]
    assert plain["high"] < 0.5
    said(
        "README.md",
        f"on {areas.loc['FID', 'assets']} assets with view words. FID and KID prefer it (AUC {area(areas.loc['FID'])} and {area(areas.loc['KID'])}); "
        f"within a prompt they are not told from chance ({area(one(inside, 'FID'))} and {area(one(inside, 'KID'))}).",
        f"The mutual information IV − IQ tells ({area(areas.loc['MI'])}; within a prompt {area(one(inside, 'MI'))}), by the oracle's own network; "
        f"with ImageNet's classes it does not ({area(others.loc['MI'])}), and without view words it prefers the Janus ({area(plain)}).",
    )
    assert others.loc["MI", "low"] < 0.5 < others.loc["MI", "high"]
    assert others.loc["IG", "high"] < 0.5, "docs/metrics_traps.md, docs/detectors.md"
    for name in ("FID", "KID"):
        assert one(inside, name)["low"] < 0.5 < one(inside, name)["high"]


def one(inside: pd.DataFrame, name: str) -> pd.Series:
    """FID's row is not that of FID above floor."""
    return inside.loc[[name]].iloc[0]


def test_the_metrics_in_the_documents(areas, seen):
    """What docs/detectors.md, reports/validation and reports/figures say without numbers."""
    within = table("within")
    within = within[within.iloc[:, 1] == "AUC, Janus"]
    assert (within.loc[within["column"] == "FID", "high"] < 0.5).all()
    alike = table("within")
    alike = alike[alike.iloc[:, 1] == "AUC, one prompt"].set_index("column")
    assert (alike.loc[["CLIP distance", "IQ", "IG", "MI"], "low"] > 0.5).all()
    assert alike.loc["FID", "low"] < 0.5 < alike.loc["FID", "high"]
    for name in ("CLIP distance", "R-precision", "CMMD", "IQ"):
        assert areas.loc[name, "low"] < 0.5 < areas.loc[name, "high"]
    plain = seen.loc["AUC, no view words"]
    assert {*plain.index[plain["low"] > 0.5].get_level_values("metric")} == {"IV"}
    shares = table("collapse")
    shares = shares[shares["arms"].str.endswith(PLAIN)]
    assert (shares.loc[shares["column"] == "Oracle success", "value"] == 0).all()


def test_the_spread_of_ig():
    """All three seeds of an arm that is whole, so that it stays as arms are added."""
    found = []
    for seed in range(3):
        path = ROOT / f"reports/embedded/units/esd-entropy0-s{seed}"
        facts = json.loads(path.with_name(f"{path.name}.json").read_text())
        rows = wide.read(path.with_name(f"{path.name}.csv.xz"), facts)
        found.append(rows[rows["pass"] == "main"])
    made = pd.concat(found).groupby("score")["value"].agg(["min", "max", "size"])
    ig, mi = (f"{short(made.loc[x, 'min'], 2)} to {made.loc[x, 'max']:.2f}" for x in ("ig", "mi"))
    said(
        "docs/metrics_traps.md",
        f"over the {made.loc['ig', 'size']} assets of ESD (λ = 0, view words) in [the study](../reports/embedded/README.md) "
        f"IG goes from {ig}, MI from {mi}.",
    )


def test_the_changes_of_the_protocol():
    found = table("vsd").set_index(["prompts_with", "difference_of", "outcome", "column"])["value"]
    p = found[WORDED, "ESD (λ = 0.5) − VSD", "Janus rate", "p"]
    said(
        "docs/protocol.md",
        f"The p of ESD (.5) against VSD with view words, .0066 before, is {short(p, 3)};",
    )


def unit(name: str, folder: str = "units") -> pd.DataFrame:
    """Prompt by score, on the views that every run stores."""
    path = ROOT / "reports/embedded" / folder
    facts = json.loads((path / f"{name}.json").read_text())
    rows = wide.read(path / f"{name}.csv.xz", facts)
    return rows[rows["pass"] == "main"].pivot_table("value", "prompt", "score")


def test_what_newer_code_does_to_results():
    """See the last changes of the protocol."""
    stored = unit("esd-entropy0-s0")
    apart = {
        name: (unit("esd-entropy0-s0", f"again/{name}") - stored).abs().max()
        for name in ("same", "kernel", "compiled")
    }
    for gaps in apart.values():
        assert (gaps[["janus_rate", "faces", "success"]] == 0).all()
    a, b, c = (up(gaps["fid"], 2) for gaps in apart.values())
    gains = up(max(gaps[["iq", "iv", "ig"]].max() for gaps in apart.values()), 3)
    said(
        "docs/protocol.md",
        f"for each of {len(stored)} prompts; FID differs by {a}, {b} and {c} at most, IQ, IV and IG by {gains}, "
        f"R by {up(max(x['consistency'] for x in apart.values()), 3)}.",
    )


def test_how_many_units_are_of_newer_code():
    told = [json.loads(path.read_text()) for path in sorted(UNITS.glob("*.json"))]
    newer = [x for x in told if "rays" in x]
    said(
        "docs/protocol.md",
        f"Units after the first {len(told) - len(newer)} were made by newer code",
        f"{sum(x['compiled'] for x in newer)} of the {len(newer)} have compiled networks, "
        f"{sum(x['rays'] == 'kernel' for x in newer)} a kernel that walks along rays",
        f"in the other {sum(x['rays'] != 'kernel' for x in newer)} the kernel was switched off by hand.",
        f"without view words, where {sum('-plain-' in x['name'] for x in newer)} units are of newer code",
    )
    again = json.loads((UNITS.parent / "again/kernel/esd-entropy0-s0.json").read_text())
    longer = json.loads((UNITS / "sds-steps2635-s0.json").read_text())
    assert not again["compiled"]
    assert not longer["compiled"]
    assert again["rays"] == longer["rays"] == "kernel"
    took = [x["seconds"]["generate"] for x in (longer, again)]
    said(
        "docs/protocol.md",
        "that of 2635 steps of SDS took {:.0f} s, that of ESD (0) {:.0f} s.".format(*took),
    )


def up(x: float, digits: int) -> str:
    """What is "at most" must not be rounded down."""
    return short(math.ceil(x * 10**digits) / 10**digits, digits)


def test_the_entropy_page_on_the_study():
    found = table("primary")
    rates = found[(found["outcome"] == "Janus rate") & (found["column"] == "Difference")]
    assert len(rates) == 4
    assert rates["low"].min() > -0.05
    assert rates["high"].max() < 0.05
    said("reports/entropy/README.md", "all intervals of the difference lie within ±.05")
