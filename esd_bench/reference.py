"""The reference cache: pictures that a prior makes of a prompt, stored by everything that decides their pixels.

    reference_cache/<prompt>-<key>/  000.png ... manifest.json

A set is made in ``.<name>.partial`` beside it, picture by picture, and renamed into place when its manifest is written.
Two things are left out of the key on purpose: the size of the pictures, which the prior's digest fixes, and the device and
library versions, which move last bits only and stand in the manifest.
"""

import fcntl
import hashlib
import importlib.metadata
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from esd_bench import __version__
from esd_bench.files import aside
from esd_bench.prompts import slug
from esd_bench.spec import canonical
from esd_bench.store import read_json, write_json
from esd_bench.types import Images

BATCH = 16
"""Pictures per call of ``sample``, always full: a picture must not depend on how many were asked for."""
SAMPLER = 1
"""Rises when our own sampling code changes pixels."""
ENVIRONMENT = "ESD_BENCH_REFERENCES"


def default_root() -> Path:
    """``$ESD_BENCH_REFERENCES``, or ``reference_cache`` in the working folder."""
    return Path(os.environ.get(ENVIRONMENT) or "reference_cache")


@runtime_checkable
class Sampler(Protocol):
    """What is asked of a prior here: a part of :class:`esd_bench.priors.Prior`."""

    name: str
    digest: str
    files: Mapping[str, str]
    device: torch.device

    def sample(
        self, texts: Sequence[str], seeds: Sequence[int], scale: float = 7.5, steps: int = 25
    ) -> Images:
        """Pictures of texts, one seed each."""
        ...


@dataclass(frozen=True)
class Recipe:
    """What decides the pixels of a reference set.

    Attributes:
        prior: the prior's digest.
        text: the prompt, without view words.
        n: how many pictures.
        scale: guidance.
        steps: of DDIM.
        seed: of the first picture; the others count up.
    """

    prior: str
    text: str
    n: int = 48
    scale: float = 7.5
    steps: int = 25
    seed: int = 0
    sampler: int = SAMPLER

    @property
    def key(self) -> str:
        """SHA-256 of all of it."""
        return hashlib.sha256(canonical(asdict(self)).encode()).hexdigest()

    @property
    def pool(self) -> str:
        """The same without the prompt: equal where numbers of different prompts may stand in one column."""
        rest = {k: v for k, v in asdict(self).items() if k != "text"}
        return hashlib.sha256(canonical(rest).encode()).hexdigest()

    @property
    def folder(self) -> str:
        """Name of the set's folder."""
        return f"{slug(self.text)}-{self.key[:16]}"


@dataclass(frozen=True)
class Reference:
    """A finished set on disk."""

    path: Path
    recipe: Recipe
    files: dict[str, str]
    provenance: dict[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 over the SHA-256 of every file."""
        return hashlib.sha256(canonical(self.files).encode()).hexdigest()

    def pictures(self) -> UInt8[Tensor, "n 3 h w"]:
        """All pictures.

        Raises:
            ValueError: naming the file that is missing or has changed.
        """
        for problem in self.problems():
            raise ValueError(problem)
        arrays = [
            np.array(Image.open(self.path / name).convert("RGB")) for name in sorted(self.files)
        ]
        return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()

    def problems(self) -> Iterator[str]:
        """One line for every file that is missing, has changed, or does not belong here."""
        if self.path.name != self.recipe.folder or len(self.files) != self.recipe.n:
            yield f"{self.path} holds another set than its manifest says"
        for name, expected in sorted(self.files.items()):
            found = _sha256(self.path / name)
            if found != expected:
                yield f"{self.path / name} {'is missing' if found is None else 'has changed'}"
        for path in sorted(self.path.iterdir()):
            if path.name not in self.files and path.name != "manifest.json":
                yield f"{path} does not belong there"


def build(
    prior: Sampler,
    text: str,
    n: int = 48,
    *,
    scale: float = 7.5,
    steps: int = 25,
    seed: int = 0,
    root: Path | str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Reference:
    """The reference set of a prompt: found, or made; interrupted work is taken up where it stopped.

    Args:
        prior: who makes the pictures.
        text: the prompt, without view words.
        n: how many.
        scale: guidance.
        steps: of DDIM.
        seed: of the first picture.
        root: the cache; None is :func:`default_root`.
        progress: told how many pictures there are, of how many.
    """
    if n < 1:
        raise ValueError(f"a reference set needs at least one picture, not {n}")
    recipe = Recipe(prior.digest, text, n, float(scale), steps, seed)
    base = default_root() if root is None else Path(root)
    path = base / recipe.folder
    if found := get(recipe, base):
        return found
    with _held(path.with_name(f".{path.name}.partial")) as partial:
        # Another process may have finished it while we waited.
        if not (found := get(recipe, base)):
            size = _sample(prior, recipe, partial, progress or (lambda done, of: None))
            write_json(partial / "manifest.json", _manifest(prior, recipe, partial, size))
            partial.rename(path)
            return load(path)
        partial.rmdir()
    return found


def _sample(
    prior: Sampler, recipe: Recipe, folder: Path, progress: Callable[[int, int], None]
) -> list[int]:
    """Make the pictures that are not there yet; returns their height and width."""
    for half in folder.glob(".*"):
        half.unlink()
    for start in range(0, recipe.n, BATCH):
        names = {i: folder / f"{i:04d}.png" for i in range(start, min(start + BATCH, recipe.n))}
        if not all(path.is_file() for path in names.values()):
            seeds = [recipe.seed + i for i in range(start, start + BATCH)]
            rgb = prior.sample([recipe.text] * BATCH, seeds, recipe.scale, recipe.steps)
            pixels = (rgb.detach().float().cpu().clamp(0, 1) * 255 + 0.5).floor().to(torch.uint8)
            for i, path in names.items():
                _save(pixels[i - start], path)
        progress(min(start + BATCH, recipe.n), recipe.n)
    with Image.open(folder / "0000.png") as first:
        return [first.height, first.width]


def _save(pixels: UInt8[Tensor, "3 h w"], path: Path) -> None:
    with aside(path) as beside:
        Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy()).save(beside, format="PNG")


def _manifest(prior: Sampler, recipe: Recipe, folder: Path, size: list[int]) -> dict[str, Any]:
    versions = {
        name: importlib.metadata.version(name) for name in ("torch", "diffusers", "transformers")
    }
    return {
        "recipe": asdict(recipe),
        "files": {path.name: _sha256(path) for path in sorted(folder.glob("*.png"))},
        "provenance": {
            "prior": prior.name,
            "prior_files": dict(prior.files),
            "size": size,
            "device": str(prior.device),
            "versions": {"esd-bench": __version__, **versions},
        },
    }


@contextmanager
def _held(folder: Path) -> Iterator[Path]:
    """A partial folder that this process alone works on; others wait."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.with_suffix(".lock")
    while True:
        with path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _same(lock.fileno(), path):
                continue  # its owner removed it while we waited
            try:
                folder.mkdir(exist_ok=True)
                yield folder
            finally:
                path.unlink()
            return


def _same(descriptor: int, path: Path) -> bool:
    try:
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


def get(recipe: Recipe, root: Path | str | None = None) -> Reference | None:
    """The finished set of a recipe, or None."""
    path = (default_root() if root is None else Path(root)) / recipe.folder
    return load(path) if (path / "manifest.json").is_file() else None


def load(path: Path) -> Reference:
    """A finished set from its folder.

    Raises:
        ValueError: when its manifest is broken.
    """
    value = read_json(path / "manifest.json")
    try:
        recipe = Recipe(**value["recipe"])
        return Reference(path, recipe, dict(value["files"]), dict(value["provenance"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path / 'manifest.json'} is not a manifest: {error}") from None


def sets(root: Path | str | None = None) -> list[Reference]:
    """All finished sets of a cache, by folder name."""
    base = default_root() if root is None else Path(root)
    return [load(path.parent) for path in sorted(base.glob("[!.]*/manifest.json"))]


def verify(root: Path | str | None = None) -> list[str]:
    """One line for everything that is wrong in a cache; none where every byte is as it was written."""
    base = default_root() if root is None else Path(root)
    found: list[str] = []
    for path in sorted(base.glob("[!.]*/")):
        try:
            found += load(path).problems()
        except ValueError as error:
            found.append(str(error))
    return found


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
