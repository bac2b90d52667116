"""Which assets there are, whose they are, and what they should show."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from esd_bench.adapters import NO_SEED, Entry
from esd_bench.ingest._reading import adapter_of, entries
from esd_bench.paths import by_number, inside
from esd_bench.prompts import Prompt

COLUMNS = ("path", "method", "prompt", "seed")
MESHES = ("gltf", "obj", "ply", "stl")
"""Adapters of files beside which a folder of pictures holds their textures."""
BESIDE = (
    *(".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tga", ".tif", ".tiff", ".mtl", ".bin"),
    *(".txt", ".md", ".pdf", ".html", ".json", ".jsonl", ".csv", ".yaml", ".yml", ".log"),
)
"""Endings of what lies beside assets: textures, buffers and notes."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Item:
    """One asset.

    Attributes:
        path: a file or folder; None where the method made nothing.
        method: the name of who made it.
        prompt: what it should show.
        seed: tells assets of one method and prompt apart; :data:`NO_SEED` is not yet given.
        guessed: whether the prompt is the file's name.
    """

    path: Path | None
    method: str
    prompt: Prompt
    seed: int = NO_SEED
    guessed: bool = False


def of_path(
    path: Path,
    method: str | None,
    prompt: str | None,
    seed: int,
    suite: Sequence[Prompt] = (),
) -> list[Item]:
    """The asset at a path, or all assets in a folder; a tree of many says whose they are, and of which seed.

    Args:
        path: an asset, a folder of assets, or a tree such as GPTEval3D's.
        method: whose they are; None is what a tree says.
        prompt: what all of them show; None is what a tree says, or the files' names.
        seed: the first, where a tree gives none.
        suite: the prompts that a tree's numbers or ids mean.

    Raises:
        ValueError: when there is none, or the method's name is missing or would not do.
    """
    items = []
    for place in _assets(path):
        listed = entries(place)
        items += [_entry(x, method, prompt, suite) for x in listed]
        if not listed:
            name = named(method or "")
            words = Prompt(prompt) if prompt else _meant(said(place), suite)
            items.append(Item(place, name, words, guessed=not prompt))
    if not items:
        raise ValueError(
            f"no asset in {path}: `esd-bench list adapters` says what is read; "
            "for assets in its subfolders write a manifest"
        )
    return seeded(items, seed)


def _entry(found: Entry, method: str | None, prompt: str | None, suite: Sequence[Prompt]) -> Item:
    """An asset of a tree."""
    words = prompt or found.prompt
    meant = Prompt(prompt) if prompt else _meant(words or said(found.path), suite)
    bare = not prompt and " " not in words and meant.text == words
    return Item(found.path, named(method or found.method), meant, found.seed, guessed=bare)


def _meant(words: str, suite: Sequence[Prompt]) -> Prompt:
    """The prompt of a suite that is meant by its id, its text or its number in the list; else the words themselves."""
    for prompt in suite:
        if words in (prompt.id, prompt.text, prompt.source.rpartition("/")[2]):
            return prompt
    if suite:
        raise ValueError(f"{words!r} is no prompt of the suite, by id, text or number")
    return Prompt(words)


def _assets(path: Path) -> list[Path]:
    """The assets at a path, or in a folder that is none itself."""
    if not path.exists():
        raise ValueError(f"no file or folder {path}")
    if not path.is_dir():
        return [path]
    readers = {x: adapter_of(x) for x in _visible(path)}
    found = [x for x, reader in readers.items() if reader]
    # A folder of meshes and their textures is no asset of pictures.
    if not any(x.is_file() for x in found) and adapter_of(path):
        return [path]
    if any(reader in MESHES for x, reader in readers.items() if x.is_file()):
        found = [x for x in found if not (x.is_dir() and readers[x] == "pictures")]
    return found


def passed_over(path: Path) -> list[Path]:
    """What lies in a folder of assets and is neither one of them nor what often lies beside them."""
    assets = set(_assets(path))
    if not path.is_dir() or path in assets:
        return []
    rest = [x for x in _visible(path) if x not in assets]
    return [x for x in rest if x.is_dir() or x.suffix.lower() not in BESIDE]


def _visible(folder: Path) -> list[Path]:
    """What is not hidden in a folder, by number."""
    inside = (x for x in folder.iterdir() if x.name[0] != ".")
    return sorted(inside, key=lambda x: by_number(x.name))


def said(path: Path) -> str:
    """A file's name as a prompt: ``a_red_cat.glb`` is "a red cat".

    Raises:
        ValueError: when no word is left.
    """
    stem = path.stem if path.is_file() else path.resolve().name
    text = " ".join(re.split(r"[_\-\s]+", stem)).strip()
    if not text:
        raise ValueError(f"{path.name} is no prompt; say it by --prompt or a manifest")
    return text


def of_manifest(path: Path, method: str | None, seed: int) -> list[Item]:
    """The assets of a CSV or JSONL file with the columns path, method, prompt and seed; the last may be absent.

    A row with an empty path says that the method made nothing of the prompt.

    Raises:
        ValueError: for a broken manifest, naming the line.
    """
    items = []
    for number, row in _rows(path):
        try:
            items.append(_item(row, path.absolute().parent, method))
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
    if not items:
        raise ValueError(f"{path} lists no assets")
    return seeded(items, seed)


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    if path.suffix.lower() == ".jsonl":
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield number, _object(line, f"{path}, line {number}")
        return
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        yield from ((reader.line_num, row) for row in reader)
    except csv.Error as error:
        raise ValueError(f"{path} is not CSV: {error}") from None


def _object(line: str, where: str) -> Mapping[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ValueError(f"{where} is not a JSON object")
    return value


def _item(row: Mapping[str, Any], folder: Path, method: str | None) -> Item:
    if None in row:  # of the csv module: cells beyond the columns
        raise ValueError('more cells than columns; a prompt with a comma stands in "double quotes"')
    unknown = [key for key in row if key not in COLUMNS]
    if unknown:
        raise ValueError(f"columns are {', '.join(COLUMNS)}, not {str(unknown[0])[:60]!r}")
    if "path" not in row:
        raise ValueError("no path; an empty one says that the method made nothing")
    cells = {key: "" if row.get(key) is None else str(row[key]).strip() for key in COLUMNS}
    name = cells["method"] or method or ""
    if not cells["prompt"]:
        raise ValueError("a row needs a prompt")
    digits = cells["seed"]
    if digits and not (digits.isdecimal() and len(digits) < 19):
        raise ValueError(f"a seed is a whole number from 0, not {digits!r}")
    path = folder / cells["path"] if cells["path"] else None
    if path:
        inside(folder, path)
    return Item(path, named(name), Prompt(cells["prompt"]), int(digits) if digits else NO_SEED)


def named(method: str) -> str:
    """The name of a method, which becomes part of a folder's.

    Raises:
        ValueError: for other characters than letters, digits, dash, underscore and dot.
    """
    if not method:
        raise ValueError("--method NAME: who made the assets?")
    if not NAME.fullmatch(method) or method.endswith((".py", ".")):
        raise ValueError(
            f"a method's name is letters, digits, - _ and ., and no .py file, not {method!r}"
        )
    return method


def seeded(items: Iterable[Item], first: int) -> list[Item]:
    """The items with seeds counted up from ``first`` where none is given.

    Raises:
        ValueError: when two assets of a method and prompt have one seed.
    """
    known = list(items)
    taken: set[tuple[str, str, int]] = set()
    for item in known:
        if item.seed >= 0 and _key(item, item.seed) in taken:
            raise ValueError(
                f"two assets of {item.method} for {item.prompt.text!r} have the seed {item.seed}"
            )
        taken |= {_key(item, item.seed)} if item.seed >= 0 else set()
    made = []
    for item in known:
        seed = item.seed if item.seed >= 0 else first
        while item.seed < 0 and _key(item, seed) in taken:
            seed += 1
        taken.add(_key(item, seed))
        made.append(replace(item, seed=seed))
    return made


def _key(item: Item, seed: int) -> tuple[str, str, int]:
    # As the store sees them: names that differ in - and _ only would share a folder.
    return item.method.replace("-", "_"), item.prompt.id, seed
