"""Every picture through every network once: which network fills a role, and a cache of what it answered.

A cache entry is the answer to a whole set of pictures: its key is the digest of their bytes, in order, and the digest of
the network. So a number depends on its own asset only, to the last bit, whatever else is scored beside it.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from esd_bench.embedders import Embedder
from esd_bench.files import aside
from esd_bench.metrics import ROLES
from esd_bench.spec import Choice

EMBEDDED = ("embedded", "embedded-biased")
"""Names of the priors that ship: what they make is judged by networks of their own world."""
READS = {"clip": "image", "classifier": "probs", "features": "features", "oracle": "azimuth"}
"""The output that a network must have to fill a role."""
TEXTS = 4096
"""Embeddings of texts that are held at once: a suite's prompts, in all wordings."""
WEIGHTS = (".py", ".pt", ".pth", ".bin", ".safetensors")


def is_embedded(prior: Choice) -> bool:
    """Whether a prior is one of those that ship, by name or by a folder of that name."""
    named = [prior.title, *(str(value) for _, value in prior.options)]
    return any(name.rstrip("/").rsplit("/", 1)[-1] in EMBEDDED for name in named)


def defaults(prior: Choice) -> dict[str, Choice]:
    """The networks that fill the roles for pictures of a prior; a role without any is left out.

    Real priors have no pose oracle: nobody has published one.
    """
    if is_embedded(prior):
        judge = Choice.of("embedders", "embedded")
        clip = Choice.of("embedders", "clip", {"model": "embedded"})
        return {"clip": clip, "classifier": judge, "features": judge, "oracle": judge}
    judge = Choice.of("embedders", "inception")
    return {"clip": Choice.of("embedders", "clip"), "classifier": judge, "features": judge}


FID_MODES = ("clean", "pytorch", "torchmetrics", "tf1")


def with_fid_mode(networks: Mapping[str, Choice], mode: str) -> dict[str, Choice]:
    """Networks whose FID and KID are those of a library: the 2015 Inception network with that library's resize.

    The role ``features`` is filled by that network in any case, ``classifier`` follows where it is filled by it.

    Raises:
        ValueError: for an unknown mode.
    """
    if mode not in FID_MODES:
        raise ValueError(f"unknown FID mode {mode!r}; use {', '.join(FID_MODES)}")
    changed = {"features": _resizing(networks.get("features"), mode)}
    judge = networks.get("classifier")
    if judge is not None and judge.name == "inception":
        changed["classifier"] = _resizing(judge, mode)
    return {**networks, **changed}


def _resizing(choice: Choice | None, mode: str) -> Choice:
    kept = choice.options if choice is not None and choice.name == "inception" else ()
    return Choice.of("embedders", "inception", {**dict(kept), "resize": mode})


def override(text: str) -> tuple[str, Choice]:
    """A role and its network from ``role=name,option=value,...``.

    >>> role, network = override("clip=clip,model=ViT-B-32,pretrained=openai")
    >>> role, network.name, network.get("model")
    ('clip', 'clip', 'ViT-B-32')

    Raises:
        ValueError: for an unknown role, network or option.
    """
    role, _, rest = text.partition("=")
    name, *pairs = rest.split(",")
    if role not in ROLES or not name:
        raise ValueError(
            f"a network is role=name,option=value with role one of {', '.join(ROLES)}, not {text!r}"
        )
    return role, Choice.of("embedders", name, dict(_pair(pair) for pair in pairs))


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"need option=value, not {text!r}")
    return key, value


class Features:
    """Networks, loaded when first asked, and their answers, cached on disk and shared by all metrics.

    Args:
        folder: of the cache; it may be deleted at any time.
        device: where the networks run.
    """

    def __init__(self, folder: Path, device: torch.device | str = "cpu") -> None:
        self.folder, self.device = folder, torch.device(device)
        self._networks: dict[Choice, Embedder | Exception] = {}
        self._texts: dict[tuple[Choice, str], Tensor] = {}
        self.forwards = 0
        """How many sets of pictures went through a network, for whom the cache had nothing."""

    def network(self, choice: Choice, role: str | None = None) -> Embedder:
        """The network of a choice.

        Raises:
            ValueError, ImportError: when it is not to be had; at once from the second time on.
        """
        if choice not in self._networks:
            try:
                self._networks[choice] = choice.make("embedders", self.device)
            except (ValueError, ImportError, OSError) as error:
                self._networks[choice] = error
        found = self._networks[choice]
        if isinstance(found, Exception):
            raise found
        if role is not None and READS[role] not in found.outputs:
            raise ValueError(f"{found.name} gives no {READS[role]!r}, which the role {role} needs")
        return found

    def of(
        self, choice: Choice, pictures: UInt8[Tensor, "n 3 h w"]
    ) -> dict[str, Float[Tensor, "n _"]]:
        """All outputs of a network for a set of pictures: from the cache, or by one forward."""
        network = self.network(choice)
        path = self.folder / network.digest[:16] / f"{digest(pictures)[:32]}.safetensors"
        found = _read(path, network.outputs)
        if found is None:
            self.forwards += 1
            found = network.images(pictures.float() / 255)
            _write(path, found)
        return found

    def text(self, choice: Choice, text: str) -> Float[Tensor, "1 d"]:
        """The embedding of one text, alone in its batch."""
        if (choice, text) not in self._texts:
            if len(self._texts) >= TEXTS:
                del self._texts[next(iter(self._texts))]
            self._texts[choice, text] = self.network(choice).texts([text])
        return self._texts[choice, text]


def digest(pictures: UInt8[Tensor, "n 3 h w"]) -> str:
    """SHA-256 of a set of pictures, in order."""
    value = hashlib.sha256(str(tuple(pictures.shape)).encode())
    value.update(pictures.contiguous().numpy().tobytes())
    return value.hexdigest()


def bytes_of(rgb: Float[Tensor, "n 3 h w"]) -> UInt8[Tensor, "n 3 h w"]:
    """8-bit pictures, as every network reads them."""
    return (rgb.detach().cpu().clamp(0, 1) * 255 + 0.5).floor().to(torch.uint8)


def stamp(choice: Choice) -> dict[str, Any]:
    """What tells, without loading anything, whether a network may have changed: its files' sizes and times."""
    named = [str(value) for _, value in choice.options]
    files = [path for name in (choice.name, *named) for path in _files(name)]
    if "embedded" in (choice.name, *named):
        files += _all(Path(__file__).with_name("embedded") / "weights")
    return {
        "choice": [choice.name, choice.options],
        "files": [_stat(path) for path in sorted(files)],
    }


def _files(name: str) -> list[Path]:
    """The files that an option names, if it names any: plain words such as ``openai`` are no paths."""
    if not (name.startswith("local-dir:") or "/" in name or Path(name).suffix in WEIGHTS):
        return []
    path = Path(name.removeprefix("local-dir:"))
    return _all(path) if path.is_dir() else [path] * path.is_file()


def _all(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _stat(path: Path) -> tuple[str, int, int]:
    found = path.stat()
    return path.name, found.st_size, found.st_mtime_ns


def _read(path: Path, outputs: tuple[str, ...]) -> dict[str, Tensor] | None:
    try:
        found = load_file(path)
    except (OSError, SafetensorError):
        return None
    return found if set(found) == set(outputs) else None


def _write(path: Path, found: Mapping[str, Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with aside(path) as beside:
            save_file({name: tensor.contiguous() for name, tensor in found.items()}, beside)
    except SafetensorError as error:
        raise OSError(f"cannot write {path}: {error}") from None


Progress = Callable[[int, int, str], None]
"""Told how many are done, of how many, and which is being worked on."""
