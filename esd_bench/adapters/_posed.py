"""What given cameras may be called."""

import hashlib

import torch

from esd_bench.cameras import Cameras, sphere

NEAR = 0.05
"""Degrees by which a camera may stand beside its place in a named view set."""


def name_of(cameras: Cameras) -> str:
    """The honest name of a view set: of a ring or a sphere where the cameras form one, else ``given:<digest>:<n>``.

    The digest is of the directions, so that pictures from the same cameras can be compared.
    """
    n = len(cameras)
    tilt = torch.rad2deg(cameras.elevation)
    middle = round(float(tilt.mean()), 1)
    for name, wanted in ((f"ring:{middle:g}:{n}", None), (f"sphere:{n}", sphere(n))):
        same = _is_ring(cameras, middle) if wanted is None else _close(cameras, wanted)
        if same:
            return name
    degrees = torch.rad2deg(torch.stack([cameras.azimuth, cameras.elevation])).round(decimals=1)
    digest = hashlib.sha256((degrees + 0.0).numpy().tobytes()).hexdigest()[:8]
    return f"given:{digest}:{n}"


def _is_ring(cameras: Cameras, tilt: float) -> bool:
    """Whether they go round at one elevation with equal steps, wherever they begin and in whichever order."""
    n = len(cameras)
    turn = torch.rad2deg(cameras.azimuth.double()).sort().values
    steps = torch.cat([turn, turn[:1] + 360]).diff()
    level = (torch.rad2deg(cameras.elevation) - tilt).abs().max() <= NEAR
    return n > 2 and abs(tilt) < 85 and bool(level and (steps - 360 / n).abs().max() <= NEAR)


def _close(one: Cameras, other: Cameras) -> bool:
    a, b = (
        x.position.double() / x.position.double().norm(dim=1, keepdim=True) for x in (one, other)
    )
    return bool(torch.rad2deg((a - b).norm(dim=1)).max() <= NEAR)


def same_direction(cameras: Cameras, i: int, j: int) -> bool:
    """Whether two cameras see the object from the same side."""
    return _close(cameras[i], cameras[j])


def unknown(n: int, height: int, width: int) -> Cameras:
    """Cameras of which nothing is known: not a number, so that nobody mistakes them for some."""
    nan = torch.full((n, 4, 4), torch.nan)
    return Cameras(nan, torch.full((n,), torch.nan), height, width)
