import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esd_bench import plugins
from esd_bench.types import Symbol

MINE = '''
"""Mine."""
from esd_bench.methods import NULL, TEXT, Method, cfg


def mine(scale: float = 7.5) -> Method:
    """My own method."""
    return Method(lambda eps: cfg(eps.text, eps.null, scale) - eps.noise, rows=(TEXT, NULL))
'''


def example(
    device: str,
    /,
    whole: int = 3,
    *,
    number: Annotated[float, Symbol("lambda", "λ")] = 0.5,
    word: str = "a",
    yes: bool = True,
    choice: Literal["a", "b"] = "a",
    level: Literal[1, 2] = 1,
    pair: tuple[float, float] = (0.0, 1.0),
    many: tuple[int, ...] = (),
    maybe: float | None = None,
    text: str | None = None,
    anything: Any = None,
) -> None:
    """An example.

    More of it.
    """


def test_the_folder_is_the_list():
    for kind in plugins.KINDS:
        files = Path(plugins.__file__).with_name(kind).glob("[!_]*.py")
        assert plugins.names(kind) == sorted(x.stem for x in files)


def test_dashes_and_underscores_are_one():
    assert plugins.load("methods", "sds") is plugins.load("methods", "sds")
    for name in plugins.names("methods"):
        assert plugins.load("methods", name.replace("_", "-")) is plugins.load("methods", name)


def test_an_unknown_name_lists_the_real_ones():
    with pytest.raises(ValueError, match="no method 'edd'; there are: ") as error:
        plugins.load("methods", "edd")
    assert all(name in str(error.value) for name in plugins.names("methods"))
    with pytest.raises(ValueError, match="no embedder '_network'"):
        plugins.load("embedders", "_network")


def test_a_user_s_own_file(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    function = plugins.load("methods", str(tmp_path / "mine.py"))
    assert plugins.summary(function) == "My own method."
    assert plugins.bind(function, {"scale": "3"}) == {"scale": 3.0}
    (tmp_path / "my-own.py").write_text(MINE.replace("def mine", "def my_own"))
    assert plugins.load("methods", str(tmp_path / "my-own.py")).__name__ == "my_own"


def test_an_edited_file_is_read_again(tmp_path, monkeypatch):
    """Also where byte code could not tell: the size is the same, and so is the second."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "mine.py"
    for scale in (7.5, 2.5):
        path.write_text(MINE.replace("7.5", str(scale)))
        os.utime(path, (1e9, 1e9))
        assert plugins.bind(plugins.load("methods", str(path)), {}) == {"scale": scale}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no file"),
        ("x = 1", r"must define a function mine\(...\)"),
        ("mine = 3", r"must define a function mine\(...\)"),
        ("def mine(:", "does not import: SyntaxError"),
        ("import nowhere_to_be_found", "does not import: ModuleNotFoundError"),
        ("raise RuntimeError('no')", "does not import: RuntimeError: no"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path, content, said):
    if content is not None:
        (tmp_path / "mine.py").write_text(content)
    with pytest.raises(ValueError, match=said) as error:
        plugins.load("methods", str(tmp_path / "mine.py"))
    assert "\n" not in str(error.value)


def test_binding_fills_in_the_defaults_and_leaves_out_what_the_machinery_hands_over():
    bound = plugins.bind(example, {})
    assert list(bound) == list(plugins.options(example))
    assert "device" not in bound
    assert (bound["whole"], bound["number"], bound["pair"]) == (3, 0.5, (0.0, 1.0))


def test_a_second_name_is_accepted():
    assert plugins.symbols(example) == {"number": Symbol("lambda", "λ")}
    assert plugins.bind(example, {"lambda": "1"})["number"] == 1.0
    assert plugins.symbols(plugins.load("methods", "sds")) == {}


def test_an_unknown_option_lists_the_real_ones():
    with pytest.raises(ValueError, match="sds has no option 'entropy'; it has: scale"):
        plugins.bind(plugins.load("methods", "sds"), {"entropy": "1"})
    with pytest.raises(ValueError, match="needs the option 'x'"):
        plugins.bind(lambda x: None, {})


GOOD = [
    ("whole", "4", 4),
    ("whole", "4.0", 4),
    ("whole", "1e3", 1000),
    ("whole", 4, 4),
    ("whole", "-1", -1),
    ("number", "1", 1.0),
    ("number", "1e-3", 1e-3),
    ("number", 2, 2.0),
    ("word", "7", "7"),
    ("word", "", ""),
    ("yes", "true", True),
    ("yes", "True", True),
    ("yes", "false", False),
    ("yes", False, False),
    ("choice", "b", "b"),
    ("level", "2", 2),
    ("pair", "1,2", (1.0, 2.0)),
    ("pair", [1, 2], (1.0, 2.0)),
    ("many", "1,2,3", (1, 2, 3)),
    ("many", "", ()),
    ("maybe", "none", None),
    ("maybe", "0.5", 0.5),
    ("text", "none", "none"),
    ("text", None, None),
    ("anything", "x", "x"),
]

BAD = [
    ("whole", "4.5", "needs int"),
    ("whole", "four", "needs int"),
    ("whole", "true", "needs int"),
    ("whole", "inf", "needs int"),
    ("whole", "Infinity", "needs int"),
    ("whole", "", "needs int"),
    ("number", "x", "needs float"),
    ("number", "9" * 400, "needs float"),
    ("whole", "9" * 400, "needs int"),
    ("number", "NaN", "needs float"),
    ("number", "Infinity", "needs float"),
    ("number", "false", "needs float"),
    ("number", "[1]", "needs float"),
    ("yes", "1", "needs bool"),
    ("yes", "maybe", "needs bool"),
    ("choice", "c", "one of a, b"),
    ("level", "3", "one of 1, 2"),
    ("pair", "1", "needs 2 values"),
    ("pair", "1,x", "needs float"),
    ("pair", 3, "needs 2 values"),
    ("maybe", "x", "can't be 'x'"),
    ("word", 3, "needs str"),
]


@pytest.mark.parametrize(("option", "given", "value"), GOOD)
def test_values_are_converted_to_the_annotated_type(option, given, value):
    found = plugins.bind(example, {option: given})[option]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(("option", "given", "said"), BAD)
def test_a_value_of_the_wrong_type_names_the_option(option, given, said):
    with pytest.raises(ValueError, match=said) as error:
        plugins.bind(example, {option: given})
    assert f"example.{option}" in str(error.value)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(), st.booleans())
def test_what_python_prints_is_read_back(number, whole, yes):
    bound = plugins.bind(example, {"number": repr(number), "whole": repr(whole), "yes": repr(yes)})
    assert (bound["number"], bound["whole"], bound["yes"]) == (number, whole, yes)


@given(
    st.text(max_size=20),
    st.sampled_from(["whole", "number", "yes", "pair", "many", "maybe", "level"]),
)
def test_any_text_is_a_value_or_a_value_error(text, option):
    try:
        plugins.bind(example, {option: text})
    except ValueError as error:
        assert f"example.{option}" in str(error)


def test_the_first_line_is_the_summary():
    assert plugins.summary(example) == "An example."
