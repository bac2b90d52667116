"""Broken files by the thousand through an adapter: each must come out as an asset or as a ValueError of one line.

Inputs are random bytes and mutations of valid files: flipped bits, cuts, pieces moved and doubled, numbers swapped for others.
Stops at the first input that raises anything else, takes longer than ``--seconds``, or makes the process larger by more than
``--megabytes``; the input is kept and named. Linux and macOS only.

python benchmarks/fuzz.py ADAPTER [--minutes 10] [--jobs 1] [--seeds FOLDER] [--seed 0] [--out FILE]

Without a folder of valid files (or of folders with one asset each) those of the tests are made, small ones.
"""

import argparse
import json
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

WILD = (0, 1, 2, 127, 128, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1)
FLOATS = (0.0, -1.0, 1e-38, 1e38, float("inf"), float("nan"))
WORDS = (b"0", b"-1", b"9" * 9, b"9" * 30, b"1e308", b"nan", b'""', b"[]", b"{}", b"null", b"\0")


def flip(content: bytearray, draw: random.Random) -> None:
    """Some bits turned over."""
    for _ in range(draw.choice((1, 1, 2, 8, 64))):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)


def cut(content: bytearray, draw: random.Random) -> None:
    """The end, or a piece, is gone."""
    start = draw.randrange(len(content))
    end = len(content) if draw.random() < 0.5 else start + draw.randrange(1, 64)
    del content[start:end]


def double(content: bytearray, draw: random.Random) -> None:
    """A piece is there again somewhere else."""
    start = draw.randrange(len(content))
    piece = content[start : start + draw.choice((4, 12, 64, 1024))]
    at = draw.randrange(len(content))
    content[at:at] = piece * draw.choice((1, 1, 2, 50))


def overwrite(content: bytearray, draw: random.Random) -> None:
    """A number of a binary part is another."""
    at = draw.randrange(len(content))
    value = struct.pack("<f", draw.choice(FLOATS))
    if draw.random() < 0.6:
        value = struct.pack("<I", draw.choice(WILD))[: draw.choice((1, 2, 4))]
    content[at : at + len(value)] = value


def reword(content: bytearray, draw: random.Random) -> None:
    """A number of a text is another."""
    starts = [i for i, x in enumerate(content[:20000]) if 48 <= x <= 57]
    if not starts:
        return
    start = draw.choice(starts)
    end = start
    while end < len(content) and content[end : end + 1] in b"0123456789.e+-":
        end += 1
    content[start:end] = draw.choice((*WORDS, str(draw.choice(WILD)).encode()))


WAYS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flip,
    cut,
    double,
    overwrite,
    reword,
    reword,
)


def mutated(valid: bytes, draw: random.Random) -> bytes:
    """A broken file out of a valid one, or out of nothing."""
    if draw.random() < 0.03:
        return draw.randbytes(draw.choice((0, 1, 20, 84, 200, 4000)))
    content = bytearray(valid)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        if content:
            draw.choice(WAYS)(content, draw)
    return bytes(content)


class TooLong(BaseException):
    """More time than was given."""


def _stop(*_: Any) -> None:
    raise TooLong


def outcome(adapter: Callable[..., Any], path: Path) -> str:
    """What an adapter makes of a path: "an asset", or the ValueError's line.

    Raises:
        AssertionError: when its line is several, or very long.
        Exception: whatever else the adapter raised.
    """
    from esd_bench.axes import axes
    from esd_bench.cameras import sphere
    from esd_bench.ingest._framing import framed, placed

    try:
        asset = adapter(path)
        if hasattr(asset, "look"):  # a picture of it too, if a small one
            frame = framed(asset.points, asset.weights)
            asset.look(placed(sphere(1, 8), frame, axes(asset.up, asset.front)))
    except ValueError as error:
        line = str(error)
        assert line, f"it says nothing of {path}"
        assert "\n" not in line, f"several lines for {path}"
        assert len(line) < 400, f"{len(line)} characters for {path}"
        return line
    return "an asset"


def cubes(folder: Path, adapter: str) -> None:
    """Valid files of the formats that adapters of meshes read."""
    import numpy as np
    import trimesh
    from PIL import Image

    mesh = trimesh.creation.box()
    texture = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    uv = mesh.vertices[:, :2] + 0.5
    textured, coloured = mesh.copy(), mesh.copy()
    textured.visual = trimesh.visual.TextureVisuals(uv=uv, image=texture)
    coloured.visual.vertex_colors = np.arange(32).reshape(8, 4)
    ways = {
        "gltf": [(textured, "a.glb", {}), (coloured, "b.glb", {})],
        "obj": [(textured, "a.obj", {}), (coloured, "b.obj", {})],
        "ply": [(coloured, "a.ply", {}), (textured, "b.ply", {"encoding": "ascii"})],
        "stl": [(mesh, "a.stl", {}), (mesh, "b.stl", {"file_type": "stl_ascii"})],
    }
    for shape, name, how in ways.get(adapter, ()):
        shape.export(folder / name, **how)
    if adapter == "gltf":
        sys.path.insert(0, str(Path(__file__).parents[1]))
        from tests.adapters import meshes as made

        made.bar().save(folder / "c.glb")


def captures(folder: Path, adapter: str) -> None:
    """Valid files of the formats that adapters of pictures and splats read."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.adapters import captures as made
    from tests.adapters import splat_files

    ring = [made.frame(x) for x in made.turns(6)]
    if adapter == "splats":
        splat_files.write_ply(folder / "a.ply", splat_files.random_rows(40, 1))
        splat_files.write_ply(folder / "b.ply", splat_files.random_rows(20, 0), "ascii")
        one = ((0, 0, 0), (0.1, 0.2, 0.1), (200, 30, 30, 255), (255, 128, 128, 128))
        splat_files.write_splat(folder / "c.splat", *[one] * 20)
    elif adapter == "pictures":
        made.ring_folder(folder / "a", 6)
        made.blender(folder / "b", made.turns(6))
    elif adapter == "gpteval3d":
        made.ring_folder(folder / "0", 7, closed=True, name="rgb_{}.png")
    elif adapter == "threestudio":
        made.trial(folder / "a-corgi@20240101-000000")
    elif adapter == "video":
        for name in ("a.gif", "b.webp"):
            made.animation(folder / name, ring)
        made.film(folder / "c.mp4", [x[..., :3] for x in ring])


def inputs(valid: list[Path], place: Path, draw: random.Random) -> Iterator[Path]:
    """Broken copies of valid files, one after the other; of a folder one of its files is broken."""
    while True:
        seed = draw.choice(valid)
        target = place / seed.name
        if target.is_dir():
            shutil.rmtree(target)
        if seed.is_dir():
            shutil.copytree(seed, target)
            files = sorted(x for x in target.rglob("*") if x.is_file())
            broken = draw.choice(files)
            broken.write_bytes(mutated(broken.read_bytes(), draw))
        else:
            target.write_bytes(mutated(seed.read_bytes(), draw))
        yield target


def peak() -> float:
    """Megabytes that this process has held at most."""
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found / 2**20 if sys.platform == "darwin" else found / 2**10


def beside(valid: list[Path], place: Path, reads: Callable[[Path], bool]) -> list[Path]:
    """Those of the valid paths that the adapter reads; the others, such as textures, are laid beside the inputs."""
    assets = [path for path in valid if reads(path)]
    for path in valid:
        if path not in assets and path.is_file():
            shutil.copy(path, place)
    if not assets:
        raise SystemExit("no valid files: give a folder of some by --seeds")
    return assets


def fuzz(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Feed the adapter until the time is over."""
    from esd_bench import plugins

    adapter = plugins.load("adapters", given.adapter)
    source, place = given.seeds or folder / "valid", folder / "broken"
    place.mkdir()
    if not given.seeds:
        source.mkdir()
        cubes(source, given.adapter)
        captures(source, given.adapter)
    reads = sys.modules[adapter.__module__].reads
    valid = beside(sorted(source.iterdir()), place, reads)
    for path in valid:
        adapter(path)
    found: Counter[str] = Counter()
    start, before, slowest = time.monotonic(), peak(), 0.0
    for path in inputs(valid, place, random.Random(given.seed)):
        began = time.monotonic()
        if began > start + 60 * given.minutes:
            break
        signal.setitimer(signal.ITIMER_REAL, given.seconds)
        try:
            found["an asset" if outcome(adapter, path) == "an asset" else "a ValueError"] += 1
            assert time.monotonic() - began < given.seconds, "too long"
            assert peak() < before + given.megabytes, f"{peak() - before:.0f} MB more"
        except BaseException:
            kept = Path(tempfile.mkdtemp(prefix="fuzz-")) / path.name
            (shutil.copytree if path.is_dir() else shutil.copy)(path, kept)
            print(f"input {found.total() + 1} is kept as {kept}", file=sys.stderr)
            raise
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        slowest = max(slowest, time.monotonic() - began)
    return {
        "adapter": given.adapter,
        "inputs": found.total(),
        **found,
        "minutes": given.minutes,
        "seed": given.seed,
        "slowest (s)": round(slowest, 3),
        "memory (MB)": round(peak() - before),
    }


def _run(given: argparse.Namespace) -> dict[str, Any]:
    """One process."""
    signal.signal(signal.SIGALRM, _stop)
    with tempfile.TemporaryDirectory() as folder:
        return fuzz(given, Path(folder))


def summed(each: list[dict[str, Any]]) -> dict[str, Any]:
    """What processes found together: inputs and minutes added, the slowest and largest of all."""
    first, ways = each[0], {"slowest (s)": max, "memory (MB)": max}
    numbers = {x for found in each for x in found} - {"adapter", "seed"}
    together = {x: ways.get(x, sum)(found.get(x, 0) for found in each) for x in sorted(numbers)}
    return {"adapter": first["adapter"], "seed": first["seed"], "processes": len(each), **together}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("adapter")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seeds", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--jobs", type=int, default=1, help="processes, of a seed and of minutes each"
    )
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--megabytes", type=float, default=1000.0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with ProcessPoolExecutor(given.jobs, get_context("spawn")) as pool:
        seeds = range(given.seed, given.seed + given.jobs)
        each = pool.map(_run, [argparse.Namespace(**{**vars(given), "seed": x}) for x in seeds])
        found = summed(list(each))
    print(json.dumps(found))
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
