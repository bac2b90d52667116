"""Captions and the tokenizer that reads them."""

import random
import re
from itertools import product

import pytest
import torch

from esd_bench.cameras import COMPASS, compass
from esd_bench.embedded import captions, data, tokens, weights
from esd_bench.embedded.captions import Picture, Subject, caption, subjects
from esd_bench.embedded.kinds import NAMES
from esd_bench.prompts import TEXTS, load_suite

SUITES = ("demo", "embedded", "benchmark")


@pytest.fixture(scope="module")
def labels():
    return data.draw("around", 400, 3)[0]


def word(text):
    """Index of the view word of a caption, or None."""
    found = re.search(rf"({'|'.join(COMPASS)}) view", text)
    return COMPASS.index(found[1]) if found else None


def test_view_words_are_those_of_the_compass(labels, monkeypatch):
    monkeypatch.setattr(captions, "WRONG_VIEW", 0.0)
    true = compass(labels.azimuth, labels.elevation).tolist()
    rng = random.Random(0)
    assert [word(caption(p, rng, view_word=True)) for p in labels.pictures()] == true
    assert set(true) == {0, 1, 2, 3}


def test_one_view_word_in_ten_is_drawn_blindly(labels):
    rng, true = random.Random(0), labels.compass.tolist() * 5
    said = [word(caption(p, rng, view_word=True)) for p in labels.pictures() * 5]
    wrong = sum(a != b for a, b in zip(said, true, strict=True)) / len(said)
    assert 0.04 < wrong < 0.10, "a tenth, of which a third is right by chance"


def test_three_captions_in_ten_name_the_view(labels):
    rng = random.Random(0)
    pictures = labels.pictures() * 5
    named = sum(word(caption(p, rng)) is not None for p in pictures) / len(pictures)
    assert named == pytest.approx(captions.VIEW_WORD, abs=0.03)
    assert all(word(caption(p, rng, view_word=False)) is None for p in pictures)


def test_what_a_caption_says_is_true(labels):
    rng = random.Random(0)
    for picture in labels.pictures():
        text = caption(picture, rng)
        assert picture.subject.kind in text.split(",")[0].split()
        assert ("normal map" in text) is picture.normals
        assert not ("close-up" in text and picture.window != 1)
        assert not ("part of" in text and picture.window != 2)
        assert picture.subject.extra[:4] in text


@pytest.mark.parametrize(
    ("subject", "loose", "text"),
    [
        (Subject("dog", "red", "hat"), False, "a red dog with a hat"),
        (Subject("cat", "blue", "striped"), False, "a striped blue cat"),
        (Subject("cat", "blue", "striped"), True, "a blue cat with stripes"),
        (Subject("owl"), False, "an owl"),
    ],
)
def test_noun_phrases(subject, loose, text):
    assert subject.phrase(loose) == text


def test_the_issue_s_own_example():
    seen = {
        caption(Picture(Subject("dog", "red"), 0, normals=True), random.Random(i))
        for i in range(40)
    }
    assert "a red dog, normal map" in seen


# ---- tokenizer -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer():
    return tokens.tokenizer()


def texts():
    """Everything that the suite itself can ask for."""
    said = [subject.phrase(loose) for subject in subjects() for loose in (False, True)]
    said += [
        f"{w} {text}" for w, text in product((*captions.PREFIXES, *captions.WINDOWS[1:]), said[::7])
    ]
    prompts = [p for suite in SUITES for p in load_suite(suite).prompts]
    said += [p.facing(direction) for p in prompts for direction in TEXTS]
    return said + [f"{text}, normal map, {w} view" for text, w in product(said[::11], COMPASS)]


def test_every_text_is_read_word_by_word(tokenizer):
    for text in texts():
        pieces = tokenizer.tokenize(text)
        assert [piece.removesuffix("</w>") for piece in pieces] == re.findall(
            r"[a-z]+|[^a-z\s]", text
        )
        assert all(piece.endswith("</w>") for piece in pieces)
        assert len(pieces) <= tokens.CONTEXT - 2


def test_words_of_other_worlds_fall_into_letters(tokenizer):
    pieces = tokenizer.tokenize("a zebra")
    assert pieces[0] == "a</w>"
    assert len(pieces) > 2
    assert (
        tokenizer.decode(tokenizer("a Zébra!").input_ids, skip_special_tokens=True) == "a zébra !"
    )


def test_ids_are_padded_and_framed(tokenizer):
    rows = tokens.ids(["", "a red dog with a hat, back view", " ".join(["dog"] * 50)])
    start, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    assert rows.shape == (3, tokens.CONTEXT)
    assert (rows[:, 0] == start).all()
    assert (rows == end).any(1).all()
    assert (rows[0, 1:] == end).all()
    assert end == len(tokenizer) - 1 == rows.max(), "open_clip finds the end by argmax"


def test_the_textbook_merges_agree_with_the_library(tokenizer):
    rules = tokens.merges(tokens.WORDS)
    for text in (*NAMES, "catalogue", "housecat", "redder", "zebra"):
        assert tokens.apply(rules, text) == tokenizer.tokenize(text)


@pytest.mark.parametrize("part", ["embedded/tokenizer", "clip"])
def test_the_shipped_tokenizer_is_this_one(tokenizer, part):
    shipped = type(tokenizer).from_pretrained(weights.verified(part))
    assert shipped.get_vocab() == tokenizer.get_vocab()
    sample = texts()[::5]
    assert shipped(sample).input_ids == tokenizer(sample).input_ids


def test_rows_of_unequal_captions_differ():
    rows = tokens.ids([subject.phrase() for subject in subjects()])
    assert len(torch.unique(rows, dim=0)) == len(rows)
