"""Faces of a PLY, as far as it takes to say how many triangles they become, and whether they have equally many corners.

Of binary files trimesh reads no others: it calls them cut off or, where the sums agree, takes the wrong bytes for faces.
"""

import numpy as np

from esd_bench.adapters._words import words

TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float": "f4", "double": "f8", "float32": "f4", "float64": "f8"},
}
ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
MOST = 255
"""Corners of a face; more are a sign of a broken file."""


def are_mixed(head: bytes, body: memoryview) -> bool:
    """Whether a face has another number of corners than the first; False where it can't be told.

    Args:
        head: of the file, up to and without ``end_header``.
        body: what follows ``end_header`` and its end of line.
    """
    lines, order = _parsed(head)
    start = 0
    for name, count, properties in _elements(lines):
        listed = [i for i, x in enumerate(properties) if x[1:2] == ["list"]]
        known = all(len(x) == 5 if x[1:2] == ["list"] else len(x) == 3 for x in properties)
        if not order or not known or (listed and (name != "face" or len(listed) > 1)):
            return False
        if name == "face" and listed:
            return _differ(body[start:], count, properties, listed[0], order)
        start += count * _size(properties)
    return False


def triangles(head: bytes, body: bytes) -> int:
    """Triangles of the faces, a fan each, at most; 0 where it can't be told.

    Args:
        head: of the file, up to and without ``end_header``.
        body: what follows ``end_header`` and its end of line.
    """
    lines, order = _parsed(head)
    found = _elements(lines)
    face = next((x for x in found if x[0] == "face"), None)
    if order is None or face is None:
        return 0
    if not order:
        # A list of fractions holds two for each corner: places in a texture.
        a_corner = sum(2 if x[3][:1] in "fd" else 1 for x in face[2] if x[1:2] == ["list"])
        listed = words(body) - sum(count * len(properties) for _, count, properties in found)
        return listed // max(a_corner, 1) - 2 * face[1]
    before = found[: found.index(face)]
    if any(x[1:2] == ["list"] for _, _, properties in before for x in properties):
        return 0
    start = sum(count * _size(properties) for _, count, properties in before)
    return face[1] * (_corners(body, start, face[2], order) - 2)


def _corners(body: bytes, at: int, properties: list[list[str]], order: str) -> int:
    """Corners of the first face: the longest of its lists of whole numbers."""
    most = 0
    for x in properties:
        if x[1:2] != ["list"]:
            at += _size([x])
            continue
        number, entry = (np.dtype(order + TYPES[name]) for name in x[2:4])
        if number.kind not in "iu" or at + number.itemsize > len(body):
            return most
        length = int(np.frombuffer(body, number, 1, at)[0])
        most = max(most, length) if entry.kind in "iu" else most
        at += number.itemsize + max(length, 0) * entry.itemsize
    return most


def _parsed(head: bytes) -> tuple[list[list[str]], str | None]:
    """Words of the lines of a header, and the order of bytes: "" in a text, None if it does not say."""
    lines = [x.split() for x in head.decode("ascii", "replace").splitlines()]
    order = next((ORDERS.get(x[1]) for x in lines if x[:1] == ["format"] and len(x) == 3), None)
    return lines, order


def _elements(lines: list[list[str]]) -> list[tuple[str, int, list[list[str]]]]:
    """Name, count and properties of what the header declares, in order."""
    found: list[tuple[str, int, list[list[str]]]] = []
    for line in lines:
        if line[:1] == ["element"] and len(line) == 3 and line[2].isdigit():
            found.append((line[1], int(line[2]), []))
        elif line[:1] == ["property"] and found:
            found[-1][2].append(line)
    return found


def _size(properties: list[list[str]]) -> int:
    return sum(np.dtype(TYPES[x[1]]).itemsize for x in properties)


def _differ(body: memoryview, count: int, properties: list[list[str]], at: int, order: str) -> bool:
    number, corner = (np.dtype(order + TYPES[x]) for x in properties[at][2:4])
    before, after = _size(properties[:at]), _size(properties[at + 1 :])
    if number.kind not in "iu" or len(body) < before + number.itemsize:
        return False
    first = int(np.frombuffer(body, number, 1, before)[0])
    if not 0 < first <= MOST:
        return False
    stride = before + number.itemsize + first * corner.itemsize + after
    there = min(count, (len(body) - before - number.itemsize) // stride + 1)
    # Right up to the first that differs, which is all that is looked for.
    counts = np.ndarray(there, number, body, before, (stride,))
    other = (counts != first).nonzero()[0]
    return len(other) > 0 and 0 < int(counts[other[0]]) <= MOST
