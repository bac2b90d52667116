"""Files of splats for tests, written without the code that reads them."""

import struct
from pathlib import Path

import numpy as np

NAMES = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"]
TAIL = ["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
C0, C1 = 0.28209479177387814, 0.4886025119029199
COUNTS = {0: 0, 1: 9, 2: 24, 3: 45}


def names(degree: int) -> list[str]:
    """The properties that the authors' code writes, in its order."""
    return [*NAMES, *(f"f_rest_{i}" for i in range(COUNTS[degree])), *TAIL]


def header(count: object, properties: list[str], form: str = "binary_little_endian") -> bytes:
    lines = ["ply", f"format {form} 1.0", f"element vertex {count}"]
    lines += [f"property float {name}" for name in properties]
    return ("\n".join([*lines, "end_header"]) + "\n").encode()


def table(degree: int = 0, count: int = 1, **columns: object) -> np.ndarray:
    """Rows of stored numbers; what isn't given is 0, rotations are none, opacity is a half."""
    known = names(degree)
    rows = np.zeros((count, len(known)), np.float32)
    rows[:, known.index("rot_0")] = 1
    for name, value in columns.items():
        rows[:, known.index(name)] = value
    return rows


def write_ply(path: Path, rows: np.ndarray, form: str = "binary_little_endian") -> Path:
    degree = next(d for d, n in COUNTS.items() if n + 17 == rows.shape[1])
    start = header(len(rows), names(degree), form)
    if form == "ascii":
        body = "\n".join(" ".join(repr(float(x)) for x in row) for row in rows).encode() + b"\n"
    else:
        body = rows.astype(">f4" if "big" in form else "<f4").tobytes()
    path.write_bytes(start + body)
    return path


def write_splat(path: Path, *records: tuple) -> Path:
    """Records of position, scale, colour and rotation, the last two as bytes."""
    packed = (struct.pack("<6f8B", *p, *s, *c, *r) for p, s, c, r in records)
    path.write_bytes(b"".join(packed))
    return path


def random_rows(count: int, degree: int, seed: int = 0) -> np.ndarray:
    """Splats of all shapes in the unit ball."""
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(count, COUNTS[degree] + 17)) * 0.4
    rows[:, names(degree).index("opacity")] += 1
    at = names(degree).index("scale_0")
    rows[:, at : at + 3] = draw.uniform(-4, -1.5, (count, 3))
    return rows.astype(np.float32)
