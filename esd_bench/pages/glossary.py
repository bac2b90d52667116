"""The glossary: what the metrics' own docstrings and docs/metrics_traps.md say, read from there, so never a second copy."""

import ast
import inspect
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from markdown_it import MarkdownIt
from markupsafe import Markup

PACKAGE = Path(__file__).parents[1]
TRAPS = "metrics_traps.md"


@dataclass(frozen=True)
class Entry:
    """One function of a metric: an anchor, its name, the scores that it makes, and its docstring as HTML."""

    id: str
    name: str
    scores: tuple[str, ...]
    text: Markup


@dataclass(frozen=True)
class Section:
    """One metric's file."""

    id: str
    title: str
    text: Markup
    entries: tuple[Entry, ...]


def sections() -> list[Section]:
    """The metrics' files by name. Parsed, not imported: that would need torch."""
    files = sorted((PACKAGE / "metrics").glob("[!_]*.py"))
    return [_section(path) for path in files]


def anchors(found: list[Section]) -> dict[str, str]:
    """Score -> the anchor of what explains it."""
    return {score: entry.id for part in found for entry in part.entries for score in entry.scores}


def traps() -> Markup:
    """docs/metrics_traps.md, its headings one level lower; links into the repository lead nowhere here, and are words."""
    packaged = Path(str(resources.files("esd_bench"))) / "_data" / "docs" / TRAPS
    path = packaged if packaged.is_file() else PACKAGE.parent / "docs" / TRAPS
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    words = re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]+\)", r"\1", text)
    return _html(re.sub(r"^#", "##", words, flags=re.MULTILINE))


def _section(path: Path) -> Section:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    makers = _makers(tree, path.stem)
    entries = [
        Entry(f"f-{path.stem}-{node.name}", node.name, tuple(makers[node.name]), _docstring(node))
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name in makers and ast.get_docstring(node)
    ]
    return Section(f"m-{path.stem}", path.stem, _docstring(tree), tuple(entries))


def _makers(tree: ast.Module, own: str) -> dict[str, list[str]]:
    """Function -> the scores that it explains: that of its name, or whose value it is (``Score("iq", quality(p), ...)``).

    The file's own function explains what no other does.
    """
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    aliases, found = _aliases(tree), dict[str, list[str]]({own: []})
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and _called(node) == "Score" and len(node.args) > 1):
            continue
        name, value = node.args[:2]
        if isinstance(name, ast.Constant):
            used = [aliases.get(x.id, x.id) for x in ast.walk(value) if isinstance(x, ast.Name)]
            maker = next(
                (x for x in (str(name.value), *used) if x in functions and x[0] != "_"), own
            )
            found.setdefault(maker, []).append(str(name.value))
    return found


def _called(node: ast.expr) -> str:
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def _aliases(tree: ast.Module) -> dict[str, str]:
    """Variable -> the function that it was computed by: ``n, ig = len(p), gain(p)`` reads as ig -> gain."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            targets, values = _parts(node.targets[0]), _parts(node.value)
            for target, value in zip(targets, values, strict=False):
                if isinstance(target, ast.Name) and _called(value):
                    found[target.id] = _called(value)
    return found


def _parts(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def _docstring(node: ast.Module | ast.FunctionDef) -> Markup:
    """A docstring without its arguments, errors and examples."""
    text = inspect.cleandoc(ast.get_docstring(node) or "")
    text = re.split(r"^(?:Args|Raises|Returns|Attributes):|^>>>", text, flags=re.MULTILINE)[0]
    return _html(re.sub(r":\w+:`[~.]?([^`]+)`", r"`\1`", text))


def _html(text: str) -> Markup:
    """Markdown as HTML; tables that are wider than the page scroll by themselves."""
    made = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    frame = '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>'
    return Markup(made.replace("<table>", frame).replace("</table>", "</table></div>"))
