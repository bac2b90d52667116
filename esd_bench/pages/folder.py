"""The folder that a report is written into: whole files only, what is unchanged stays, what is out of date goes."""

import json
from pathlib import Path

from esd_bench.files import aside

MARK = "report.json"
PARTS = {
    "strips": ".webp",
    "thumbs": ".webp",
    "models": ".js",
    "prompts": ".html",
    "downloads": "",
    "static": "",
}
"""Subfolders that belong to a report alone, and how their files end."""


class Folder:
    """A report in the making.

    Args:
        root: the folder; it may be missing, empty, or hold a report, whose unchanged files are kept.

    Raises:
        ValueError: when it holds anything else.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.files, self.fresh = root, dict[str, int](), 0
        if root.is_file() or (root.is_dir() and any(root.iterdir()) and not _ours(root)):
            raise ValueError(f"{root} holds something that is no report; choose an empty folder")
        root.mkdir(parents=True, exist_ok=True)
        # First of all, so that a build that is stopped here can go on.
        self._replace(root / MARK, b'{"made by": "esd-bench report --html"}\n')
        for name in PARTS:
            (root / name).mkdir(exist_ok=True)

    @property
    def size(self) -> int:
        """Bytes of everything so far."""
        return sum(self.files.values())

    def has(self, name: str) -> bool:
        """Whether a file is there, whose name says what is in it; it then belongs to the report."""
        path = self.root / name
        if not path.is_file():
            return False
        self.files[name] = path.stat().st_size
        return True

    def write(self, name: str, content: str | bytes) -> None:
        """Put a file in its place in one step; an equal one is not touched."""
        data = content.encode() if isinstance(content, str) else content
        path = self.root / name
        if not (path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data):
            self._replace(path, data)
        self.files[name] = len(data)

    def _replace(self, path: Path, data: bytes) -> None:
        with aside(path) as beside:
            beside.write_bytes(data)
        self.fresh += 1

    def tidy(self) -> None:
        """Remove what earlier builds left, and this one did not name."""
        for part, ending in PARTS.items():
            for path in (self.root / part).iterdir():
                if (
                    path.is_file()
                    and path.name.endswith(ending)
                    and f"{part}/{path.name}" not in self.files
                ):
                    path.unlink()


def _ours(root: Path) -> bool:
    try:
        return "made by" in dict(json.loads((root / MARK).read_text()))
    except (OSError, TypeError, ValueError):
        return False


def human(size: float) -> str:
    """Bytes as people say them."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit != "MB" else f"{size:.1f} MB"
        size /= 1000
    return f"{size:.2f} GB"
