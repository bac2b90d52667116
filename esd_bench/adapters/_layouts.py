"""How the folders of others look, as far as it takes to tell them apart."""

import re
from contextlib import suppress
from pathlib import Path

DEPTH = 4
"""How far below a folder its assets may lie."""
CAMERAS = ("cameras.json", "transforms.json", "cameras.csv")
"""Files of cameras; pictures beside or below them are what these say."""
_RGB = re.compile(r"rgb_[0-9]+\.(png|jpg|jpeg|webp)", re.IGNORECASE)


def cameras_in(folder: Path) -> str:
    """Name of the file of cameras in a folder, or ""."""
    return next((name for name in CAMERAS if (folder / name).is_file()), "")


def is_gpteval3d(folder: Path) -> bool:
    """Whether it directly holds ``rgb_0.png`` and the like, and no cameras."""
    with suppress(OSError):
        return not cameras_in(folder) and any(_RGB.fullmatch(x.name) for x in folder.iterdir())
    return False


def is_trial(folder: Path) -> bool:
    """Whether it is a trial of threestudio."""
    with suppress(OSError):
        return (folder / "configs" / "parsed.yaml").is_file()
    return False
