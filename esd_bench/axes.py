"""A file's axes as people name them: which one is up, and from which one the front is seen."""

import torch
from jaxtyping import Float
from torch import Tensor

NAMES = ("x", "y", "z")


def axes(up: str, front: str) -> Float[Tensor, "3 3"]:
    """The matrix from our axes (+y up, front on +z) to a file's; its transpose leads back.

    Raises:
        ValueError: for what is no axis, or no two that are square to each other.
    """
    above, ahead = axis(up), axis(front)
    if float(above @ ahead) != 0:
        raise ValueError(f"up {up} and front {front} are not square to each other; say both")
    return torch.stack([torch.linalg.cross(above, ahead), above, ahead], 1)


def axis(name: str) -> Float[Tensor, "3"]:
    """The unit vector of ``+z`` or ``-x``; the plus may be left out.

    Raises:
        ValueError: for another text.
    """
    sign, letter = (name[:-1] or "+"), name[-1:].lower()
    if letter not in NAMES or sign not in "+-":
        raise ValueError(f"an axis is +x, -x, +y, -y, +z or -z, not {name!r}")
    vector = torch.zeros(3, dtype=torch.float64)
    vector[NAMES.index(letter)] = -1.0 if sign == "-" else 1.0
    return vector
