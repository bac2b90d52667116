"""Files that come with an asset: read whole, from its own folder only, and no larger than was said."""

import base64
import binascii
import hashlib
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from esd_bench.adapters import Refused
from esd_bench.paths import inside

GIGABYTE = 2**30
LONG = 300
"""Most characters of what is said of a file."""
DATA = 2**26
"""Most bytes of a data URI."""


@contextmanager
def broken_means_value_error() -> Iterator[None]:
    """Whatever a parser stumbles over in a broken file becomes a ValueError of one line."""
    try:
        yield
    except Refused as error:
        raise Refused(_line(error)) from None
    except ValueError as error:
        raise ValueError(_line(error)) from None
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(f"the file is broken ({type(error).__name__}: {_line(error)})") from None


def _line(error: Exception) -> str:
    """One line of bounded length, for a file may name things at length."""
    return " ".join(str(error).split())[:LONG]


def read(path: Path, limit: int = GIGABYTE) -> bytes:
    """A file's bytes.

    Raises:
        ValueError: when it can't be read, or is no ordinary file.
        Refused: when it is larger than the limit.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{path.name} is not an ordinary file")
        if found.st_size > limit:
            raise Refused(
                f"{path.name} has {found.st_size} bytes, more than {limit}; --set max_bytes=N allows more"
            )
        with path.open("rb") as file:
            return file.read(limit)
    except OSError as error:
        raise ValueError(f"cannot read {path.name}: {error.strerror}") from None


class Folder:
    """What lies beside an asset, by the names that the asset has for it.

    Attributes:
        files: path in the folder -> SHA-256 of what has been read.
        left: bytes that may still be worked on: a small file can name a large one, or a part of it, many times.
    """

    def __init__(self, asset: Path, limit: int = GIGABYTE) -> None:
        self.root = asset.absolute().parent.resolve()
        self.limit = self.left = limit
        self.files: dict[str, str] = {}

    def __getitem__(self, name: str) -> bytes:
        """The bytes of a relative path or of a data URI.

        Raises:
            ValueError: for what is not in the folder, not there, or too large.
        """
        if name[:5].lower() == "data:":
            return _data(name)
        place = self._place(name)
        content = read(place, self.limit)
        self.spend(len(content))
        self.files[place.relative_to(self.root).as_posix()] = hashlib.sha256(content).hexdigest()
        return content

    def spend(self, count: int) -> None:
        """Count bytes that are about to be worked on.

        Raises:
            Refused: when they are more than is left.
        """
        self.left -= count
        if self.left < 0:
            raise Refused(
                f"what it names has more than {self.limit} bytes; --set max_bytes=N allows more"
            )

    def _place(self, name: str) -> Path:
        shown = repr(name[:80])
        plain = name.replace("\\", "/")
        if _scheme(plain) or plain.startswith("//"):
            raise ValueError(f"it names {shown}: nothing is fetched from elsewhere")
        if not plain or "\0" in plain or plain.startswith(("/", "~")):
            raise ValueError(f"it names {shown}, which is no path beside it")
        for text in dict.fromkeys((plain, unquote(plain))):
            try:
                place = inside(self.root, text)
            except ValueError as error:
                raise ValueError(f"it names what it may not: {error}") from None
            if place.is_file():
                return place
        raise ValueError(f"it names {shown}, which is not there")


def _scheme(name: str) -> str:
    """The scheme of a URL, or ""; a drive letter counts as one."""
    try:
        return urlsplit(name).scheme
    except ValueError:
        return "unreadable"


def _data(uri: str) -> bytes:
    head, comma, body = uri.partition(",")
    if len(body) > DATA * 4 // 3:
        raise Refused(f"it holds a data URI of more than {DATA} bytes")
    if not comma or not head.endswith(";base64"):
        raise ValueError("it holds a data URI that is not base64")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("it holds a data URI that is not base64") from None
