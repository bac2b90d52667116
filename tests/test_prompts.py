import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esd_bench.prompts import TEXTS, Prompt, Suite, ad_hoc, load_suite, slug, suite_names


def test_the_wording_names_the_view():
    prompt = Prompt("a red cat")
    assert [prompt.facing(x) for x in TEXTS] == [
        "a red cat",
        "a red cat, front view",
        "a red cat, side view",
        "a red cat, back view",
        "a red cat, overhead view",
        "",
    ]


@pytest.mark.parametrize(
    ("text", "name"),
    [("a red cat", "a-red-cat"), ("a-red-cat", "a-red-cat"), ("cat", "cat")],
)
def test_plain_texts_name_their_folder(text, name):
    assert slug(text) == name


@given(st.text(min_size=1, max_size=80))
def test_a_slug_is_safe_in_a_path_and_stable(text):
    name = slug(text)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert len(name) <= 40
    assert slug(name) == name


def test_only_case_and_dashes_are_lost_unmarked():
    texts = ["a cat", "a cat!", "a  cat", "猫", "ネコ", "é", "x" * 41, "x" * 42, "a-cat ", "a_cat"]
    assert len({slug(x) for x in texts}) == len(texts)
    assert slug("A Cat") == slug("a-cat") == slug("a cat")


def test_prompts_are_compared_by_id_and_text_only():
    one, other = Prompt("a cat", tags=("x",)), Prompt("a cat", source="elsewhere")
    assert one == other
    assert hash(one) == hash(other)
    assert one.digest != Prompt("a dog").digest


def test_texts_are_normalised():
    assert Prompt(" cafe\u0301 ").text == "café"
    assert Prompt("cafe\u0301") == Prompt("café")


@pytest.mark.parametrize(
    "bad", [{"text": "  "}, {"text": "x", "id": "../x"}, {"text": "x", "id": "A"}]
)
def test_bad_prompts_are_refused(bad):
    with pytest.raises(ValueError, match="prompt"):
        Prompt(**bad)


def test_a_suite_holds_every_id_once():
    with pytest.raises(ValueError, match="'a-cat' twice"):
        Suite("x", (Prompt("a cat"), Prompt("a cat")))
    with pytest.raises(ValueError, match="no prompt"):
        ad_hoc([])


@pytest.mark.parametrize("name", suite_names())
def test_every_shipped_suite_states_its_source_and_licence(name):
    suite = load_suite(name)
    assert suite.name == name
    assert suite.source
    assert suite.licence


def test_a_user_s_own_files(tmp_path):
    (tmp_path / "mine.txt").write_text("a cat\n\n# a comment\na dog\n")
    assert [x.text for x in load_suite(tmp_path / "mine.txt").prompts] == ["a cat", "a dog"]
    (tmp_path / "own.toml").write_text(
        '[suite]\nname = "own"\n[[prompt]]\ntext = "a cat"\ntags = ["x"]\n'
    )
    suite = load_suite(str(tmp_path / "own.toml"))
    assert (suite.name, suite.prompts[0].tags) == ("own", ("x",))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[suite", "cannot read prompts from"),
        (b"\xff\xfe", "cannot read prompts from"),
        (b"[[prompt]]\nid = 'x'\n", "needs a text"),
        (b"[[prompt]]\ntext = 'x'\ncolour = 'red'\n", "unknown key 'colour'"),
        (b"[[prompt]]\ntext = ''\n", "must not be empty"),
        (b"[[prompt]]\ntext = 7\n", "needs a text"),
        (b"[[prompt]]\ntext = 'x'\ntags = 3\n", "cannot read prompts from"),
        (b"prompt = 3\n", "cannot read prompts from"),
        (b"prompt = ['x']\n", "needs a text"),
        (b"suite = 3\n", "cannot read prompts from"),
        (b"", "holds no prompt"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path, content, said):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said) as error:
        load_suite(path)
    assert "\n" not in str(error.value)


def test_an_unknown_suite_lists_the_real_ones():
    with pytest.raises(ValueError, match="no prompt suite or file 'nope'") as error:
        load_suite("nope")
    assert all(name in str(error.value) for name in suite_names())
