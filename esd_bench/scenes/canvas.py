"""A large picture seen through windows (the 2-D experiment of ESD, arXiv 2401.00909, Figure 8): theta are its pixels.

A "camera" is a window. The paper leaves open how a window is told to the student; here it is told as every camera is,
by its matrix, from which the window follows: longitude goes from left to right, latitude from bottom to top.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from esd_bench.cameras import Cameras
from esd_bench.draws import Draws
from esd_bench.scenes import Render, Scene
from esd_bench.scenes._penalties import penalties


def canvas(
    seeds: Int[Tensor, " p"],
    /,
    *,
    height: int = 96,
    width: int = 160,
    latitude: float = 45.0,
    edge: float = 0.1,
    levels: int = 4,
    noise: float = 0.02,
    learning_rate: float = 0.05,
) -> Scene:
    """A pack of pictures, one per seed; a camera of h x w pixels sees h x w of them.

    Azimuths +a and -a are one window, a = 0 at the left and pi at the right: were a turn to go once across, the left end
    and the right end would be one camera.

    Args:
        seeds: the initial noise of a member depends on its seed alone.
        height: of the picture in pixels.
        width: of the picture in pixels.
        latitude: elevation in degrees that is the top; its negative is the bottom.
        edge: share of the cameras beyond each end, which see the outermost window: without it the pixels at the border
            would hardly ever be seen.
        levels: pictures that are added up, each half as fine as the one before and enlarged; 1 is the pixels alone. A
            sum of grids is a preconditioner: pixels alone take up the encoder's own pattern before any shape.
        noise: standard deviation of the initial raw values; 0 is mid-grey.
        learning_rate: of the raw values, of which the colours are the sigmoid of the sum.
    """
    draws = Draws(seeds, torch.zeros((), dtype=torch.long, device=seeds.device))
    sizes = [(-(-height // 2**k), -(-width // 2**k)) for k in range(levels)]
    raw = [noise * draws.normal(f"canvas {k}", 3, *size) for k, size in enumerate(sizes)]
    return Canvas(raw, math.radians(latitude), edge, learning_rate)


class Canvas(nn.Module):
    """See :func:`canvas`."""

    def __init__(
        self, raw: Sequence[Tensor], latitude: float, edge: float, learning_rate: float
    ) -> None:
        super().__init__()
        self.raw = nn.ParameterList(raw)
        self.members, self.height, self.width = len(raw[0]), *raw[0].shape[2:]
        self.latitude, self.edge, self.learning_rate = latitude, edge, learning_rate

    def picture(self) -> Float[Tensor, "p 3 y x"]:
        """The whole pictures."""
        finest, *others = self.raw
        size = (self.height, self.width)
        larger = [
            functional.interpolate(x, size, mode="bilinear", align_corners=False) for x in others
        ]
        return torch.stack([finest, *larger]).sum(0).sigmoid()

    def render(
        self,
        cameras: Cameras,
        progress: Float[Tensor, ""] | None = None,
        draws: Draws | None = None,
    ) -> Render:
        """The windows of some cameras; opaque. See :class:`esd_bench.scenes.Scene`."""
        top, left = self.corners(cameras)
        rows = top[:, None] + torch.arange(cameras.height, device=top.device)
        columns = left[:, None] + torch.arange(cameras.width, device=top.device)
        rgb = self._cut(self.picture(), rows, columns)
        ones = torch.ones_like(rgb[:, :1])
        return Render(rgb, ones, ones * cameras.distance[:, None, None, None])

    def corners(self, cameras: Cameras) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
        """Row and column of the top left pixel of each camera's window.

        Raises:
            ValueError: for windows that are larger than the picture.
        """
        high, wide = self.height - cameras.height, self.width - cameras.width
        if min(high, wide) < 0:
            raise ValueError(f"a canvas of {self.height} x {self.width} pixels has no such windows")
        down = (1 - cameras.elevation / self.latitude) / 2
        return self._place(down, high), self._place(cameras.azimuth.abs() / math.pi, wide)

    def _place(self, share: Float[Tensor, " n"], last: int) -> Int[Tensor, " n"]:
        """The offset, from 0 to ``last``, at a share of the way; ``edge`` of the way is at either end."""
        inner = (share * (1 + 2 * self.edge) - self.edge).clamp(0, 1)
        return (inner * last).round().long()

    def _cut(
        self, picture: Tensor, rows: Int[Tensor, "n h"], columns: Int[Tensor, "n w"]
    ) -> Float[Tensor, "n 3 h w"]:
        """Pixels by row and column, windows member by member. Gathered flat: a captured graph may do that."""
        index = (rows[:, :, None] * self.width + columns[:, None]).reshape(self.members, 1, -1)
        seen = picture.flatten(2).gather(2, index.expand(-1, 3, -1))
        shape = (len(rows) // self.members, rows.shape[1], columns.shape[1])
        return seen.unflatten(2, shape).transpose(1, 2).flatten(0, 1)

    def regularisers(self, render: Render) -> dict[str, Float[Tensor, " p"]]:
        """Those of opacity, which are constant here."""
        return penalties(render, self.members)

    def learning_rates(self) -> list[tuple[list[nn.Parameter], float]]:
        """All levels learn at one rate."""
        return [(list(self.raw), self.learning_rate)]
