"""What holds for every plugin of every kind, found by enumerating the folders: a new file is tested as it is."""

import importlib
import inspect
import math
from typing import get_type_hints

import pytest

from esd_bench import plugins
from esd_bench.spec import Choice, canonical

EVERY = [(kind, name) for kind in plugins.KINDS for name in plugins.names(kind)]
each = pytest.mark.parametrize(("kind", "name"), EVERY)


@each
def test_the_first_line_says_what_it_is(kind, name):
    function = plugins.load(kind, name)
    line = plugins.summary(function)
    assert line.endswith(".") or line.endswith(":") or "(" in line, line
    assert 10 < len(line) < 140
    assert (importlib.import_module(f"esd_bench.{kind}.{name}").__doc__ or "").strip()


@each
def test_the_function_is_the_file_s_own(kind, name):
    function = plugins.load(kind, name)
    assert function.__name__ == name
    assert function.__module__ == f"esd_bench.{kind}.{name}"


@each
def test_every_option_has_a_type_a_default_and_a_line(kind, name):
    function = plugins.load(kind, name)
    hints = get_type_hints(function)
    text = inspect.getdoc(function) or ""
    for option, parameter in plugins.options(function).items():
        assert option in hints, f"{option} has no type"
        assert parameter.default is not inspect.Parameter.empty, f"{option} has no default"
        assert option in text, f"{option} is not in the docstring"


@each
def test_defaults_are_of_the_type_that_a_user_may_give(kind, name):
    function = plugins.load(kind, name)
    defaults = plugins.bind(function, {})
    assert plugins.bind(function, defaults) == defaults
    # As a command line would give them.
    words = {k: _written(v) for k, v in defaults.items() if v is not None}
    assert plugins.bind(function, words) == defaults


def _written(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


@each
def test_a_choice_of_it_can_be_hashed(kind, name):
    choice = Choice.of(kind, name)
    assert canonical(choice.options)
    assert all(not isinstance(v, float) or math.isfinite(v) for _, v in choice.options)


@each
def test_what_the_machinery_hands_over_is_positional_only(kind, name):
    """So that it can't be mistaken for an option."""
    handed = {"device", "prior", "seeds"}
    assert not handed & set(plugins.options(plugins.load(kind, name)))


@each
def test_it_says_what_it_returns(kind, name):
    assert "return" in get_type_hints(plugins.load(kind, name))


@pytest.mark.parametrize("kind", plugins.KINDS)
def test_the_contract_is_the_first_file_of_its_folder(kind):
    text = importlib.import_module(f"esd_bench.{kind}").__doc__ or ""
    assert text.startswith("Contract of a")
    assert f"{kind}/NAME.py" in text
