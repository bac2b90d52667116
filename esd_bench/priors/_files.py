"""Where the parts of a diffusers folder are, and the SHA-256 of what is loaded."""

import hashlib
import json
import re
from functools import lru_cache
from pathlib import Path

PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
"""The subfolders of a Stable-Diffusion-family folder that are read."""
_EMBEDDED = ("embedded", "embedded-biased")
_VARIANTS = ("fp16", "non_ema", "ema_only", "pruned")


def locate(folder: str, revision: str = "") -> dict[str, Path]:
    """The folder of each part: of shipped weights by name, of a local folder, or of a hub id, which is downloaded.

    Raises:
        ValueError: one line that says what is missing.
    """
    if folder in _EMBEDDED:
        return _shipped(folder)
    root = Path(folder).expanduser()
    if not root.is_dir():
        root = _download(folder, revision)
    missing = [part for part in PARTS if not (root / part).is_dir()]
    if missing:
        raise ValueError(
            f"{folder} is no Stable Diffusion folder: it has no subfolder {missing[0]!r}"
        )
    return {part: root / part for part in PARTS}


def _shipped(name: str) -> dict[str, Path]:
    from esd_bench.embedded.weights import components

    try:
        return {part: Path(path) for part, path in components(name).items()}
    except OSError as error:
        raise ValueError(f"cannot load the prior {name!r}: {error}") from None


def _download(folder: str, revision: str) -> Path:
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", folder):
        raise ValueError(f"no folder {folder!r}; shipped weights are: {', '.join(_EMBEDDED)}")
    from huggingface_hub import snapshot_download

    wanted = [f"{part}/*.{end}" for part in PARTS for end in ("json", "txt", "safetensors")]
    unwanted = [f"*.{variant}.*" for variant in _VARIANTS]
    try:
        found = snapshot_download(
            folder, revision=revision or None, allow_patterns=wanted, ignore_patterns=unwanted
        )
    except Exception as error:
        why = str(error).strip().split("\n")[0]
        raise ValueError(f"no folder {folder!r}, and not from the hub: {why}") from None
    return Path(found)


def digests(parts: dict[str, Path]) -> dict[str, str]:
    """``part/file`` -> SHA-256 of every file that loading the parts reads."""
    return {
        f"{part}/{path.name}": sha256(path)
        for part, root in sorted(parts.items())
        for path in sorted(root.iterdir())
        if path.suffix in (".json", ".txt") or path in _weights(root)
    }


def _weights(root: Path) -> list[Path]:
    """The safetensors that diffusers and transformers pick: shards of an index, or the file without a variant."""
    for index in root.glob("*.safetensors.index.json"):
        if len(index.name.split(".")) == 4:
            names = json.loads(index.read_text())["weight_map"].values()
            return sorted({root / name for name in names})
    return [path for path in root.glob("*.safetensors") if path.name.count(".") == 1]


def sha256(path: Path) -> str:
    """SHA-256 of a file, remembered as long as its size and time of change stay."""
    stat = path.stat()
    return _sha256(str(path.resolve()), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4096)
def _sha256(path: str, size: int, changed: int) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def combined(files: dict[str, str], extra: str = "") -> str:
    """One SHA-256 over names, digests and ``extra``."""
    lines = [f"{name} {digest}" for name, digest in sorted(files.items())]
    return hashlib.sha256("\n".join([*lines, extra]).encode()).hexdigest()
