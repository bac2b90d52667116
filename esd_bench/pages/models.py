"""3-D models as scripts: a page opened from disk may not read a file beside it, but it may run one."""

import base64
from pathlib import Path

from esd_bench.pages.assets import Asset, hashed
from esd_bench.pages.folder import Folder, human

LIMIT = 16 * 2**20
"""Bytes up to which a GLB is shown in the page; as text in a script it is a third larger."""


def model(asset: Asset, folder: Folder) -> tuple[str, str]:
    """The name of the model's script in the report, and why there is none; both may be ""."""
    path = asset.model
    if path is None:
        return "", ""
    stat = path.stat()
    if stat.st_size > LIMIT:
        return (
            "",
            f"its model of {human(stat.st_size)} is over the {human(LIMIT)} that a page shows",
        )
    name = f"models/{hashed(asset.id, stat.st_size, stat.st_mtime_ns)}.js"
    if not folder.has(name):
        folder.write(name, _script(name, path))
    return name, ""


def _script(name: str, path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f'report.models["{Path(name).stem}"]="{data}";\n'
