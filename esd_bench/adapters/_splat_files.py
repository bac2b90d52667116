"""The two common files of splats: PLY, and the 32-byte ``.splat`` of web viewers. Read by numpy, nothing is believed.

Layouts: github.com/graphdeco-inria/gaussian-splatting (``scene/gaussian_model.py``) and github.com/antimatter15/splat
(``convert.py``).
"""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from esd_bench.adapters import Refused
from esd_bench.adapters._gaussians import Gaussians, activated, unit
from esd_bench.adapters._harmonics import C0
from esd_bench.adapters._ply_faces import ORDERS, TYPES

MOST = 2**22
"""Splats that a file may hold."""
HEADER = 2**16
"""Bytes of a PLY header."""
RECORD = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("colour", "u1", 4), ("turn", "u1", 4)])
"""One splat of a ``.splat`` file."""
NEEDED = (
    *("x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity"),
    *("scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
)


@dataclass(frozen=True)
class Header:
    """What a PLY says of its first element, which has to be ``vertex``."""

    order: str
    """Byte order as numpy writes it; empty for text."""
    count: int
    properties: tuple[tuple[str, str], ...]
    """Name and numpy type of each."""
    size: int
    """Bytes of the header."""

    @property
    def is_splats(self) -> bool:
        """Whether these are splats, not points or the corners of a mesh."""
        return {"f_dc_0", "scale_0", "rot_0", "opacity"} <= {name for name, _ in self.properties}


def read_header(path: Path) -> Header:
    """The header of a PLY.

    Raises:
        ValueError: for anything else.
    """
    with path.open("rb") as file:
        start = file.read(HEADER)
    end = start.find(b"end_header")
    newline = start.find(b"\n", end)
    if not start.startswith(b"ply") or end < 0 or newline < 0:
        raise ValueError(f"{path} has no PLY header")
    lines = [x.split() for x in start[:end].decode("ascii", "replace").splitlines()[1:]]
    try:
        return _header([x for x in lines if x and x[0] not in ("comment", "obj_info")], newline + 1)
    except (ValueError, KeyError, IndexError):
        raise ValueError(f"{path} has a PLY header that can't be understood") from None


def _header(lines: list[list[str]], size: int) -> Header:
    """Of the lines without comments."""
    (kind, form, _), (element, name, count), *rest = lines
    if (kind, element, name) != ("format", "element", "vertex") or int(count) < 0:
        raise ValueError
    own = rest[: next((i for i, x in enumerate(rest) if x[0] == "element"), len(rest))]
    properties = []
    for word, kind, name in own:  # a list has more words, and is refused so
        if word != "property":
            raise ValueError
        properties.append((name, TYPES[kind]))
    if len({name for name, _ in properties}) < len(properties):
        raise ValueError
    return Header(ORDERS[form], int(count), tuple(properties), size)


def read_ply(path: Path) -> Gaussians:
    """Splats from a PLY, binary or text.

    Raises:
        ValueError: when it is broken, cut off, or something else.
    """
    header = read_header(path)
    names = [name for name, _ in header.properties]
    lacking = [name for name in NEEDED if name not in names]
    if lacking:
        raise ValueError(f"{path} holds no splats: it has no {lacking[0]}")
    rest = sorted((x for x in names if x.startswith("f_rest_")), key=lambda x: (len(x), x))
    if len(rest) not in (0, 9, 24, 45) or rest != [f"f_rest_{i}" for i in range(len(rest))]:
        raise ValueError(
            f"{path} has {len(rest)} f_rest properties, which is no degree from 0 to 3"
        )
    _bounded(path, header)
    table = _binary(path, header) if header.order else _text(path, header)

    def columns(*chosen: str) -> Tensor:
        with np.errstate(over="ignore", invalid="ignore"):
            made = [np.asarray(table[x], dtype=np.float32) for x in chosen]
        return torch.from_numpy(np.stack(made, 1))

    higher = columns(*rest).reshape(header.count, 3, -1).transpose(1, 2) if rest else None
    first = columns("f_dc_0", "f_dc_1", "f_dc_2")[:, None]
    return activated(
        columns("x", "y", "z"),
        columns("scale_0", "scale_1", "scale_2"),
        columns("rot_0", "rot_1", "rot_2", "rot_3"),
        columns("opacity")[:, 0],
        first if higher is None else torch.cat([first, higher], 1),
    )


def _bounded(path: Path, header: Header) -> None:
    """Refuse what the file can't hold, before any memory is taken."""
    if not header.count:
        raise ValueError(f"{path} holds no splats")
    _few(path, header.count)
    widths = [np.dtype(x).itemsize if header.order else 2 for _, x in header.properties]
    # The last number of a text may end with the file.
    needed = header.size + header.count * sum(widths) - (not header.order)
    if path.stat().st_size < needed:
        raise ValueError(f"{path} is cut off: {header.count} splats don't fit into it")


def _few(path: Path, count: int) -> None:
    if count > MOST:
        raise Refused(f"{path} says that it holds {count} splats; at most {MOST} are read")


def _binary(path: Path, header: Header) -> np.ndarray:
    kind = np.dtype([(name, header.order + x) for name, x in header.properties])
    with path.open("rb") as file:
        file.seek(header.size)
        return np.fromfile(file, kind, header.count)


def _text(path: Path, header: Header) -> dict[str, np.ndarray]:
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an empty file, which is refused below
        file.seek(header.size)
        try:
            table = np.loadtxt(file, np.float64, comments=None, max_rows=header.count, ndmin=2)
        except ValueError:
            raise ValueError(f"{path} holds what is no number") from None
    if table.shape != (header.count, len(header.properties)):
        raise ValueError(f"{path} is cut off: it does not hold {header.count} lines of splats")
    return {name: table[:, i] for i, (name, _) in enumerate(header.properties)}


def read_splat(path: Path) -> Gaussians:
    """Splats from a ``.splat`` file, where colour and opacity are bytes and scales are not logarithms.

    Raises:
        ValueError: when it is broken or too large.
    """
    size = path.stat().st_size
    if not size or size % RECORD.itemsize:
        raise ValueError(f"{path} is no whole .splat file: {size} bytes are no multiple of 32")
    _few(path, size // RECORD.itemsize)
    table = np.fromfile(path, RECORD)
    colour = torch.from_numpy(table["colour"].astype(np.float32)) / 255
    turn = torch.from_numpy(table["turn"].astype(np.float32)) - 128
    mean, scale = (torch.from_numpy(np.array(table[x])) for x in ("mean", "scale"))
    scale = torch.where(scale >= 0, scale, torch.nan)
    return Gaussians(mean, scale, unit(turn), colour[:, 3], ((colour[:, :3] - 0.5) / C0)[:, None])
