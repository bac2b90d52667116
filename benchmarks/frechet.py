"""The Frechet distance of two sets of features against the usual path through scipy's matrix square root.

python benchmarks/frechet.py [--n 120] [--d 2048] [--rounds 3] [--out FILE]
"""

import numpy as np
import scipy.linalg
import torch
from race import medians, parser, publish, race, ratio

from esd_bench.metrics.fid import frechet_distance


def by_square_root(x: np.ndarray, y: np.ndarray) -> float:
    """As pytorch-fid and its descendants compute it."""
    gap = x.mean(0) - y.mean(0)
    one, other = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(one @ other)
    return float(gap @ gap + np.trace(one) + np.trace(other) - 2 * np.trace(root).real)


def features(n: int, d: int, seed: int) -> np.ndarray:
    """Non-negative features with a falling spectrum, as a network's last pooling gives them."""
    random = np.random.default_rng(seed)
    mixing = random.standard_normal((64, d)) * (np.arange(1, 65)[:, None] ** -0.7)
    return np.maximum(random.standard_normal((n, 64)) @ mixing + 0.2 + 0.05 * seed, 0)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--n", type=int, default=120)
    options.add_argument("--d", type=int, default=2048)
    options.set_defaults(rounds=3)
    a = options.parse_args()
    torch.set_num_threads(a.threads)
    x, y = features(a.n, a.d, 0), features(a.n, a.d, 1)
    values = {"ours": frechet_distance(x, y), "scipy": by_square_root(x, y)}
    ways = {"ours": lambda: frechet_distance(x, y), "scipy": lambda: by_square_root(x, y)}
    seconds = race(ways, a.rounds, warmup=0)
    result = {
        "n": a.n,
        "d": a.d,
        "times faster": round(ratio(seconds, "scipy", "ours"), 1),
        "relative difference": abs(values["ours"] / values["scipy"] - 1),
        "values": values,
        "seconds": medians(seconds),
    }
    publish("frechet", result, a.out)


if __name__ == "__main__":
    main()
