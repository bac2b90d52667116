"""Rays per second of the hash-grid scene of the preset ``paper``: forward, and forward with backward, beside nerfacc's renderer.

nerfacc renders the very same field at the very same samples (its ``rendering`` on dense ray intervals), where it can be
imported. Evaluation views are forward passes without gradients.

python benchmarks/rays.py [--render 64,256] [--samples 128,512] [--device cuda] [--size sd21] [--out FILE]
"""

import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import sd21
import torch
from race import captured, medians, parser, publish, race, ratio

from esd_bench.cameras import TrainingCameras
from esd_bench.draws import Draws
from esd_bench.renderers.volume import cast

FORWARD, BACKWARD, NERFACC = "forward", "forward and backward", "nerfacc, "
CAPTURED = ", captured"
"""As training runs it on a GPU: the same kernels, without their launches."""


def views(render: int, device: torch.device) -> tuple[Any, Draws]:
    """A camera of the preset, and the step's random numbers."""
    count = torch.zeros((), dtype=torch.long, device=device)
    draws = Draws(torch.zeros(1, dtype=torch.long, device=device), count)
    cameras = TrainingCameras((-10.0, 45.0), (2.0, 3.0), (40.0, 70.0))
    return cameras.place(draws.uniform("cameras", 1, 5), render), draws


def both(picture: Callable[[], torch.Tensor], scene: Any) -> dict[str, Callable[[], Any]]:
    """Forward alone, and with the gradients of the scene."""

    def backward() -> None:
        picture().sum().backward()
        scene.zero_grad(set_to_none=True)

    return {FORWARD: torch.no_grad()(picture), BACKWARD: backward}


def ours(scene: Any, cameras: Any, draws: Draws) -> dict[str, Callable[[], Any]]:
    """The scene's own renderer."""
    return both(lambda: scene.render(cameras, None, draws).rgb, scene)


def theirs(scene: Any, cameras: Any, draws: Draws, samples: int) -> dict[str, Callable[[], Any]]:
    """nerfacc's ``rendering`` of the same field at the same samples; rays that miss have no length."""
    import nerfacc  # its kernels are compiled when they are first called

    rays = cast(cameras, 1, 1.0, samples, draws)
    distance = torch.arange(samples, device=rays.step.device) * rays.step[0][:, None]
    start = distance + rays.start[0][:, None]
    starts = (start - rays.step[0][:, None] / 2).flatten()
    ends = (start + rays.step[0][:, None] / 2).flatten()
    rows = torch.arange(len(start), device=start.device)
    indices = rows.repeat_interleave(samples)

    def field(t_starts: Any, t_ends: Any, ray_indices: Any) -> tuple[Any, Any]:
        density, rgb = scene.field(rays.at(start[None]))[:2]
        return rgb[0], density[0]

    def picture() -> torch.Tensor:
        return nerfacc.rendering(starts, ends, indices, len(start), rgb_sigma_fn=field)[0]

    return both(picture, scene)


def _tried(ways: dict[str, Callable[[], Any]]) -> dict[str, Callable[[], Any]]:
    """nerfacc's ways, if it can compile its kernels here."""
    try:
        for work in ways.values():
            work()
    except Exception as error:  # whatever a compiler says
        print(f"skipped: nerfacc does not work here: {str(error)[:200]}", file=sys.stderr)
        return {}
    return {NERFACC + name: work for name, work in ways.items()}


def measure(a: Any, render: int, samples: int, device: torch.device) -> dict[str, Any]:
    """Rays and samples per second of all ways."""
    options = dict(sd21.SIZES[a.size].scene) | {"samples": samples, "background": "none"}
    spec = sd21.spec(a.method, a.size, **options)
    scene = spec.scene.make("scenes", torch.zeros(1, dtype=torch.long)).to(device)
    cameras, draws = views(render, device)
    ways = ours(scene, cameras, draws)
    if device.type == "cuda":
        ways |= {name + CAPTURED: captured(work) for name, work in ways.items()}
    # nerfacc keeps all samples: more than a few million do not fit beside ours.
    if find_spec("nerfacc") and render**2 * samples <= 2**22:
        ways |= _tried(theirs(scene, cameras, draws, samples))
    seconds, rays = race(ways, a.rounds, warmup=2), render**2
    peers = {
        x: round(ratio(seconds, NERFACC + x.removesuffix(CAPTURED), x), 3)
        for x in seconds
        if NERFACC + x.removesuffix(CAPTURED) in seconds
    }
    return {
        "render": render,
        "samples": samples,
        "rays per second": {name: round(rays / s) for name, s in medians(seconds).items()},
        "million samples per second": {
            name: round(rays * samples / s / 1e6, 2) for name, s in medians(seconds).items()
        },
        "times faster than nerfacc": peers,
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--size", default="tiny", choices=sd21.SIZES)
    options.add_argument("--method", default="esd", help="whose scene: that of sds has normals")
    options.add_argument("--render", type=sd21.numbers, default=(64, 256))
    options.add_argument("--samples", type=sd21.numbers, default=(128, 512))
    options.add_argument("--device", default="cpu")
    a = options.parse_args()
    torch.set_num_threads(a.threads)
    device = torch.device(a.device)
    if find_spec("nerfacc") is None:
        print("skipped: nerfacc is not installed", file=sys.stderr)
    found = [measure(a, r, s, device) for r in a.render for s in a.samples]
    publish("rays", {"size": a.size, "nerfacc": bool(find_spec("nerfacc")), "rows": found}, a.out)


if __name__ == "__main__":
    main()
