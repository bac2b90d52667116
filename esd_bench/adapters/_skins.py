"""glTF 2.0's skins (section 3.7.3): vertices that joints carry, each joint by its weight, in the pose that the nodes stand in."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from esd_bench.adapters import Refused
from esd_bench.adapters._gltf import Arrays, item

SETS = 4
"""Most sets of four joints that carry a vertex; the standard asks readers for one."""
JOINTS = 2**16
"""Most joints of a skin: vertices can name no more."""
PIECE = 2**15
"""Vertices that are posed together."""


def carried(
    arrays: Arrays, attributes: Mapping[str, Any], count: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Which joints carry each of ``count`` vertices, and their weights as they are stored; None where it names none.

    Raises:
        ValueError: when they are of another type than they may be.
        Refused: for more than :data:`SETS` sets.
    """
    found: list[tuple[np.ndarray, np.ndarray]] = []
    while {f"JOINTS_{len(found)}", f"WEIGHTS_{len(found)}"} <= set(attributes):
        number = len(found)
        if number == SETS:
            raise Refused(f"more than {4 * SETS} joints carry a vertex")
        joints, weights = (arrays.array(attributes[f"{x}_{number}"]) for x in ("JOINTS", "WEIGHTS"))
        if joints.dtype.kind != "u" or not joints.shape == weights.shape == (count, 4):
            raise ValueError(f"JOINTS_{number} and WEIGHTS_{number} are not four of each a vertex")
        if not ((weights >= 0) & np.isfinite(weights)).all():
            raise ValueError(f"WEIGHTS_{number} has a weight that is not a number from 0")
        found.append((joints, weights.astype(np.float32)))
    if not found:
        return None
    joints, weights = (np.concatenate(x, 1) for x in zip(*found, strict=True))
    return joints, weights


def matrices(
    tree: Mapping[str, Any], arrays: Arrays, number: Any, places: Mapping[int, np.ndarray]
) -> np.ndarray:
    """(joints, 4, 4): from where a skin's mesh was bound to where its joints now stand in the scene.

    Args:
        tree: of the file.
        arrays: of the file.
        number: of the skin.
        places: of the scene's nodes.

    Raises:
        ValueError: for a joint that is not in the scene, or matrices that are none.
    """
    skin = item(tree, "skins", number)
    joints = skin.get("joints")
    if not isinstance(joints, list) or not 1 <= len(joints) <= JOINTS:
        raise ValueError(f"skins number {number} has no joints, or more than {JOINTS}")
    arrays.spend(16 * len(joints))  # each time: very many nodes may name one skin
    for joint in joints:
        if not isinstance(joint, int) or joint not in places:
            raise ValueError(
                f"joint {str(joint)[:20]} of skins number {number} is not in the scene"
            )
    now = np.stack([places[joint] for joint in joints])
    if "inverseBindMatrices" not in skin:
        return now
    back = arrays.array(skin["inverseBindMatrices"])
    if back.shape[1] != 16 or len(back) < len(joints) or not np.isfinite(back).all():
        raise ValueError(f"skins number {number} has no inverse bind matrix for each joint")
    return now @ back[: len(joints)].reshape(-1, 4, 4).transpose(0, 2, 1).astype(np.float64)


def posed(
    vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray, matrices: np.ndarray
) -> np.ndarray:
    """Vertices in the scene: sum of w_j M_j v, the weights brought to a sum of 1.

    What no joint carries stays where it was bound, as in Khronos's own viewer.

    Raises:
        ValueError: for a joint with a weight that the skin does not have.
    """
    made = np.concatenate([vertices, np.ones((len(vertices), 1))], 1, dtype=np.float64)
    for start in range(0, len(made), PIECE):
        piece = slice(start, start + PIECE)
        there, weight = made[piece], weights[piece].astype(np.float64)
        # What has no weight may name anything.
        named = np.where(weight > 0, joints[piece], 0)
        if int(named.max()) >= len(matrices):
            raise ValueError(f"a vertex names joint {named.max()} of a skin of {len(matrices)}")
        total = weight.sum(1)
        moved = np.zeros((len(there), 3))
        for own, by in zip(named.T, weight.T, strict=True):
            moved += by[:, None] * np.einsum("kij,kj->ki", matrices[own, :3], there)
        held = total > 0
        there[held, :3] = moved[held] / total[held, None]
    return made[:, :3]
