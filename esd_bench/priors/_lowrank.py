"""Low-rank student adapters for a pack, added to the rows of a frozen U-Net by forward hooks.

The base weights are shared by all rows and all members; each member has its own low-rank matrices. A hook adds their
product to the student rows of a layer's output and leaves the base rows' bits alone.
"""

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from esd_bench.draws import Draws
from esd_bench.methods import State

Targets: TypeAlias = Literal["attention", "all"]
"""``attention``: to_q, to_k, to_v, to_out.0 of every attention (threestudio); ``all``: every Linear and Conv2d."""

_ATTENTION = (".to_q", ".to_k", ".to_v", ".to_out.0")
Layer: TypeAlias = nn.Linear | nn.Conv2d


def layers(unet: nn.Module) -> dict[str, Layer]:
    """Every layer that can carry an adapter, by its name in the U-Net."""
    return {name: m for name, m in unet.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)}


def chosen(unet: nn.Module, targets: Targets) -> dict[str, Layer]:
    """The layers of a preset."""
    every = layers(unet)
    if targets == "all":
        return {name: m for name, m in every.items() if getattr(m, "groups", 1) == 1}
    return {name: m for name, m in every.items() if name.endswith(_ATTENTION)}


def _widths(layer: Layer) -> tuple[int, int]:
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    return layer.in_channels, layer.out_channels


class CameraNetwork(nn.Module):
    """16 numbers -> the width of the time embedding: Linear, SiLU, Linear with biases, one network per member.

    The architecture is threestudio's ``TimestepEmbedding(16, 1280)``. The first layer is drawn as torch draws a Linear;
    the second starts at zero (threestudio draws it too), so that a fresh student answers like the base.
    """

    def __init__(self, draws: Draws, width: int, out: int) -> None:
        super().__init__()
        members, device = len(draws.seeds), draws.seeds.device
        first = draws.uniform("adapter/camera", 17, width) / 2 - 0.25
        self.down = nn.Parameter(first[:, :16].contiguous())
        self.down_bias = nn.Parameter(first[:, 16:].contiguous())
        self.up = nn.Parameter(torch.zeros(members, width, out, device=device))
        self.up_bias = nn.Parameter(torch.zeros(members, 1, out, device=device))

    def forward(self, camera: Float[Tensor, "p v s 16"]) -> Float[Tensor, "p v s e"]:
        hidden = nn.functional.silu(camera.flatten(1, 2) @ self.down + self.down_bias)
        return (hidden @ self.up + self.up_bias).unflatten(1, camera.shape[1:3])


class LowRank(nn.Module):
    """One student per pack member: ``x -> x down up`` beside each target layer, and a camera network.

    Parameters are float32 whatever the base is. A 3x3 convolution is accompanied by a 1x1 path over the pixels under its
    centre tap.

    Args:
        unet: the diffusers U-Net that it is for.
        seeds: one per member; each matrix is a pure function of the seed and of its layer's name.
        rank: of every update.
        targets: which layers.
        camera_width: hidden width of the camera network; 0 takes the width of the time embedding.
    """

    def __init__(
        self,
        unet: Any,
        seeds: Int[Tensor, " p"],
        rank: int,
        targets: Targets,
        camera_width: int,
    ) -> None:
        super().__init__()
        if rank < 1:
            raise ValueError(f"an adapter needs rank >= 1, not {rank}")
        draws = Draws(seeds, torch.zeros((), dtype=torch.long, device=seeds.device))
        self.members = len(seeds)
        self.down, self.up = nn.ParameterDict(), nn.ParameterDict()
        for name, layer in chosen(unet, targets).items():
            wide, out = _widths(layer)
            # diffusers 0.19.3: down ~ N(0, (1 / rank)^2), up = 0.
            self.down[_key(name)] = draws.normal(f"adapter/{name}", wide, rank) / rank
            self.up[_key(name)] = torch.zeros(self.members, rank, out, device=seeds.device)
        embedding = unet.time_embedding.linear_2.out_features
        self.camera = CameraNetwork(draws, camera_width or embedding, embedding)


def _key(name: str) -> str:
    """A parameter's name may hold no dot."""
    return name.replace(".", "/")


Matrices: TypeAlias = Mapping[str, tuple[Float[Tensor, "g wide r"], Float[Tensor, "g r out"]]]


@dataclass(frozen=True)
class _Pass:
    """What the hooks must know of the forward in progress.

    Rows lie as ``g`` groups that share their matrices: a group is a member or, where base rows stand between the
    student rows of its views, a view.

    Attributes:
        groups: (g, rows of a group), into which the batch axis unfolds.
        base: number of base rows, which come first in a group.
        matrices: both of each layer, in the network's precision.
        camera: the camera term of each student row.
    """

    groups: tuple[int, int]
    base: int
    matrices: Matrices
    camera: Float[Tensor, "p v s e"]

    def student(self, x: Tensor) -> Float[Tensor, "g s *rest"]:
        """The student rows of a batch; no copy."""
        return x.unflatten(0, self.groups)[:, self.base :]

    def add(self, out: Tensor, delta: Tensor) -> Tensor:
        """The batch with ``delta`` on its student rows; in place where there are base rows to keep."""
        if self.base == 0:
            return out + delta.reshape(out.shape).to(out.dtype)
        rows = self.student(out)
        rows += delta.reshape(rows.shape).to(out.dtype)
        return out

    def add_product(self, out: Tensor, hidden: Float[Tensor, "g n r"], up: Tensor) -> Tensor:
        """:meth:`add` of ``hidden up`` to a layer's output, channels last, without writing the product down."""
        rows = self.student(out)
        flat = rows.view(len(rows), -1, rows.shape[-1])
        if self.base == 0:
            return torch.baddbmm(flat, hidden, up).view(out.shape)
        flat.baddbmm_(hidden, up)
        return out


class Injector:
    """Hooks on every layer of a U-Net that do nothing unless an adapter is active; registered once."""

    def __init__(self, unet: Any) -> None:
        self._pass: _Pass | None = None
        self._precision = next(unet.parameters()).dtype
        for name, layer in layers(unet).items():
            layer.register_forward_hook(partial(self._low_rank, _key(name)))
        unet.time_embedding.register_forward_hook(self._camera)

    @contextmanager
    def active(
        self,
        adapter: LowRank | None,
        states: Sequence[State],
        camera: Float[Tensor, "p v 16"] | None,
        blocks: tuple[int, int, int],
    ) -> Any:
        """Within it, one forward over ``p v k`` rows gets the adapter's terms on its student rows."""
        self._pass = _planned(adapter, states, camera, blocks, self._precision)
        try:
            yield
        finally:
            self._pass = None

    def _low_rank(
        self, key: str, layer: Layer, args: tuple[Tensor, ...], out: Tensor
    ) -> Tensor | None:
        now = self._pass
        if now is None or key not in now.matrices:
            return None
        x, (down, up) = now.student(args[0]), now.matrices[key]
        if isinstance(layer, nn.Linear):
            return now.add_product(out, torch.bmm(x.flatten(1, -2), down), up)
        pixels = _under_centre(x.flatten(0, 1), layer, out.shape[-2:]).flatten(2)
        down, up = (_each(matrix.mT, len(pixels) // len(down)) for matrix in (down, up))
        return now.add(out, up @ (down @ pixels))

    def _camera(self, layer: nn.Module, args: Any, out: Tensor) -> Tensor | None:
        return None if self._pass is None else self._pass.add(out, self._pass.camera)


def _matrices(adapter: LowRank, dtype: torch.dtype, times: int) -> Matrices:
    """Both matrices of every layer in a precision, each member's ``times`` times in a row.

    They are cast and repeated all together: hundreds of small kernels forward and backward would take longer than theirs.
    """
    every = [*adapter.down.values(), *adapter.up.values()]
    if every[0].dtype != dtype or (times > 1 and adapter.members > 1):
        flat = torch.cat([x.flatten(1) for x in every], 1).to(dtype)
        columns = _each(flat, times).split([x[0].numel() for x in every], 1)
        every = [c.unflatten(1, x.shape[1:]) for c, x in zip(columns, every, strict=True)]
    else:
        every = [_each(x, times) for x in every]
    pairs = zip(every[: len(adapter.down)], every[len(adapter.down) :], strict=True)
    return dict(zip(adapter.down, pairs, strict=True))


def _each(matrices: Float[Tensor, "p *rest"], times: int) -> Float[Tensor, "n *rest"]:
    """Every member's matrix ``times`` times in a row; no copy if once, or of one member."""
    return matrices[:, None].expand(-1, times, *matrices.shape[1:]).flatten(0, 1)


def _under_centre(x: Tensor, layer: Any, size: torch.Size) -> Tensor:
    """The input pixels under the centre tap of each output pixel, for any stride and padding."""
    first = [
        max((k - 1) // 2 - p, 0) for k, p in zip(layer.kernel_size, layer.padding, strict=True)
    ]
    x = x[..., first[0] :: layer.stride[0], first[1] :: layer.stride[1]]
    return x[..., : size[0], : size[1]]


def _planned(
    adapter: LowRank | None,
    states: Sequence[State],
    camera: Float[Tensor, "p v 16"] | None,
    blocks: tuple[int, int, int],
    dtype: torch.dtype,
) -> _Pass | None:
    base = sum(state == "base" for state in states)
    if len(states) != blocks[2] or any(state == "base" for state in states[base:]):
        raise ValueError(
            f"{blocks[2]} rows need as many states, base rows first, not {tuple(states)}"
        )
    if base == len(states):
        return None
    if adapter is None or camera is None:
        raise ValueError("student rows need an adapter and the cameras of their views")
    if adapter.members != blocks[0]:
        raise ValueError(f"an adapter of {adapter.members} members can't answer for {blocks[0]}")
    camera = camera.to(adapter.camera.down.dtype)
    told = [camera if state == "camera" else torch.zeros_like(camera) for state in states[base:]]
    p, v, k = blocks
    groups, times = ((p * v, k), v) if base else ((p, v * k), 1)
    matrices = _matrices(adapter, dtype, times)
    return _Pass(groups, base, matrices, adapter.camera(torch.stack(told, dim=2)))
