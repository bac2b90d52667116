"""The table of README.md out of the stored results: ``python benchmarks/table.py`` writes it between its marks."""

import json
from pathlib import Path

HERE = Path(__file__).parent
BEGIN, END = "<!-- table: python benchmarks/table.py -->", "<!-- end -->"


def result(name: str) -> dict:
    return json.loads((HERE / "results" / f"{name}.json").read_text())


def rows() -> list[tuple[str, str, str]]:
    frechet, fused = result("frechet"), result("fused_forward")
    n, d = frechet["n"], frechet["d"]
    told = [("`frechet.py`", f"scipy's `sqrtm`, n = {n}, d = {d}", frechet["times faster"])]
    for name, options in (("scoring", ""), ("scoring_imagenet", " --network imagenet")):
        found = result(name)
        against = f"torchmetrics metric by metric, same networks, {found['views']} views"
        told.append((f"`scoring.py{options}`", against, found["times faster"]))
    for part, what in (("rows", "the rows of an ESD step"), ("step", "with the student's fit")):
        for peer, ratio in fused[part]["times faster than"].items():
            told.append(("`fused_forward.py`", f"{peer}, {what}, {fused['size']} size", ratio))
    return [
        (command, peer, f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.3g}")
        for command, peer, ratio in told
    ]


def table() -> str:
    head = ["| command | against | times faster, median |", "|---|---|---|"]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows())])


def filled(text: str) -> str:
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    page = HERE / "README.md"
    page.write_text(filled(page.read_text()))
