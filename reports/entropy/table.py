"""Tables and figure of the study out of its stored numbers.

python reports/entropy/table.py sides|arms|along|sizes|energy|cheaper|missing|figure
"""

import json
import math
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from esd_bench.stats import bootstrap_interval, paired

HERE = Path(__file__).parent
NOISE = HERE.parents[1] / "esd_bench/embedded/weights/embedded/scheduler/scheduler_config.json"
FRONT = 3
"""Bins of 15 degrees on each side of the front that count as front."""
SHOWN = {
    "janus_rate": "Janus rate",
    "consistency": "R",
    "front_share": "Front share",
    "kind": "kind",
    "iv": "IV",
    "ig": "IG",
}
PRIORS = {
    "biased": "embedded-biased",
    "mild": "embedded",
    "even": "trained on all sides alike",
}
LAMBDAS = (0.5, 1, 4, 16)
STEPS = (60, 120, 240, 480, 1200)
KNOWN = 0.01
"""Where the exact term is smaller, in the noise's root mean square, a share of it says nothing."""
DRAWN = (
    *("biased-exact-lambda0-cfg7.5", "biased-exact-lambda64-cfg7.5"),
    *("biased-lora-lambda0-cfg7.5", "biased-lora-lambda16-cfg7.5"),
    *("even-exact-lambda0-cfg7.5", "even-exact-lambda64-cfg7.5"),
    *("even-lora-lambda0-cfg7.5", "even-lora-lambda16-cfg7.5"),
)
"""Arms whose course is in the figure."""
ALONG = (
    *(*DRAWN, "biased-exact-lambda4-cfg7.5"),
    *("biased-exact-lambda0-cfg7.5-high", "biased-exact-lambda4-cfg7.5-high"),
)
"""Arms whose course is in the table."""
SCORED, FILMED = 36, 12
"""Views of the ring that was scored, and of the films whose arms have no JSON that says otherwise."""


def sides() -> pd.DataFrame:
    """(prior, guidance) -> the shares of 24 bins of azimuth among a prior's samples, bin 0 the front."""
    counts = pd.read_csv(HERE / "sides.csv", index_col=["prior", "guidance"])
    return counts.div(counts.sum(axis=1), axis=0)


def front(shares: np.ndarray) -> float:
    """Share of the bins that count as front: :func:`esd_bench.metrics.janus.front_probability`, without its torch.

    A test holds that both agree.
    """
    return float(shares[: FRONT + 1].sum() + shares[-FRONT:].sum())


def tempered(shares: np.ndarray, entropy: float) -> float:
    """Front share of the bins to the power of 1 / lambda: a heuristic, no bound.

    Over pictures, -E log p - lambda H is least at p^(1 / lambda). Over bins that holds if q may only choose among the prior's
    own samples and all sides are equally varied. Bins without a sample count as half of one.
    """
    if entropy == 0:
        return 1.0
    powers = np.maximum(shares, 0.5 / 1152) ** (1 / entropy)
    return front(powers / powers.sum())


def chance(views: int) -> float:
    """R of an object whose every view shows a random pose: the mean length of so many unit vectors' mean, nearly."""
    return math.sqrt(math.pi / views) / 2


def named(stem: str) -> dict[str, str | float]:
    """What an arm's name says."""
    prior, student, entropy, scale, *note = stem.split("-")
    return {
        "arm": stem,
        "prior": prior,
        "student": student,
        "entropy": float(entropy.removeprefix("lambda")),
        "guidance": float(scale.removeprefix("cfg")),
        "note": " ".join(note),
    }


def arms() -> pd.DataFrame:
    """A row for each run: what its arm's name says, and its scores; a failed run has none but that it is no success."""
    frames = []
    for path in sorted((HERE / "scores").glob("*.csv")):
        rows = pd.read_csv(path)
        status = rows.drop_duplicates("prompt").set_index("prompt")["status"]
        finished = rows[rows["status"] == "finished"]
        wide = finished.pivot_table("value", "prompt", "score").reindex(status.index)
        wide["success"] = wide["success"].fillna(0.0)
        failed = (status != "finished").astype(int)
        frames.append(wide.assign(failed=failed, **named(path.stem)).reset_index())
    return pd.concat(frames)


def ordered(found: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, pd.DataFrame | None]]:
    """The runs of each arm, and those of the same setting with lambda 0, if they were made.

    At lambda 0 the mixtures are not asked, whatever their kernel: the exact student's runs are the kernel's as well.
    """
    by = ["prior", "student", "guidance", "note"]
    for (prior, student, scale, note), group in found.groupby(by, sort=True):
        same = found[
            (found["prior"] == prior) & (found["guidance"] == scale) & (found["note"] == note)
        ]
        whose = "exact" if student == "kernel" else student
        none = same[(same["student"] == whose) & (same["entropy"] == 0)]
        for entropy, runs in group.groupby("entropy"):
            yield runs, None if entropy == 0 or none.empty else none


def gap(runs: pd.DataFrame, none: pd.DataFrame, score: str) -> tuple[float, float, float]:
    """Mean difference of a score by prompt, and its 95 % bootstrap interval."""
    first, second = (x.set_index("prompt")[score].dropna() for x in (runs, none))
    found = paired(first, second)
    return (found.difference, *(found.interval or (math.nan, math.nan)))


def along(stem: str) -> pd.DataFrame:
    """An arm's film and log by step, with ``force``, the entropy term (at its own lambda) beside the residual."""
    rows = pd.read_csv(HERE / "along" / f"{stem}.csv", index_col="step")
    return rows.assign(force=rows["share"] * named(stem)["entropy"])


def filmed(stem: str) -> int:
    """Views of an arm's film."""
    path = HERE / "scores" / f"{stem}.json"
    return int(json.loads(path.read_text())["film"].rsplit(":")[-1]) if path.exists() else FILMED


def sizes() -> pd.DataFrame:
    """(side of the latents, t) -> confusable views and term / noise of each object."""
    return pd.read_csv(HERE / "sizes.csv", index_col=["side", "t"])[["confusable", "term"]]


def levels() -> pd.Series:
    """t -> what a nat weighs in a run: w(t) = sigma^2 times sigma / alpha, by which residuals are nats' gradients."""
    known = json.loads(NOISE.read_text())
    assert known["beta_schedule"] == "scaled_linear"
    ends = (known[x] ** 0.5 for x in ("beta_start", "beta_end"))
    abar = np.cumprod(1 - np.linspace(*ends, known["num_train_timesteps"]) ** 2)
    return pd.Series((1 - abar) ** 1.5 / abar**0.5)


def energy(path: str = "fade") -> dict[str, pd.DataFrame]:
    """Nats for a view, (t, kind), from two fronts to the right object, by :mod:`energy`.

    ``right`` and ``unlike`` are what entropy pays at lambda 1 for one front, and for two unlike ones. ``biased`` ... are
    what a prior charges, (guidance, text) first; ``bias``, what ``biased`` charges more than ``even``; ``returned``, what
    view words spare on ``biased``.
    """
    seen = pd.read_csv(HERE / "energy/gain.csv", dtype={"object": str})
    nats = np.log(seen.set_index(["object", "t", "kind"])["confusable"])
    found = {x: (nats["0"] - nats[y]).unstack() for x, y in (("right", "1"), ("unlike", "unlike"))}
    charged = {}
    for file in sorted((HERE / "energy").glob(f"cost-{path}-*.csv")):
        rows = pd.read_csv(file)
        work = rows.groupby(["prior", "t", "kind"])[["null", "text", "words"]].sum()
        for scale, text in product((1.0, 7.5), ("text", "words")):
            guided = work["null"] + scale * (work[text] - work["null"])
            charged |= {(x, scale, text): guided[x].unstack() for x in {*rows["prior"]}}
    found |= {" ".join(map(str, key)): value for key, value in charged.items()}
    biased, even = (charged.get((x, 7.5, "text")) for x in ("biased", "even"))
    if even is not None:
        found["bias"] = biased - even
        found["bias 1"] = charged["biased", 1.0, "text"] - charged["even", 1.0, "text"]
    return found | {"returned": biased - charged["biased", 7.5, "words"]}


def over_run(found: pd.DataFrame, until: int = 1000) -> pd.Series:
    """Mean over the levels below a t, as a run weighs them, of each kind."""
    kept = found[found.index < until]
    return kept.mul(levels().loc[kept.index], axis=0).mean()


def lines(heads: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    first, *rest = (f"| {' | '.join(row)} |" for row in (heads, *rows))
    return "\n".join((first, "|---" * len(heads) + "|", *rest))


def sides_table() -> str:
    """How often the priors show the front, and what is left of it when the bins are tempered."""
    heads = ["prior", "guidance", "front, sampled"]
    rows = []
    for (prior, scale), row in sides().iterrows():
        shares = row.to_numpy(float)
        powers = [f"{tempered(shares, x):.2f}" for x in LAMBDAS]
        rows.append([PRIORS[prior], f"{scale:g}", f"{front(shares):.2f}", *powers])
    return lines([*heads, *(f"bins tempered by 1/λ, λ = {x:g}" for x in LAMBDAS)], rows)


def arms_table() -> str:
    """Means over the prompts whose runs finished, and the paired differences from lambda 0."""
    heads = ["prior", "student", "guidance", "λ", "failed", *SHOWN.values(), "right"]
    heads += ["Janus rate − that at λ = 0", "R − that at λ = 0"]
    rows = []
    for runs, none in ordered(arms()):
        one, many = runs.iloc[0], len(runs)
        student = f"{one['student']} {one['note']}".strip()
        which = [PRIORS[one["prior"]], student, f"{one['guidance']:g}", f"{one['entropy']:g}"]
        counts = (f"{runs[x].sum():.0f}/{many}" for x in ("failed", "success"))
        means = [f"{runs[x].mean():.3f}" for x in SHOWN]
        gaps = [
            "–" if none is None else "{:.3f} [{:.3f}, {:.3f}]".format(*gap(runs, none, x))
            for x in ("janus_rate", "consistency")
        ]
        rows.append([*which, next(counts), *means, next(counts), *gaps])
    return lines(heads, rows)


def along_table() -> str:
    """What entropy is left along the run, how strong its term is, and what the oracle sees."""
    rows = []
    for key, label in (
        ("entropy", "entropy (nats)"),
        ("force", "λ · term / residual"),
        ("front_share", "front share"),
        ("consistency", "R (by chance {:.2f})"),
    ):
        for stem in ALONG:
            own, arm = along(stem), named(stem)
            if key not in own or (key == "force" and not arm["entropy"]):
                continue
            student = f"{arm['student']} {arm['note']}".strip()
            who = f"{PRIORS[arm['prior']]}, {student}, λ = {arm['entropy']:g}"
            what = label.format(chance(filmed(stem)))
            rows.append([what, who, *(f"{own.loc[x, key]:.3f}" for x in STEPS)])
    return lines(["", "arm", *(f"step {x}" for x in STEPS)], rows)


def sizes_table() -> str:
    """Confusable views and term / noise over t, for each size of the latents: the mean over objects, and the range."""
    found = sizes()
    each = [(x, side) for x in found for side in sorted({*found.index.get_level_values("side")})]
    named_ = {"confusable": "confusable views of 16", "term": "term / noise"}
    rows = []
    for t in sorted({*found.index.get_level_values("t")}):
        of = [found.loc[(side, t), x] for x, side in each]
        digits = [2 if x == "confusable" else 3 for x, _ in each]
        cells = [
            f"{v.mean():.{k}f} [{v.min():.{k}f}, {v.max():.{k}f}]"
            for v, k in zip(of, digits, strict=True)
        ]
        rows.append([f"{t}", *cells])
    return lines(["t", *(f"{named_[x]}, 4 × {side} × {side}" for x, side in each)], rows)


SEEN = {
    "biased 7.5 text": "embedded-biased",
    "biased 7.5 words": "with view words",
    "even 7.5 text": PRIORS["even"],
}
ASKED = (650, 750, 850, 950)
WEIGHED = "a run's"


def levelled(found: pd.DataFrame) -> dict[str, pd.Series]:
    """What is shown at each level, and as a run weighs the levels, of each kind."""
    return {f"{t}": row for t, row in found.iterrows()} | {WEIGHED: over_run(found)}


def learned() -> pd.DataFrame:
    """(setting, fits, t) -> sizes in the noise's root mean square, and how much of the exact term a student's term holds.

    ``share`` is <term, exact> / <exact, exact>, 1 of a student that knows it and 0 of one that knows nothing; ``least`` and
    ``most`` are of one object, all else is of all objects together.
    """
    frames = [pd.read_csv(x).assign(setting=x.stem) for x in (HERE / "learns").glob("*.csv")]
    found, by = pd.concat(frames), ["setting", "fits", "t"]
    means = found.drop(columns=["kind", "fronts"]).groupby(by).mean()
    share = (found["both"] / found["exact"]).groupby([found[x] for x in by])
    made = means.drop(columns="both").pow(0.5)
    made["share"] = means["both"] / means["exact"]
    made["cosine"] = means["both"] / (made["term"] * made["exact"])
    return made.assign(least=share.min(), most=share.max())


def learned_table() -> str:
    """What is known of the exact term after the last look, by each setting."""
    found = learned()
    settings = sorted({*found.index.get_level_values("setting")}, key=lambda x: (x != "preset", x))
    last = found.index.get_level_values("fits").max()
    heads = ["t", "exact term", "LoRA's term", "error, camera", "error, none", "cosine"]
    heads += [f"share, {x}" for x in settings]
    rows = []
    for t in sorted({*found.index.get_level_values("t")}):
        own = found.loc[("preset", last, t)]
        sizes = [own[x] for x in ("exact", "term", "camera error", "anywhere error", "cosine")]
        shares = (found.loc[(x, last, t), ["share", "least", "most"]] for x in settings)
        known = own["exact"] > KNOWN
        rows.append([f"{t}", *(f"{x:.3f}" for x in sizes)])
        rows[-1] += ["{:.3f} [{:.3f}, {:.3f}]".format(*x) if known else "–" for x in shares]
    return lines(heads, rows)


def energy_table() -> str:
    """What entropy pays and what the priors charge, at each level and as a run weighs them."""
    shown = {
        "right": "entropy pays, one front",
        "unlike": "entropy pays, two that differ",
        **{key: f"{name} charges" for key, name in SEEN.items()},
        "bias": "the bias charges",
        "bias 1": "the same at guidance 1",
    }
    found = energy()
    columns = [levelled(found[x]) for x in shown]
    rows = [[label, *(interval(x[label]) for x in columns)] for label in columns[0]]
    return lines(["t", *shown.values()], rows)


def cheaper(charge: str, entropy: float, rival: str = "two") -> dict[str, int]:
    """Of how many kinds the right object is the cheaper one, by level; the rival has two fronts, or two ``unlike`` ones."""
    found = energy()
    paid = found["right"] - (found["unlike"] if rival == "unlike" else 0)
    left = {t: row.lt(0) for t, row in levelled(found[charge] - entropy * paid).items()}
    return {t: int(row.sum()) for t, row in left.items()}


def cheaper_table() -> str:
    """How often the right object is the cheaper one, at several lambdas."""
    asked = [("biased 7.5 text", x, "two") for x in (0, 0.5, 1, 4, 16, 64)]
    asked += [("biased 7.5 text", x, "unlike") for x in (1, 4, 16, 64)]
    asked += [(x, 0, "two") for x in ("biased 7.5 words", "even 7.5 text")]
    rows = []
    for charge, entropy, rival in asked:
        found = cheaper(charge, entropy, rival)
        against = {"two": "two fronts", "unlike": "two that differ"}[rival]
        counts = (f"{found[x]}" for x in (*map(str, ASKED), WEIGHED))
        rows.append([SEEN[charge], f"{entropy:g}", against, *counts])
    heads = ["prior", "λ", "against", *(f"t = {x}" for x in ASKED), WEIGHED]
    return lines(heads, rows)


def interval(values: pd.Series) -> str:
    """A mean over objects with its 95 % bootstrap interval, in three digits."""
    low, high = bootstrap_interval(values) or (math.nan, math.nan)
    size = abs(values.mean())
    digits = 0 if size > 100 else 1 if size > 10 else 2
    return f"{values.mean():.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def missing() -> str:
    """The arms that ``make.py`` knows and that nobody has made."""
    sys.path.insert(0, str(HERE))
    import make

    names = [x.name for x in make.arms() if not (HERE / "scores" / f"{x.name}.csv").exists()]
    return ", ".join(f"`{x}`" for x in names) or "None."


def figure() -> None:
    """Front share and R over lambda; the mixture's entropy and the term's force along the run."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    made, axes = pyplot.subplots(2, 2, figsize=(11, 8), layout="constrained")
    _over_lambda(*axes[0])
    _over_steps(*axes[1])
    made.savefig(HERE / "entropy.png", dpi=100, metadata={"Software": None})
    made, axes = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")
    _books(axes[0])
    _fronts(axes[1])
    made.savefig(HERE / "energy.png", dpi=100, metadata={"Software": None})
    made, axes = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")
    _learned(*axes)
    made.savefig(HERE / "learns.png", dpi=100, metadata={"Software": None})


def _learned(left, right) -> None:
    found = learned()
    own = found.loc["preset"]
    last = own.index.get_level_values("fits").max()
    looks = {"exact": ("k-", "the exact term"), "term": ("o-", "the LoRA's term")}
    looks |= {"camera error": ("s:", "error of its answer with the camera")}
    looks |= {"anywhere error": ("^:", "error of its answer without")}
    for key, (style, label) in looks.items():
        rows = own.loc[last][key]
        left.plot(rows.index, rows, style, markersize=4, label=label)
    left.set(title=f"after {last} fits", xlabel="t", ylabel="root mean square, in the noise's")
    for t in (750, 850, 950):
        rows = own.xs(t, level="t")["share"]
        right.plot(rows.index, rows, "o-", markersize=4, label=f"rank 16 (preset), t = {t}")
    for setting in sorted({*found.index.get_level_values(0)} - {"preset"}):
        rows = found.loc[setting].xs(850, level="t")["share"]
        right.plot(rows.index, rows, "s:", markersize=4, label=f"{setting}, t = 850")
    right.axhline(0, color="k", linewidth=0.8)
    right.set(title="share of the exact term in the LoRA's; 1 is all of it", xlabel="fits")
    for axis in (left, right):
        axis.legend(fontsize=8)


BOOKS = {
    "bias": ("o-", "tab:red", "the bias charges, guidance 7.5"),
    "bias 1": ("o:", "tab:red", "the bias charges, guidance 1"),
    "returned": ("s-", "tab:green", "view words return, guidance 7.5"),
    "right": ("^-", "tab:blue", "entropy at λ = 1 pays for one front"),
    "unlike": ("v:", "tab:blue", "... for two fronts that differ"),
}


def _books(axis) -> None:
    found = energy()
    for key, (style, colour, label) in BOOKS.items():
        rows = found[key].loc[300:]
        low, high = zip(*(bootstrap_interval(x) for _, x in rows.iterrows()), strict=True)
        mean = rows.mean(axis=1)
        axis.plot(mean.index, mean, style, color=colour, markersize=4, label=label)
        axis.fill_between(mean.index, low, high, color=colour, alpha=0.15, linewidth=0)
    axis.set(yscale="log", xlabel="t", ylabel="nats for a view")
    axis.set(title="from two fronts to the right object")
    axis.legend(fontsize=8)


def _fronts(axis) -> None:
    from PIL import Image

    with Image.open(HERE / "energy/fronts.webp") as seen:
        axis.imshow(seen)
        cell = seen.height // 3
    labels = ("two fronts", "two that\ndiffer", "the right\nobject")
    axis.set_yticks([cell * (i + 0.5) for i in range(3)], labels)
    axis.set_xticks([cell * (i + 0.5) for i in range(8)], [f"{45 * i}°" for i in range(8)])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


COLOURS = {"biased": "tab:red", "even": "tab:blue"}
STYLES = {"lora": "o-", "exact": "s:"}


def _over_lambda(left, right) -> None:
    found, shares = arms(), sides()
    found = found[(found["guidance"] == 7.5) & (found["note"] == "")]
    grid = np.geomspace(0.5, 64, 60)
    for prior, colour in COLOURS.items():
        bins = [tempered(shares.loc[(prior, 7.5)].to_numpy(float), x) for x in grid]
        label = f"samples' bins tempered, {PRIORS[prior]}"
        left.plot(grid, bins, "--", color=colour, linewidth=1, label=label)
        for student, style in STYLES.items():
            group = found[(found["prior"] == prior) & (found["student"] == student)]
            for axis, score in ((left, "front_share"), (right, "consistency")):
                _curve(axis, group, score, style, colour, f"{student}, {PRIORS[prior]}")
    left.axhline(7 / 24, color="grey", linewidth=0.8, label="a right object")
    right.axhline(chance(SCORED), color="grey", linewidth=0.8, label="random poses")
    left.set(title="dashed: a reference, not a bound", ylabel="share of views seen as front")
    right.set(title="do the poses turn with the camera?", ylabel="R")
    for axis, own in ((left, ("samples", "a right")), (right, ("lora", "exact", "random"))):
        axis.set_xscale("symlog", linthresh=1, linscale=0.7, base=2)
        axis.set(xlabel="λ", ylim=(0, 1.25), xlim=(-0.2, 90))
        axis.set_xticks([0, 1, 4, 16, 64], ["0", "1", "4", "16", "64"])
        axis.minorticks_off()
        handles = zip(*axis.get_legend_handles_labels(), strict=True)
        kept = [(x, label) for x, label in handles if label.startswith(own)]
        axis.legend(*zip(*kept, strict=True), fontsize=8, loc="upper left")


def _over_steps(left, right) -> None:
    for stem in DRAWN:
        arm, rows = named(stem), along(stem)
        colour = COLOURS[arm["prior"]]
        label = f"{arm['student']}, λ = {arm['entropy']:g}, {PRIORS[arm['prior']]}"
        if "entropy" in rows:
            style = "-" if arm["entropy"] else ":"
            left.plot(rows.index, rows["entropy"], style, color=colour, label=label)
        if arm["entropy"]:
            style = STYLES[arm["student"]][1:]
            right.plot(rows.index, rows["force"], style, color=colour, label=label)
    left.set(title="entropy falls alike on both priors", ylabel="entropy of the mixture (nats)")
    right.set(title="how strong the term is", ylabel="λ · entropy term / residual")
    for axis in (left, right):
        axis.set(xlabel="step", ylim=(0, None))
        axis.legend(fontsize=8)


def _curve(axis, group: pd.DataFrame, score: str, style: str, colour: str, label: str) -> None:
    rows = [
        (x, g[score].mean(), *bootstrap_interval(g[score].dropna()))
        for x, g in group.groupby("entropy")
    ]
    at, mean, low, high = map(np.array, zip(*rows, strict=True))
    bars = (mean - low, high - mean)
    looks = {"capsize": 2, "linewidth": 1.2, "markersize": 4}
    axis.errorbar(at, mean, bars, fmt=style, color=colour, label=label, **looks)


TABLES = {
    "sides": sides_table,
    "arms": arms_table,
    "along": along_table,
    "sizes": sizes_table,
    "learned": learned_table,
    "energy": energy_table,
    "cheaper": cheaper_table,
    "missing": missing,
}

if __name__ == "__main__":
    if sys.argv[1] == "figure":
        figure()
    else:
        print(TABLES[sys.argv[1]]())
