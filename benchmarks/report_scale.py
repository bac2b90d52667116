"""How long reports take: seconds of one core in fresh processes on made-up scores, from folders of runs and from one CSV.

python benchmarks/report_scale.py [--scores 10000] [--rounds 3] [--out FILE]

The goal is below a second for small data and five seconds for 10,000 stored scores. Numbers are random: only their count matters.
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from race import parser, publish

METHODS = ("sds", "vsd", "debiased_sds", "perp_neg", "esd")
FILES = {
    "clip_distance": ("clip_distance",),
    "fid": ("fid", "fid_floor"),
    "kid": ("kid",),
    "inception": ("iq", "iv", "ig", "mi", "iv_jackknife"),
    "janus": ("janus_rate", "consistency", "front_share", "faces", "success"),
}
EACH = sum(map(len, FILES.values()))
SEEDS = 2
COMMANDS = {
    "overview": ("report", "--table", "1"),
    "spread": ("report", "--table", "2"),
    "spread, hierarchical": ("report", "--table", "2", "--interval", "hierarchical"),
    "spread, p-values": ("report", "--table", "2", "--p-values", "vsd"),
    "per prompt": ("report", "--table", "3"),
    "collapse": ("report", "--table", "collapse"),
    "paired": ("report", "--table", "paired"),
    "ranks": ("report", "--table", "ranks"),
    "compare": ("compare", "esd", "vsd"),
}
KEY = {"networks": {}, "background": "white", "protocol": "sphere:120", "n": 120, "reference": None}


def write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def make(root: Path, scores: int) -> int:
    """Folders of runs with at least so many scores; how many there are."""
    rng, prompts = np.random.default_rng(0), -(-scores // (EACH * SEEDS * len(METHODS)))
    for p in range(prompts):
        for method in METHODS:
            for seed in range(SEEDS):
                one(root / "scale" / f"prompt-{p}" / f"{method}-s{seed}", p, method, seed, rng)
    return prompts * len(METHODS) * SEEDS * EACH


def one(folder: Path, prompt: int, method: str, seed: int, rng: np.random.Generator) -> None:
    stage = {"method": {"name": method, "options": []}}
    spec = {
        "suite": "scale",
        "prompt": {"id": f"prompt-{prompt}", "text": f"prompt {prompt}"},
        "prior": {"name": "stable_diffusion", "options": []},
        "stages": [stage],
        "seed": seed,
    }
    write(folder / "spec.json", spec)
    write(folder / "record.json", {"status": "finished", "label": method.upper()})
    for name, held in FILES.items():
        made = [
            {
                "name": score,
                "value": float(rng.random() < 0.5) if score == "success" else float(rng.random()),
                "better": "higher",
                "n": 120,
                "per_view": [float(x) for x in rng.random(120)],
            }
            for score in held
        ]
        file = {"scores": made, "network": "none", "comparability": KEY, "provenance": {}}
        write(folder / "scores" / f"{name}.json", file)


def seconds(source: Path, words: tuple[str, ...]) -> float:
    """Processor time of a fresh process: what else the machine does is not counted."""
    command = [sys.executable, "-m", "esd_bench.cli", words[0], str(source), *words[1:]]
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime


def main() -> None:
    given = parser(__doc__)
    given.add_argument("--scores", type=int, default=10_000)
    options = given.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in sorted({100, options.scores}):
            root = Path(folder) / f"runs-{size}"
            stored, count = Path(folder) / f"scores-{size}.csv", make(root, size)
            seconds(root, ("report", "--scores", str(stored)))
            for source in (root, stored):
                for name, words in COMMANDS.items():
                    taken = median(seconds(source, words) for _ in range(options.rounds))
                    kind = "CSV" if source == stored else "folders"
                    rows.append(
                        {
                            "scores": count,
                            "from": kind,
                            "what": name,
                            "seconds of one core": round(taken, 2),
                        }
                    )
                    print(f"{count:>7} scores from {kind:<8} {name:<22} {taken:6.2f} s")
    publish("report_scale", {"rounds": options.rounds, "rows": rows}, options.out)


if __name__ == "__main__":
    main()
