"""The hash encoding of :mod:`esd_bench.scenes._hash` looked up by tiny-cuda-nn, which the user installs; packs of one."""

import math
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from esd_bench.scenes._hash import Level


def encode(
    table: Float[Tensor, "1 rows f"], points: Float[Tensor, "1 n 3"], levels: tuple[Level, ...]
) -> Float[Tensor, "1 codes n"]:
    """Interpolated features of all levels at points in [-1, 1]^3; differentiable in the table."""
    encoding = _encoding(levels, table.shape[2])
    encoding.params = table[0].flatten()
    return encoding((points[0].detach() + 1) / 2).T[None]


@cache
def _encoding(levels: tuple[Level, ...], features: int) -> Any:
    """An encoding without parameters of its own: ours have the same layout."""
    import tinycudann

    base = levels[0].scale + 1
    growth = ((levels[-1].scale + 1) / base) ** (1 / max(len(levels) - 1, 1))
    config = {
        "otype": "HashGrid",
        "n_levels": len(levels),
        "n_features_per_level": features,
        "log2_hashmap_size": math.ceil(math.log2(max(x.rows for x in levels))),
        "base_resolution": round(base),
        "per_level_scale": growth,
    }
    encoding = tinycudann.Encoding(3, config, dtype=torch.float32)
    del encoding.params
    return encoding
