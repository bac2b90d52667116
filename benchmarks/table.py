"""Prints the tables of README.md out of the stored results: ``python benchmarks/table.py [ratios|assets]``."""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent


def result(name: str) -> dict:
    return json.loads((HERE / "results" / f"{name}.json").read_text())


def ratios() -> str:
    """How many times faster than a peer."""
    frechet, n_d = result("frechet"), "n = {n}, d = {d}"
    told = [("frechet.py", f"scipy's `sqrtm`, {n_d.format(**frechet)}", frechet["times faster"])]
    for name, options in (("scoring", ""), ("scoring_imagenet", " --network imagenet")):
        found = result(name)
        against = f"torchmetrics metric by metric, same networks, {found['views']} views"
        told.append((f"scoring.py{options}", against, found["times faster"]))
    for name, options in (("fused_forward", ""), ("fused_forward_sd21", " --size sd21")):
        fused = result(name)
        for part, what in (("rows", "the rows of an ESD step"), ("step", "with the student's fit")):
            for peer, ratio in fused[part]["times faster than"].items():
                told.append((f"fused_forward.py{options}", f"{peer}, {what}", ratio))
    for method in ("sds", "esd"):
        pack = result(f"pack_{method}")
        for name, ratio in list(pack["times faster than the first"].items())[1:]:
            told.append((f"pack.py --method {method}", f"pack 1, eager: {name}", ratio))
    lines = [f"| `{what}` | {peer} | {_short(ratio)} |" for what, peer, ratio in told]
    return "\n".join(["| command | against | times faster, median |", "|---|---|---|", *lines])


def assets() -> str:
    """What a step and an asset cost, alone and side by side."""
    lines = ["| method, scenes side by side | machine | ms a step | seconds an asset | GiB |"]
    lines.append("|---|---|---|---|---|")
    for name in ("pack_sds_cpu", "pack_esd_cpu", "pack_sds", "pack_esd"):
        found = result(name)
        for how, value in found.items():
            if not how.startswith("pack "):
                continue
            width, mode = how.removeprefix("pack ").split(", ")
            gpu = found["machine"]["device"].startswith("NVIDIA")
            where = f"{found['machine']['device']}, {mode}" if gpu else "CPU, two cores"
            seconds = found["steps"] / value["scene-steps per second"]
            cells = (
                f"{found['method'].upper()}, {width}",
                where,
                _short(value["milliseconds per step"]),
                _short(seconds),
                _short(value["peak GiB"]) if gpu else "–",
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    print({"ratios": ratios, "assets": assets}[(sys.argv[1:] or ["ratios"])[0]]())
