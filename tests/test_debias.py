"""Prompt debiasing by the ratio rule, and by a real BERT of four words' knowledge."""

import pytest
import torch

from esd_bench.debias import bert, contradicts, leave_out
from esd_bench.prompts import TEXTS, Prompt, load_suite
from esd_bench.spec import expand
from tests.pipeline.command import command, only, quick
from tests.specs import spec


def knowing(texts):
    """A stand-in for a language model: whoever smiles is seen from the front; a tail from behind."""
    rows = []
    for text in texts:
        front, back = 0.7 + 0.2 * ("smiling" in text), 0.05 + 0.3 * ("tail" in text)
        rows.append([front, 0.2, back, 0.05])
    return torch.tensor(rows, dtype=torch.float64) / torch.tensor(rows).sum(1, keepdim=True)


def test_the_ratio_rule():
    # ratio < .95 says that p(full) < .905 p(without).
    full, without = torch.tensor([0.9, 0.91, 1.0, 1.2]), torch.ones(4)
    assert contradicts(full, without).tolist() == [True, False, False, False]


def test_words_are_left_out_per_view_and_the_subject_and_small_words_stay():
    prompt = Prompt("a smiling cat, with the tail", subject="cat")
    found = leave_out(prompt, knowing, "model")
    assert dict(found.leave_out) == {
        "front": ("tail",),
        "side": ("smiling", "tail"),
        "back": ("smiling",),
        "overhead": ("smiling", "tail"),
    }
    assert found.facing("back") == "a cat, with the tail, back view"
    assert found.facing("front") == "a smiling cat, with the, front view"
    assert (found.facing("plain"), found.facing("empty")) == (prompt.text, "")
    assert found.leave_out_from == "model"


def test_a_suite_file_lists_them_too(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("""[suite]
name = "mine"
[[prompt]]
text = "a Smiling cat"
leave_out = { back = ["smiling"] }
""")
    (prompt,) = load_suite(path).prompts
    assert prompt.facing("back") == "a cat, back view"
    assert prompt.leave_out_from == "suite file"
    path.write_text("[[prompt]]\ntext = 'a cat'\nleave_out = { below = ['x'] }")
    with pytest.raises(ValueError, match="leave_out is for front, side"):
        load_suite(path)


def test_only_methods_that_leave_words_out_are_told():
    prompt = Prompt("a smiling cat", leave_out=(("back", ("smiling",)),), leave_out_from="x")
    from esd_bench.presets import Settings, preset

    sds, debiased = (preset("embedded", Settings(x, {})) for x in ("sds", "debiased_sds"))
    (one,), (two,) = (expand([x], [prompt], [0]) for x in (sds, debiased))
    assert one.prompt.facing("back") == "a smiling cat, back view"
    assert two.prompt.facing("back") == "a cat, back view"
    assert expand([sds], [Prompt("a smiling cat")], [0])[0].digest == one.digest
    assert expand([debiased], [Prompt("a smiling cat")], [0])[0].digest != two.digest
    assert type(two).from_json(two.to_json()) == two
    off = preset("embedded", Settings("debiased_sds", {"leave_out": "false"}))
    assert expand([off], [prompt], [0])[0].prompt.leave_out == ()


def test_what_is_not_there_leaves_ids_alone():
    assert "leave_out" not in spec().canonical


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A BERT of one small layer, trained for a second on what ``knowing`` knows."""
    from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

    path = tmp_path_factory.mktemp("bert")
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] this image is depicting a view of cat smiling tail , with the"
    (path / "vocab.txt").write_text("\n".join([*words.split(), *TEXTS[1:5]]))
    tokenizer = BertTokenizerFast(str(path / "vocab.txt"))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=32,
    )  # fmt: skip
    network = BertForMaskedLM(config)
    pairs = [("a smiling cat", "front"), ("a cat with the tail", "back"), ("a cat", "side")]
    given = tokenizer(
        [f"This image is depicting a [MASK] view of {text}" for text, _ in pairs],
        return_tensors="pt", padding=True,
    )  # fmt: skip
    views = torch.tensor(tokenizer.convert_tokens_to_ids([view for _, view in pairs]))
    at = (given["input_ids"] == tokenizer.mask_token_id).float().argmax(1)
    adam = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(60):
        logits = network(**given).logits[torch.arange(3), at]
        loss = torch.nn.functional.cross_entropy(logits, views)
        adam.zero_grad()
        loss.backward()
        adam.step()
    network.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def test_a_bert_folder_is_asked(folder):
    viewpoints, origin = bert(str(folder))
    found = leave_out(Prompt("a smiling cat", subject="cat"), viewpoints, origin)
    assert "smiling" in dict(found.leave_out)["side"]
    assert "front" not in dict(found.leave_out)
    assert folder.name in found.leave_out_from
    rows = viewpoints(["a cat", "a smiling cat", "a cat with the tail"])
    torch.testing.assert_close(rows.sum(1), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(rows[:1], viewpoints(["a cat"]), rtol=1e-5, atol=1e-7)


def test_the_command_line_says_what_is_left_out_and_the_record_from_where(folder, tmp_path):
    words = quick(tmp_path, "-m", "debiased_sds", "--prompt", "a smiling cat", "--debias", folder)
    said = command(*words)
    assert said.code == 0
    assert "smiling" in said.err
    assert folder.name in only(tmp_path).spec.prompt.leave_out_from


@pytest.mark.parametrize("name", ["no/such/folder", "."])
def test_a_missing_model_is_one_line(name, tmp_path):
    said = command(*quick(tmp_path, "-m", "debiased_sds", "--debias", name))
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert "masked language model" in said.err or "no folder" in said.err
