"""Finds the shipped weights and checks every file's SHA-256 before anything reads it.

``weights/embedded`` is a complete Stable-Diffusion-format folder. ``weights/embedded-biased`` holds only a U-Net and a
``model_index.json``; its other parts are those of ``embedded``. ``export`` writes a complete copy of either.
"""

import hashlib
import json
import shutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from esd_bench.embedded.classifier import Classifier

ROOT = Path(__file__).parent / "weights"
SUMS = "SHA256SUMS.json"
SHARED = "embedded"
PARTS = ("vae", "unet", "text_encoder", "tokenizer", "scheduler")


class WeightsError(ValueError):
    """Shipped weights are missing or are not the bytes that we recorded."""


def sha256(path: Path) -> str:
    """Hexadecimal digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def seal(root: Path = ROOT) -> dict[str, str]:
    """Records the digest of every file below ``root``; the training's last act."""
    files = sorted(p for p in root.rglob("*") if p.is_file() and p.name != SUMS)
    sums = {
        p.relative_to(root).as_posix(): sha256(p) for p in files if ".partial" not in p.as_posix()
    }
    (root / SUMS).write_text(json.dumps(sums, indent=1) + "\n")
    _recorded.cache_clear()
    verified.cache_clear()
    return sums


@cache
def _recorded(root: Path) -> dict[str, str]:
    path = root / SUMS
    if not path.exists():
        raise WeightsError(
            f"no weights in {root}: train them with python -m esd_bench.embedded.train all"
        )
    return dict(json.loads(path.read_text()))


@cache
def verified(part: str, root: Path = ROOT) -> Path:
    """The file or folder ``part`` below ``root``, after its digests were compared (once per process).

    Raises:
        WeightsError: if a file is missing, extra or altered.
    """
    place = root / part
    expected = {
        name: sum_
        for name, sum_ in _recorded(root).items()
        if name == part or name.startswith(f"{part}/")
    }
    present = {
        p.relative_to(root).as_posix()
        for p in ([place] if place.is_file() else place.rglob("*"))
        if p.is_file()
    }
    if not expected or present != set(expected):
        odd = sorted(present ^ set(expected)) or [part]
        raise WeightsError(
            f"embedded weights are incomplete or have strangers among them: {', '.join(odd[:3])}"
        )
    for name, digest in expected.items():
        if sha256(root / name) != digest:
            raise WeightsError(
                f"{root / name} has another SHA-256 than {SUMS} records; install the package again"
            )
    return place


def names(root: Path = ROOT) -> list[str]:
    """The priors that ship."""
    return sorted(n.split("/")[0] for n in _recorded(root) if n.endswith("/unet/config.json"))


def folder(name: str = SHARED, root: Path = ROOT) -> Path:
    """A prior's own folder; complete only for ``embedded``, see :func:`components`."""
    if name not in names(root):
        raise WeightsError(f"no embedded prior {name!r}; there are {', '.join(names(root))}")
    return verified(name, root)


def components(name: str = SHARED, root: Path = ROOT) -> dict[str, Path]:
    """Folders of vae, unet, text_encoder, tokenizer and scheduler, each loadable by ``from_pretrained``."""
    own = folder(name, root)
    return {
        part: own / part if (own / part).is_dir() else verified(f"{SHARED}/{part}", root)
        for part in PARTS
    }


def export(name: str, path: Path, root: Path = ROOT) -> Path:
    """Writes a complete folder that ``diffusers.StableDiffusionPipeline.from_pretrained`` loads."""
    for part, place in components(name, root).items():
        shutil.copytree(place, path / part, dirs_exist_ok=True)
    shutil.copy(folder(name, root) / "model_index.json", path / "model_index.json")
    return path


def clip_folder(root: Path = ROOT) -> Path:
    """The open_clip folder, for ``local-dir:``."""
    return verified("clip", root)


def classifier(root: Path = ROOT) -> "Classifier":
    """The classifier and pose oracle, in float32 and evaluation mode."""
    from safetensors.torch import load_file

    from esd_bench.embedded.classifier import Classifier

    model = Classifier()
    model.load_state_dict(load_file(verified("classifier", root) / "model.safetensors"))
    return model.float().eval().requires_grad_(False)
