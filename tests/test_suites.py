"""The suites that ship, and the import of other people's lists."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esd_bench.embedded.captions import subjects
from esd_bench.prompt_import import FORMATS, import_suite, write_suite
from esd_bench.prompts import Prompt, Suite, load_suite, suite_names

COUNTS = {"benchmark": 24, "canonical": 120, "demo": 2, "embedded": 24, "paper": 7, "study": 48}
WORLD = {subject.phrase(): subject for subject in subjects()}
VIEW = re.compile(r"\b(front|back|side|rear|behind|overhead|top|view|facing)\b")


def test_every_suite_that_ships_is_counted_here():
    assert suite_names() == sorted(COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_suites_load_with_a_source_and_a_licence(name):
    suite = load_suite(name)
    assert suite.name == name
    assert len(suite.prompts) == COUNTS[name]
    assert len({prompt.text.lower() for prompt in suite.prompts}) == COUNTS[name]
    assert suite.source
    assert suite.licence
    assert all(prompt.source and prompt.subject and prompt.tags for prompt in suite.prompts)
    assert not [prompt.text for prompt in suite.prompts if VIEW.search(prompt.text)]


@pytest.mark.parametrize("name", ["demo", "embedded", "benchmark", "study"])
def test_prompts_of_the_embedded_world_are_its_own_captions(name):
    for prompt in load_suite(name).prompts:
        assert prompt.text in WORLD
        assert prompt.subject == WORLD[prompt.text].kind


def pairs(name):
    found = [WORLD[prompt.text] for prompt in load_suite(name).prompts]
    return Counter((subject.kind, subject.colour) for subject in found)


def test_the_benchmark_shares_no_object_with_what_settings_are_tuned_on():
    assert not pairs("benchmark") & (pairs("embedded") | pairs("demo"))
    assert pairs("demo") <= pairs("embedded")


def test_the_study_shares_no_object_with_what_was_seen_before():
    found = pairs("study")
    assert not found & (pairs("embedded") | pairs("demo") | pairs("benchmark"))
    kinds, colours = Counter(kind for kind, _ in found), Counter(colour for _, colour in found)
    assert (len(kinds), *sorted({*kinds.values()})) == (18, 2, 3)
    assert set(colours.values()) == {6}


@pytest.mark.parametrize("name", ["embedded", "benchmark"])
def test_kinds_and_colours_are_balanced(name):
    found = pairs(name)
    kinds, colours = Counter(kind for kind, _ in found), Counter(colour for _, colour in found)
    assert len(kinds) == 18
    assert set(colours.values()) == {3}


def test_the_canonical_suite_covers_its_categories():
    tags = Counter(prompt.tags[0] for prompt in load_suite("canonical").prompts)
    assert min(tags.values()) >= 12
    assert len(tags) == 7


# ---- import --------------------------------------------------------------------------------------------------------


def save(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


TEXTS = ["a cat: sitting", "# not a comment", "cafe\u0301, two"]


@pytest.mark.parametrize(
    ("format", "name", "content"),
    [
        ("gpteval3d", "prompts.json", json.dumps(TEXTS)),
        ("t3bench", "prompt_single.txt", "\n".join(TEXTS) + "\n\n"),
        ("txt", "mine.txt", "\r\n".join(TEXTS)),
        ("txt", "mine.txt", "\ufeff" + "\n".join(TEXTS)),
        ("csv", "mine.csv", "Prompt,note\n" + "\n".join(f'"{x}",y' for x in TEXTS)),
        ("jsonl", "mine.jsonl", "\n".join(json.dumps({"prompt": x}) for x in TEXTS)),
        ("jsonl", "mine.jsonl", "\n".join(json.dumps(x) for x in TEXTS) + "\n"),
    ],
)
@pytest.mark.filterwarnings("ignore:3 prompts")
def test_every_format_gives_the_same_texts(tmp_path, format, name, content):
    suite = import_suite(save(tmp_path, name, content), format)
    assert [prompt.text for prompt in suite.prompts] == [
        "a cat: sitting",
        "# not a comment",
        "café, two",
    ]
    assert [prompt.source for prompt in suite.prompts] == [f"{suite.name}/{i}" for i in range(3)]
    assert [prompt.id[-4:] for prompt in suite.prompts] == ["-000", "-001", "-002"]
    assert re.search(rf"{name} sha256:[0-9a-f]{{64}}$", suite.source)
    assert suite.licence == "not stated"


def test_ids_and_categories_of_the_file_are_kept(tmp_path):
    table = save(tmp_path, "a.csv", "id,prompt,category\nMy Cat,a cat,animal\n,a dog,\n")
    first, second = import_suite(table, "csv").prompts
    assert (first.id, first.tags) == (Prompt("x", "my-cat").id, ("animal",))
    assert (second.id, second.tags) == ("a-001", ())
    lines = save(
        tmp_path, "b.jsonl", '{"text": "a cat", "id": 7, "category": "pet", "subject": "cat"}'
    )
    (only,) = import_suite(lines, "jsonl").prompts
    assert (only.id, only.tags, only.subject) == ("7", ("pet",), "cat")


def test_the_hash_is_of_the_bytes_and_not_of_what_became_of_them(tmp_path):
    composed = import_suite(save(tmp_path, "p.txt", "caf\u00e9"), "txt")
    decomposed = import_suite(save(tmp_path, "p.txt", "cafe\u0301"), "txt")
    assert composed.prompts == decomposed.prompts
    assert composed.source != decomposed.source


@pytest.mark.filterwarnings("ignore:110 prompts")
def test_110_is_not_120(tmp_path):
    path = save(tmp_path, "prompts.json", json.dumps([f"prompt {i}" for i in range(110)]))
    with pytest.warns(UserWarning, match="the paper reports on 120"):
        suite = import_suite(path, "gpteval3d")
    assert (suite.name, suite.prompts[52].id) == ("gpteval3d", "gpteval3d-052")
    with pytest.warns(UserWarning, match="110 prompts, not the 120 expected"):
        import_suite(path, "gpteval3d", expected=120)


def test_extra_prompts_come_behind_under_their_own_name(tmp_path, recwarn):
    path = save(tmp_path, "prompts.json", json.dumps([f"prompt {i}" for i in range(110)]))
    more = save(tmp_path, "extra.txt", "\n".join(f"extra {i}" for i in range(10)))
    suite = import_suite(path, "gpteval3d", expected=120, extra=more, licence="MIT")
    assert len(suite.prompts) == 120
    assert suite.prompts[-1].id == "gpteval3d-extra-009"
    assert "extra.txt sha256:" in suite.source
    assert suite.licence == "MIT"
    assert not recwarn


def test_doubles_are_kept_and_said(tmp_path):
    with pytest.warns(UserWarning, match="1 prompts occur more than once, first 'a cat'"):
        suite = import_suite(save(tmp_path, "p.txt", "a cat\na dog\na cat"), "txt")
    assert len(suite.prompts) == 3


@pytest.mark.parametrize(
    ("format", "content", "message"),
    [
        ("gpteval3d", "[1]", "no JSON array of strings"),
        ("gpteval3d", '{"a": "b"}', "no JSON array of strings"),
        ("gpteval3d", "[", "cannot read prompts"),
        ("gpteval3d", "[" * 100_000, "cannot read prompts"),
        ("gpteval3d", '["\\ud800"]', "prompt 0"),
        ("gpteval3d", '[" "]', "must not be empty"),
        ("txt", "\n \n", "holds no prompt"),
        ("txt", b"\xff\xfe\x00", "not UTF-8"),
        ("csv", "a,b\n1,2", "no column 'prompt' among a, b"),
        ("csv", "", "no column 'prompt' among none"),
        ("csv", 'prompt\n"open', "cannot read prompts"),
        ("jsonl", "[1]", "line 1 holds no text"),
        ("jsonl", '"a"\n{"prompt": 3}', "line 2 holds no text"),
        ("toml", "", "use gpteval3d, t3bench"),
    ],
)
def test_broken_lists_are_refused_in_one_line(tmp_path, format, content, message):
    with pytest.raises(ValueError, match=message) as caught:
        import_suite(save(tmp_path, "list.txt", content), format)
    assert "\n" not in str(caught.value)


def test_a_missing_and_a_huge_file_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no file"):
        import_suite(tmp_path / "none.txt", "txt")
    huge = tmp_path / "huge.txt"
    with huge.open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(ValueError, match="larger than 8 MiB"):
        import_suite(huge, "txt")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(str.strip)


@given(st.lists(TEXT, min_size=1, max_size=5), TEXT)
def test_a_suite_survives_its_file(tmp_path_factory, texts, licence):
    prompts = tuple(
        Prompt(text, f"p-{i}", text, (licence,), licence) for i, text in enumerate(texts)
    )
    suite = Suite("mine", prompts, licence, licence)
    path = tmp_path_factory.mktemp("suite") / "mine.toml"
    write_suite(suite, path)
    read = load_suite(path)
    assert read == suite
    assert [(p.subject, p.tags, p.source) for p in read.prompts] == [
        (p.subject, p.tags, p.source) for p in prompts
    ]


def test_a_suite_is_never_written_over(tmp_path):
    path = save(tmp_path, "mine.toml", "")
    with pytest.raises(ValueError, match="exists"):
        write_suite(load_suite("demo"), path)


def test_formats_are_those_the_documentation_names():
    assert list(FORMATS) == ["gpteval3d", "t3bench", "txt", "csv", "jsonl"]
