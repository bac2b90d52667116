"""Real spherical harmonics up to degree 3, with the signs and the order of 3D Gaussian splatting's authors.

Source: ``utils/sh_utils.py`` of github.com/graphdeco-inria/gaussian-splatting.
"""

import torch
from jaxtyping import Float
from torch import Tensor

C0 = 0.28209479177387814
C1 = 0.4886025119029199
C2 = (1.0925484305920792, -1.0925484305920792, 0.31539156525252005, -1.0925484305920792, 0.5462742152960396)  # fmt: skip
C3 = (-0.5900435899266435, 2.890611442640554, -0.4570457994644658, 0.3731763325901154, -0.4570457994644658, 1.445305721320277, -0.5900435899266435)  # fmt: skip


def colour(
    harmonics: Float[Tensor, "k d 3"], direction: Float[Tensor, "k 3"]
) -> Float[Tensor, "k 3"]:
    """Colour seen along unit directions from the camera; never negative, may exceed 1."""
    basis = _basis(direction, harmonics.shape[1])
    return ((basis[:, :, None] * harmonics).sum(1) + 0.5).clamp_min(0)


def _basis(direction: Float[Tensor, "k 3"], count: int) -> Float[Tensor, "k d"]:
    x, y, z = direction.unbind(1)
    made = [torch.full_like(x, C0)]
    if count > 1:
        made += [-C1 * y, C1 * z, -C1 * x]
    xx, yy, zz = x * x, y * y, z * z
    if count > 4:
        second = (x * y, y * z, 2 * zz - xx - yy, x * z, xx - yy)
        made += [c * term for c, term in zip(C2, second, strict=True)]
    if count > 9:
        around = 4 * zz - xx - yy
        third = (
            *(y * (3 * xx - yy), x * y * z, y * around, z * (2 * zz - 3 * xx - 3 * yy)),
            *(x * around, z * (xx - yy), x * (xx - 3 * yy)),
        )
        made += [c * term for c, term in zip(C3, third, strict=True)]
    return torch.stack(made, 1)
