import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from esd_bench.cameras import ring
from esd_bench.views import BACKGROUNDS, ViewSet, quantise


def views(n: int = 3, size: int = 8, seed: int = 0) -> ViewSet:
    random = torch.Generator().manual_seed(seed)
    rgba = torch.randint(0, 256, (n, 4, size, size), generator=random, dtype=torch.uint8)
    return ViewSet(rgba, ring(15, n, size), f"ring:15:{n}")


@given(st.integers(1, 4), st.integers(1, 9), st.integers(0, 99))
def test_a_folder_keeps_every_byte(n, size, seed):
    before = views(n, size, seed)
    with TemporaryDirectory() as folder:
        before.save(Path(folder) / "made" / "here")
        after = ViewSet.load(Path(folder) / "made" / "here")
    assert torch.equal(after.rgba, before.rgba)
    assert torch.equal(after.cameras.c2w, before.cameras.c2w)
    assert after.protocol == before.protocol
    assert len(after) == n


def test_colour_under_transparent_pixels_is_kept(tmp_path):
    before = views()
    before.rgba[:, 3] = 0
    before.save(tmp_path)
    after = ViewSet.load(tmp_path)
    assert torch.equal(after.rgba, before.rgba)


def test_other_programs_read_the_same_bytes(tmp_path):
    views().save(tmp_path)
    picture = np.array(Image.open(tmp_path / "001.png"))
    assert np.array_equal(picture, views().rgba[1].permute(1, 2, 0).numpy())


def test_the_digest_tells_every_pixel_and_every_camera(tmp_path):
    before = views()
    before.save(tmp_path)
    assert ViewSet.load(tmp_path).digest == before.digest
    changed = before.rgba.clone()
    changed[2, 3, 7, 7] ^= 1
    others = [
        replace(before, rgba=changed),
        replace(before, cameras=ring(15.01, 3, 8)),
        replace(before, rgba=before.rgba.flip(0)),
    ]
    assert len({x.digest for x in (before, *others)}) == 4


def test_a_digest_is_the_same_for_a_view_of_a_larger_tensor():
    whole = views(4)
    part = ViewSet(whole.rgba[1:3], whole.cameras[1:3], "x")
    copy = replace(part, rgba=part.rgba.clone())
    assert part.digest == copy.digest


def test_compositing_is_exact_at_both_ends():
    rgba = torch.zeros(2, 4, 1, 1, dtype=torch.uint8)
    rgba[0] = torch.tensor([51, 102, 255, 255])[:, None, None]
    for name, colour in BACKGROUNDS.items():
        over = ViewSet(rgba, ring(0, 2, 1), "x").over(name).flatten(1)
        torch.testing.assert_close(over[0], torch.tensor([0.2, 0.4, 1.0]))
        assert over[1].tolist() == list(colour)


def test_an_unknown_background_lists_the_real_ones():
    with pytest.raises(ValueError, match="white, grey, black"):
        views().over("beige")


def _damage(content: bytes) -> Iterator[bytes]:
    """The file cut off at every place, and with a bit flipped in every byte."""
    for place in range(len(content)):
        yield content[:place]
        yield content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :]


def test_a_damaged_picture_is_one_clear_error_and_never_another_picture(tmp_path):
    before = views()
    before.save(tmp_path)
    path = tmp_path / "001.png"
    refused = 0
    for content in _damage(path.read_bytes()):
        path.write_bytes(content)
        try:
            assert torch.equal(ViewSet.load(tmp_path).rgba, before.rgba)
        except ValueError as error:
            assert "001.png" in str(error)
            assert "\n" not in str(error)
            refused += 1
    # What may pass: the end mark and the checksums behind the last pixel.
    assert refused > 0.9 * 2 * len(path.read_bytes())


def _broken(folder: Path, change: str) -> str:
    cameras = folder / "cameras.json"
    if change == "no cameras":
        cameras.unlink()
    elif change == "half of the cameras":
        cameras.write_text(cameras.read_text()[:40])
    elif change == "a list":
        cameras.write_text("[]")
    elif change == "a key is missing":
        value = json.loads(cameras.read_text())
        del value["fov"]
        cameras.write_text(json.dumps(value))
    elif change == "words for numbers":
        value = json.loads(cameras.read_text())
        cameras.write_text(json.dumps(value | {"camera_to_world": "here"}))
    elif change == "a picture is missing":
        (folder / "002.png").unlink()
        return "002.png"
    elif change == "another size":
        Image.new("RGBA", (8, 9)).save(folder / "002.png")
        return "002.png is 8 x 9"
    elif change == "no picture":
        (folder / "002.png").write_text("hello")
        return "002.png"
    return "cannot read the views in"


@pytest.mark.parametrize(
    "change",
    [
        "no cameras",
        "half of the cameras",
        "a list",
        "a key is missing",
        "words for numbers",
        "a picture is missing",
        "another size",
        "no picture",
    ],
)
def test_a_broken_folder_is_one_clear_error(tmp_path, change):
    views().save(tmp_path)
    said = _broken(tmp_path, change)
    with pytest.raises(ValueError, match=said) as error:
        ViewSet.load(tmp_path)
    assert "\n" not in str(error.value)


def test_saving_into_a_read_only_place_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        views().save(tmp_path / "file")


def test_quantising_inverts_the_premultiplication():
    straight = torch.rand(2, 3, 5, 5)
    opacity = torch.rand(2, 1, 5, 5) * 0.9 + 0.1
    rgba = quantise(straight * opacity, opacity)
    assert rgba.dtype == torch.uint8
    wanted = torch.cat([straight, opacity], 1)
    assert (rgba.float() / 255 - wanted).abs().max() <= 0.5 / 255 + 1e-5


def test_quantising_keeps_bytes_and_whitens_what_is_empty():
    exact = torch.arange(256).float().reshape(1, 1, 16, 16).expand(1, 3, 16, 16) / 255
    opaque = quantise(exact.contiguous(), torch.ones(1, 1, 16, 16))
    assert opaque[0, 0].flatten().tolist() == list(range(256))
    empty = quantise(torch.zeros(1, 3, 1, 1), torch.zeros(1, 1, 1, 1))
    assert empty.flatten().tolist() == [255, 255, 255, 0]
