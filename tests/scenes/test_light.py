import math

import pytest
import torch

from esd_bench.cameras import ring
from esd_bench.draws import Draws
from esd_bench.scenes import Render
from esd_bench.scenes._light import lit
from esd_bench.scenes.hashgrid import hashgrid

VIEWS = 400


def wall():
    """Views of a red wall through the origin that faces every camera."""
    cameras = ring(0, VIEWS, size=1)
    toward = torch.nn.functional.normalize(cameras.position, dim=-1)[:, :, None, None]
    shape = VIEWS, 1, 1, 1
    rgb = torch.tensor([1.0, 0, 0])[None, :, None, None].expand(VIEWS, 3, 1, 1)
    depth = cameras.distance.reshape(shape)
    return Render(rgb, torch.ones(shape), depth, normals=toward), cameras


def kinds(progress):
    render, cameras = wall()
    draws = Draws(torch.tensor([0]), torch.tensor(0))
    colour = lit(render, cameras, torch.tensor(progress), draws).rgb[:, :, 0, 0]
    plain = (colour == render.rgb[:, :, 0, 0]).all(1)
    white = (colour[:, 0] == colour[:, 2]) & ~plain
    return colour, plain, white


def test_views_are_plain_at_first_then_a_quarter_and_half_of_the_rest_white():
    assert kinds(0.1)[1].all()
    _, plain, white = kinds(0.5)
    assert plain.float().mean().item() == pytest.approx(0.25, abs=0.06)
    assert white.float().mean().item() == pytest.approx(0.375, abs=0.07)


def test_light_falls_with_the_cosine_and_keeps_its_ambient_part():
    colour, plain, _ = kinds(0.5)
    shade = colour[~plain, 0]
    assert shade.min() >= 0.1
    assert shade.max() <= 1.0 + 1e-6
    # The lamp's direction is that of N(camera, 1): its mean cosine is well above that of a random one.
    assert shade.mean() > 0.1 + 0.9 * math.cos(math.radians(45))


def test_a_lit_scene_needs_normals_and_is_plain_in_evaluation():
    with pytest.raises(ValueError, match="normals=true"):
        hashgrid(torch.tensor([0]), shading="lit")
    small = {"levels": 3, "log2_rows": 10, "samples": 8, "evaluation_samples": 8, "finest": 32}
    lamp, plain = (
        hashgrid(torch.tensor([0]), normals=True, shading=x, **small) for x in ("lit", "none")
    )
    cameras = ring(15, 4, size=6)
    assert torch.equal(lamp.render(cameras).rgb, plain.render(cameras).rgb)
    draws = Draws(torch.tensor([0]), torch.tensor(1))
    pictures = [x.render(cameras, torch.tensor(0.9), draws).rgb for x in (lamp, plain)]
    assert not torch.equal(*pictures)
    pictures[0].sum().backward()
    assert torch.isfinite(lamp.table.grad).all()
