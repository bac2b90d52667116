"""The volume renderer against a double loop, a closed form and the camera conventions."""

import math

import pytest
import torch

from esd_bench.cameras import orbit
from esd_bench.draws import Draws
from esd_bench.renderers.volume import volume

STEP = torch.tensor(3)


def cameras(n, size=6, distance=2.9):
    angle = torch.linspace(-2, 2.5, n, dtype=torch.float64)
    return orbit(angle, angle / 4, distance, 0.7, size)


def waves(points):
    """A smooth field without symmetry; the density of each member differs."""
    x, y, z = points.unbind(-1)
    member = torch.arange(len(points)).to(points)[:, None]
    density = 2 + torch.sin(3 * x + y + member) + torch.cos(4 * z - y)
    return density, torch.sigmoid(torch.stack([3 * x + y, 3 * y - z, 3 * z + member], -1))


def slow(field, cams, members, count, offset):
    """The same picture as a sum over the samples of one ray at a time."""
    origins, directions = cams.rays()
    per_member = len(cams) // members
    pixels = []
    for i in range(len(cams)):
        for k in range(cams.height * cams.width):
            o, d = origins[i, k], directions[i, k]
            b, c = float(o @ d), float(o @ o) - 1
            half = math.sqrt(max(b * b - c, 0))
            near, far = max(-b - half, 0), max(-b + half, 0)
            step = (far - near) / count
            light, value = 1.0, torch.zeros(5, dtype=o.dtype)
            u = float(offset[i // per_member, (i % per_member) * cams.height * cams.width + k])
            for j in range(count):
                t = near + (j + u) * step
                point = (o + t * d).expand(members, 1, 3)
                density, rgb = (x[i // per_member, 0] for x in field(point))
                alpha = 1 - math.exp(-float(density) * step)
                value += light * alpha * torch.tensor([*rgb.tolist(), 1, t], dtype=o.dtype)
                light *= 1 - alpha
            pixels.append(value)
    return torch.stack(pixels).reshape(len(cams), cams.height, cams.width, 5).permute(0, 3, 1, 2)


@pytest.mark.parametrize("jitter", [False, True])
@pytest.mark.parametrize("distance", [2.9, 0.8])
def test_equals_a_loop_over_rays_and_samples(jitter, distance):
    cams = cameras(4, size=4, distance=distance)
    draws = Draws(torch.tensor([5, 6]), STEP) if jitter else None
    offset = draws.uniform("ray jitter", 32) if draws else torch.full((2, 32), 0.5)
    render = volume(samples=7, evaluation_samples=7)(waves, cams, 2, draws)
    both = torch.cat([render.rgb, render.opacity, render.depth], 1)
    torch.testing.assert_close(both, slow(waves, cams, 2, 7, offset), rtol=1e-10, atol=1e-10)


def test_constant_density_has_the_opacity_of_the_chord():
    cams = cameras(3, size=16)
    render = volume(evaluation_samples=5, radius=0.9)(
        lambda x: (torch.full_like(x[..., 0], 1.7), torch.ones_like(x)), cams, 3, None
    )
    origin, direction = cams.rays()
    miss = origin.square().sum(-1) - (origin * direction).sum(-1) ** 2
    chord = 2 * (0.81 - miss).clamp_min(0).sqrt()
    expected = (1 - torch.exp(-1.7 * chord)).reshape(3, 1, 16, 16)
    assert (expected == 0).any()
    torch.testing.assert_close(render.opacity, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(render.rgb, expected.expand(-1, 3, -1, -1), rtol=1e-10, atol=1e-10)


def test_pieces_make_the_same_picture():
    cams, draws = cameras(4), Draws(torch.tensor([1, 2]), STEP)
    whole = volume()(waves, cams, 2, draws)
    with torch.no_grad():
        pieces = volume(chunk=2 * 48 * 17)(waves, cams, 2, draws)
    again = volume(chunk=2 * 48 * 17, recompute=True)(waves, cams, 2, draws)
    for name in ("rgb", "opacity", "depth"):
        assert torch.equal(getattr(whole, name), getattr(pieces, name))
        assert torch.equal(getattr(whole, name), getattr(again, name))


def test_recomputed_gradients_are_the_same():
    cams, scale = cameras(2), torch.tensor(1.5, dtype=torch.float64, requires_grad=True)

    def field(x):
        density, rgb = waves(x)
        return density * scale, rgb * scale

    gradients = []
    for recompute in (False, True):
        render = volume(chunk=500, recompute=recompute)(field, cams, 1, None)
        gradients.append(torch.autograd.grad((render.rgb**2).sum() + render.depth.sum(), scale)[0])
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


def test_normals_and_orientation_of_a_ball():
    """Outward normals face the camera where the ball is hit first; inward ones are punished."""
    cams = cameras(3, size=8)

    def ball(sign):
        def field(x):
            radius = x.norm(dim=-1, keepdim=True)
            return 50.0 * (radius[..., 0] < 0.6), torch.ones_like(x), sign * x / radius

        return field

    outward, inward = (volume()(ball(s), cams, 1, None) for s in (1, -1))
    assert outward.normals is not None
    centre = outward.normals[:, :, 3:5, 3:5].mean((2, 3))
    assert (centre * torch.nn.functional.normalize(cams.position, dim=1)).sum(1).min() > 0.9
    assert outward.orientation.max() < 0.05 * inward.orientation.min()


def test_gradients_by_finite_differences():
    cams = cameras(1, size=2)

    def picture(a, b):
        render = volume(evaluation_samples=3)(
            lambda x: ((x @ a).exp(), torch.sigmoid(x * b)), cams, 1, None
        )
        return render.rgb, render.opacity, render.depth

    a, b = (
        torch.tensor(v, dtype=torch.float64, requires_grad=True)
        for v in ([0.3, -0.5, 0.2], [1.0, 0.5, -1.0])
    )
    assert torch.autograd.gradcheck(picture, (a, b))


def test_a_radius_beyond_the_fields_is_refused():
    with pytest.raises(ValueError, match="radius"):
        volume(radius=1.5)
