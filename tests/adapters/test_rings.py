"""Turntables: films, animations, GPTEval3D's layout and threestudio's trials."""

import json
import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from esd_bench import omega, plugins
from esd_bench.adapters import Refused, _stills
from esd_bench.adapters import gpteval3d as gpteval3d_file
from esd_bench.adapters import threestudio as threestudio_file
from esd_bench.adapters._films import is_film
from esd_bench.adapters.gpteval3d import gpteval3d
from esd_bench.adapters.threestudio import method, threestudio
from esd_bench.adapters.video import reads, video
from esd_bench.cameras import ring
from tests.adapters.captures import TRIAL, animation, film, folder, frame, ring_folder, trial, turns

ADAPTERS = {
    x: plugins.load("adapters", x)
    for x in ("splats", "video", "pictures", "gpteval3d", "threestudio")
}


def reads_it(path: Path) -> list[str]:
    """Which adapters say that they read it."""
    import importlib

    return [x for x in ADAPTERS if importlib.import_module(f"esd_bench.adapters.{x}").reads(path)]


def one(found: object) -> object:
    (views,) = found.views.values()
    assert [*found.views] == [views.protocol]
    return views


def pictures(count: int, closed: bool = False, size: int = 48, alpha: bool = False) -> list:
    return [frame(x, size, alpha) for x in turns(count, closed)]


# ---- films ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "lossy"), [("a.webp", ""), ("a.png", ""), ("a.gif", "gif")])
def test_an_animation_is_a_ring(tmp_path, name, lossy):
    alpha = name != "a.gif"
    given = pictures(8, alpha=alpha)
    more = {"lossless": True, "exact": True, "method": 0} if name == "a.webp" else {}
    path = animation(tmp_path / name, given, **more)
    assert reads_it(path) == ["video"]
    found = video(path)
    views = one(found)
    assert views.protocol == "ring:15:8"
    assert found.facts.get("lossy", "") == lossy
    torch.testing.assert_close(views.cameras.azimuth, ring(15, 8).azimuth)
    made = views.rgba.permute(0, 2, 3, 1).numpy()
    wanted = np.stack(given)
    if alpha:
        np.testing.assert_array_equal(made[..., 3], wanted[..., 3])
        shown = wanted[..., 3] > 0
        np.testing.assert_array_equal(made[shown], wanted[shown])
    else:
        np.testing.assert_array_equal(made[..., :3], wanted)


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
def test_a_film_is_a_ring_marked_as_lossy(tmp_path, name):
    given = pictures(9, closed=True, size=64)
    path = film(tmp_path / name, given)
    assert reads_it(path) == ["video"]
    found = video(path, key="white")
    views = one(found)
    assert views.protocol == "ring:15:8", "the last frame is the first again"
    assert found.facts == {"pictures": 9, "last is first again": True, "lossy": name[2:]}
    apart = np.abs(views.over("white").permute(0, 2, 3, 1).numpy() * 255 - np.stack(given[:8]))
    assert apart.mean() < 6
    assert float((views.rgba[:, 3] == 0).float().mean()) > 0.3
    assert int(views.rgba[:, 3, 32, 32].min()) == 255


def test_the_repeated_frame_can_be_decided(tmp_path):
    closed = animation(tmp_path / "a.png", pictures(9, closed=True))
    open_ = animation(tmp_path / "b.png", pictures(9))
    assert one(video(closed)).protocol == "ring:15:8"
    assert one(video(closed, last="keep")).protocol == "ring:15:9"
    assert one(video(open_)).protocol == "ring:15:9"
    assert one(video(open_, last="drop")).protocol == "ring:15:8"


def test_options_move_the_cameras(tmp_path):
    path = animation(tmp_path / "a.png", pictures(8))
    views = one(video(path, elevation=-10, start=90, way="clockwise", views=4))
    assert views.protocol == "ring:-10:4"
    degrees = torch.rad2deg(views.cameras.azimuth).round().int().tolist()
    assert [x % 360 for x in degrees] == [90, 0, 270, 180]
    torch.testing.assert_close(torch.rad2deg(views.cameras.elevation), torch.full((4,), -10.0))
    wanted = np.stack(pictures(8)[::2])
    np.testing.assert_array_equal(views.rgba.permute(0, 2, 3, 1).numpy()[..., :3], wanted)


def test_frames_that_do_not_divide_have_their_true_azimuths(tmp_path):
    views = one(video(animation(tmp_path / "a.png", pictures(10)), views=4))
    degrees = torch.rad2deg(views.cameras.azimuth).round().int().tolist()
    assert [x % 360 for x in degrees] == [0, 72, 180, 252]


def test_columns(tmp_path):
    wide = [np.concatenate([x, 255 - x], 1) for x in pictures(5)]
    views = one(video(animation(tmp_path / "a.png", wide), columns=2))
    np.testing.assert_array_equal(views.rgba.permute(0, 2, 3, 1).numpy()[..., :3], pictures(5))
    with pytest.raises(ValueError, match="96 pixels wide, not 7 equal columns"):
        video(tmp_path / "a.png", columns=7)


def test_a_broken_film_is_a_film(tmp_path):
    for name in ("a.mp4", "b.webm", "c.GIF"):
        (tmp_path / name).write_bytes(b"")
        assert reads_it(tmp_path / name) == ["video"]
        with pytest.raises(ValueError, match="not a whole animation") as caught:
            video(tmp_path / name)
        assert not isinstance(caught.value, Refused)


def test_a_single_picture_is_no_film(tmp_path):
    folder(tmp_path, [frame(0)])
    assert not reads(tmp_path / "0.png")
    folder(tmp_path, [frame(0, alpha=False)], "{}.gif")
    with pytest.raises(ValueError, match="holds a single picture"):
        video(tmp_path / "0.gif")
    with pytest.raises(ValueError, match="holds 5 different views, not 6"):
        video(animation(tmp_path / "a.png", pictures(5)), views=6)


def test_what_is_too_large_is_refused_by_its_header(tmp_path, monkeypatch):
    path = animation(tmp_path / "a.png", pictures(4))
    body = bytearray(path.read_bytes())
    body[16:24] = struct.pack(">II", 30000, 30000)
    import zlib

    body[29:33] = struct.pack(">I", zlib.crc32(bytes(body[12:29])))
    path.write_bytes(body)
    with pytest.raises(ValueError, match="30000 x 30000 pixels are more|decompression bomb"):
        video(path)
    for name, bound in (("MOST", 5), ("PIXELS", 48 * 48 * 4)):
        monkeypatch.setattr(_stills, name, bound)
        with pytest.raises(ValueError, match="more than 5 frames of 48 x 48: too long"):
            video(animation(tmp_path / "b.png", pictures(6)))
        with pytest.raises(ValueError, match="more than 5 frames of 48 x 48: too long"):
            video(film(tmp_path / "b.mp4", pictures(6)))
        monkeypatch.undo()


def test_a_playlist_is_not_followed(tmp_path):
    """ffmpeg opens what a playlist names; ours is told to take nothing but an MP4."""
    secret = film(tmp_path / "secret.mp4", pictures(6))
    trap = tmp_path / "a.mp4"
    trap.write_text(f"ffconcat version 1.0\nfile {secret}\n")
    assert not is_film(trap)
    trap.write_bytes(b"\0\0\0\x18ftyp\n#EXTM3U\n#EXTINF:1,\n" + str(secret).encode() + b"\n")
    with pytest.raises(ValueError, match="is not a whole film|holds no f"):
        video(trap)


def short(path: Path, read: object) -> None:
    """Pictures or one line."""
    try:
        found = read(path)
    except ValueError as error:
        assert "\n" not in str(error)
        return
    json.dumps(found.facts, allow_nan=False)
    for views in found.views.values():
        assert views.rgba.shape[0] == len(views.cameras)


EDITS = st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=6)), max_size=5)


@settings(max_examples=60)
@given(st.sampled_from(["a.mp4", "a.webm", "a.gif", "a.webp", "a.png"]), EDITS, st.floats(0.3, 1.5))
def test_any_bytes_are_a_ring_or_one_line(tmp_path_factory, name, edits, cut):
    base = tmp_path_factory.getbasetemp() / f"whole-{name}"
    if not base.is_file():
        make = film if name[2:] in ("mp4", "webm") else animation
        make(base, pictures(5, size=32))
    content = bytearray(base.read_bytes())
    for place, change in edits:
        at = int(place * len(content))
        content[at : at + len(change)] = change
    path = tmp_path_factory.mktemp("fuzz") / name
    path.write_bytes(content[: int(cut * len(content))])
    reads(path)
    if reads(path):
        short(path, video)


# ---- GPTEval3D -----------------------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path) -> Path:
    root = tmp_path / "renders"
    for method_ in ("mvdream", "shap-e"):
        for prompt in ("0", "10", "2"):
            ring_folder(root / method_ / prompt / "0", 12, closed=True, name="rgb_{}.png")
            ring_folder(root / method_ / prompt / "0", 12, closed=True, name="normal_{}.png")
    ring_folder(root / "mvdream" / "0" / "1", 12, closed=True, name="rgb_{}.png")
    return root


def test_a_tree_of_gpteval3d_says_what_is_in_it(tree):
    assert reads_it(tree) == ["gpteval3d"]
    found = gpteval3d_file.items(tree)
    assert [(x.method, x.prompt, x.seed) for x in found] == [
        ("mvdream", "0", 0),
        ("mvdream", "0", 1),
        ("mvdream", "2", 0),
        ("mvdream", "10", 0),
        ("shap-e", "0", 0),
        ("shap-e", "2", 0),
        ("shap-e", "10", 0),
    ]
    for item in found:
        assert reads_it(item.path) == ["gpteval3d"]
    with pytest.raises(ValueError, match="holds 7 assets of GPTEval3D's layout; one at a time"):
        gpteval3d(tree)


def test_pictures_of_gpteval3d_are_in_order_and_the_last_is_dropped(tree):
    views = one(gpteval3d(tree / "shap-e" / "10"))
    assert views.protocol == "ring:15:11"
    wanted = np.stack([frame(x) for x in turns(12, closed=True)[:11]])
    np.testing.assert_array_equal(views.rgba.permute(0, 2, 3, 1).numpy(), wanted)
    torch.testing.assert_close(views.cameras.c2w, ring(15, 11, distance=1.5).c2w)
    assert float(torch.rad2deg(views.cameras.fov[0])) == pytest.approx(70)


def test_links_out_of_the_folder_are_not_followed(tree, tmp_path):
    other = ring_folder(tmp_path / "elsewhere" / "p" / "0", 4, name="rgb_{}.png")
    (tree / "mvdream" / "99").symlink_to(other.parent)
    assert len(gpteval3d_file.items(tree)) == 7
    picture = tree / "shap-e" / "2" / "0" / "rgb_3.png"
    picture.unlink()
    picture.symlink_to(other / "rgb_0.png")
    with pytest.raises(ValueError, match="'rgb_3.png' leaves its folder"):
        gpteval3d(tree / "shap-e" / "2" / "0")


# ---- threestudio ---------------------------------------------------------------------------------------------------


def test_a_trial_is_its_ring_without_the_last(tmp_path):
    path = trial(tmp_path / "prolificdreamer-texture" / "a_corgi@20240102-030405")
    assert reads_it(path) == ["threestudio"]
    found = threestudio(path)
    views = one(found)
    assert views.protocol == "ring:15:5"
    assert found.facts["prompt"] == "a corgi: a cake"
    assert found.facts["method"] == "esd"
    torch.testing.assert_close(views.cameras.c2w, ring(15, 5, distance=1.5).c2w)
    assert views.rgba[:, 3, 8, 8].tolist() == [128] * 5
    assert (views.rgba[:, :3, 8, 8].int() - torch.tensor([200, 20, 40])).abs().max() <= 5
    assert views.rgba[:, 3, 0, 0].tolist() == [0] * 5


def test_a_learned_background_is_told_of(tmp_path):
    learned = {"background": {}, "background_type": "neural-environment-map-background"}
    found = threestudio(trial(tmp_path / "a" / "b@1", **learned))
    assert "learned" in found.facts["background"]
    views = one(found)
    # Over white at half opacity, and nothing is known of the white.
    assert views.rgba[0, :, 8, 8].tolist() == [227, 137, 147, 128]


def test_a_tree_of_trials_says_what_is_in_it(tmp_path):
    outputs = tmp_path / "outputs"
    geometry = json.loads(json.dumps(TRIAL))
    coarse = trial(outputs / "coarse" / "a_corgi@1", stage="coarse")
    trial(
        outputs / "geometry" / "a_corgi@2",
        geometry,
        stage="geometry",
        geometry_convert_from="outputs/coarse/a_corgi@1/ckpts/last.ckpt",
    )
    trial(
        outputs / "texture" / "a_corgi@3",
        geometry_convert_from="outputs/geometry/a_corgi@2/ckpts/last.ckpt",
    )
    newer = trial(outputs / "texture" / "a_corgi@4")
    dog = {**TRIAL, "seed": 9}
    words = {"prompt_processor": {"prompt": "a dog", "use_perp_neg": True}}
    other = trial(
        outputs / "sds" / "a_dog@1", dog, guidance_type="stable-diffusion-guidance", **words
    )
    broken = trial(outputs / "texture" / "broken@1")
    (broken / "configs" / "parsed.yaml").write_text("a: [")
    assert reads_it(outputs) == ["threestudio"]
    found = threestudio_file.items(outputs)
    assert [(x.path, x.method, x.prompt, x.seed) for x in found] == [
        (other, "perp_neg", "a dog", 9),
        (newer, "esd", "a corgi: a cake", 5),
        (broken, "texture", "broken@1", 0),
    ]
    with pytest.raises(ValueError, match="normals without colour"):
        threestudio(outputs / "geometry" / "a_corgi@2")
    assert one(threestudio(coarse)).protocol == "ring:15:5"
    with pytest.raises(ValueError, match="holds 3 assets of threestudio"):
        threestudio(outputs)
    with pytest.raises(ValueError, match="cannot read"):
        threestudio(broken)


@pytest.mark.parametrize(
    ("system", "name"),
    [
        ({"guidance": {}}, "vsd"),
        ({"guidance": {"guidance_scale_lora": 1.0}}, "vsd"),
        ({"guidance_type": "stable-diffusion-guidance"}, "sds"),
        ({"guidance_type": "esd-bench-vsd-guidance"}, "esd"),
        ({"guidance_type": "zero123-guidance"}, "prolificdreamer-texture"),
        ({"prompt_processor": {"use_prompt_debiasing": True}}, "debiased_sds"),
        ({"guidance": None, "prompt_processor": 3, "guidance_type": []}, "prolificdreamer-texture"),
    ],
)
def test_methods_have_our_names(system, name):
    assert method({**TRIAL, "system": {**TRIAL["system"], **system}}) == name


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data": {}}, "say nothing of views: no 'eval_elevation_deg'"),
        ({"data": []}, "say nothing of views"),
        ({"data": {**TRIAL["data"], "n_test_views": 120}}, "6 of 120 views were rendered"),
        ({"data": {**TRIAL["data"], "n_test_views": 10**9}}, "says that it has 1000000000 views"),
        ({"data": {**TRIAL["data"], "n_test_views": 1e308}}, "says that it has very many views"),
        ({"data": {**TRIAL["data"], "eval_elevation_deg": float("nan")}}, "at nan degrees"),
        ({"data": {**TRIAL["data"], "eval_width": 1e12}}, "very many x 16 pixels are more than"),
        ({"data": {**TRIAL["data"], "eval_height": 1e308}}, "16 x very many pixels are more"),
        ({"data": {**TRIAL["data"], "eval_width": 15}}, "0.png is 32 x 16, no strip"),
        ({"data": {**TRIAL["data"], "eval_width": [16]}}, "say nothing of views"),
        ({"data": {**TRIAL["data"], "eval_fovy_deg": 1e308}}, "eval_fovy_deg is 1e.308, not from"),
        ({"data": {**TRIAL["data"], "eval_camera_distance": 0}}, "eval_camera_distance is 0, not"),
        ({"system": {**TRIAL["system"], "background": {"eval_color": [7, 0, 0]}}}, "a colour is 7"),
        ({"system": {**TRIAL["system"], "background": [1]}}, "list"),
        ({"system": {**TRIAL["system"], "background": {"eval_color": "red"}}}, "could not convert"),
    ],
)
def test_settings_that_lie_are_one_line(tmp_path, change, said):
    with pytest.raises(ValueError, match=said) as error:
        threestudio(trial(tmp_path / "t" / "x@1", {**TRIAL, **change}))
    assert "\n" not in str(error.value)


def test_hostile_trials(tmp_path):
    path = trial(tmp_path / "t" / "x@1")
    config = path / "configs" / "parsed.yaml"
    for text in ("!!python/object/apply:os.system [exit]", "[" * 900, "\0", "- 1\n- 2"):
        config.write_text(text)
        with pytest.raises(ValueError, match="cannot read|has") as error:
            threestudio(path)
        assert "\n" not in str(error.value)
    more = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 60)]
    bomb = "\n".join(
        ["a0: &a0 x", *more, "system: {prompt_processor: {prompt: *a59}, stage: *a59}"]
    )
    config.write_text(bomb)
    assert [x.prompt for x in threestudio_file.items(tmp_path)] == [""]
    with pytest.raises(ValueError, match="say nothing of views"):
        threestudio(path)
    config.write_bytes(b"#" * (2**17 + 1))
    with pytest.raises(ValueError, match="too large for settings"):
        threestudio(path)
    config.unlink()
    config.symlink_to(trial(tmp_path / "u" / "x@1") / "configs" / "parsed.yaml")
    with pytest.raises(ValueError, match="leaves its folder"):
        threestudio(path)


def test_pictures_of_a_trial_that_lie_elsewhere(tmp_path):
    path, other = trial(tmp_path / "t" / "x@1"), trial(tmp_path / "u" / "x@1")
    (path / "save" / "it900-test").symlink_to(other / "save" / "it300-test")
    with pytest.raises(ValueError, match="leaves its folder"):
        threestudio(path)
    with pytest.raises(ValueError, match="holds no assets of threestudio"):
        threestudio(tmp_path / "nowhere")


def test_no_checkpoint_is_opened(tmp_path, monkeypatch):
    path = trial(tmp_path / "t" / "x@1")
    if os.geteuid():
        (path / "ckpts" / "last.ckpt").chmod(0)
    opened, before = [], Path.open

    def noted(self: Path, *args: object, **options: object) -> object:
        opened.append(self)
        return before(self, *args, **options)

    monkeypatch.setattr(Path, "open", noted)
    threestudio(path)
    threestudio_file.items(tmp_path)
    assert not [x for x in opened if x.suffix == ".ckpt"]


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
VALUES = st.recursive(
    SCALARS,
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=4), x, max_size=3),
    max_leaves=4,
)
KEYS = (
    [("data", x) for x in TRIAL["data"]]
    + [("system", x) for x in TRIAL["system"]]
    + [("seed",), ("name",), ("data",), ("system",)]
)


@settings(max_examples=25)
@given(st.sampled_from(KEYS), VALUES)
def test_any_settings_are_a_ring_or_one_line(tmp_path_factory, keys, value):
    base = tmp_path_factory.getbasetemp() / "trial" / "x@1"
    if not base.is_dir():
        trial(base)
    said = json.loads(json.dumps(TRIAL))
    inner = said
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    (base / "configs" / "parsed.yaml").write_text(json.dumps(said))
    short(base, threestudio)
    assert len(threestudio_file.items(base)) <= 1


def test_listings_are_bounded(tmp_path, monkeypatch):
    ring_folder(tmp_path / "m" / "0" / "0", 6, name="rgb_{}.png")
    monkeypatch.setattr(_stills, "MOST", 5)
    with pytest.raises(ValueError, match="holds 6 pictures; at most 5"):
        gpteval3d(tmp_path)


def test_what_is_not_installed_is_named(tmp_path, monkeypatch):
    path, tree = film(tmp_path / "a.mp4", pictures(4)), trial(tmp_path / "t" / "x@1")
    omega._tools.cache_clear()
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert reads(path)
    with pytest.raises(ImportError, match=r"esd-bench\[video\]"):
        video(path)
    assert threestudio_file.reads(tree)
    with pytest.raises(ImportError, match=r"esd-bench\[threestudio\]"):
        threestudio(tree)
