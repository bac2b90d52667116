"""The parts of pages: maps are equal-area, colours are told apart, the glossary is the code's own."""

import ast
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from esd_bench import metrics
from esd_bench.cameras import sphere
from esd_bench.pages import glossary, svg
from esd_bench.pages.assets import directions
from esd_bench.pages.colours import COLOURS, Style, bare, hollow, scale, styles
from esd_bench.pages.plots import Point, Scale, against, rows
from esd_bench.pages.spheres import mollweide, ring_map

# Machado, Oliveira and Fernandes 2009, full severity, on linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(colour):
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def luminance(colour):
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def lab(rgb):
    xyz = (
        np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
        @ rgb
    )
    t = xyz / [0.9505, 1, 1.089]
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_colours_stand_out_from_white():
    assert all(1.05 / (luminance(x) + 0.05) >= 3 for x in COLOURS)


@pytest.mark.parametrize("kind", BLINDNESS)
def test_any_two_methods_differ_in_colour_or_in_shape(kind):
    """Of two that look alike to a colour-blind reader, the shapes differ; the first five always differ in shape."""
    seen = {name: lab(np.clip(np.array(BLINDNESS[kind]) @ linear(name), 0, 1)) for name in COLOURS}
    drawn = styles([f"m{i}" for i in range(8)]).values()
    for a, b in combinations(drawn, 2):
        assert a.shape != b.shape or np.linalg.norm(seen[a.colour] - seen[b.colour]) > 15


def test_forty_methods_have_forty_styles():
    names = [f"m{i}" for i in range(40)]
    assert len(set(styles(names).values())) == 40


def test_the_wording_changes_neither_colour_nor_order():
    known = styles(["SDS, view words", "SDS, no view words", "VSD, view words"])
    assert list(known) == ["SDS", "VSD"]
    assert hollow("SDS, no view words")
    assert not hollow("SDS, view words")
    assert bare("SDS") == "SDS"


def test_the_scale_rises_in_lightness():
    lights = [luminance(x) for x in scale()]
    assert lights == sorted(lights)


def test_mollweide_keeps_areas():
    """Even views on the sphere are even on the map: as many in each half and in each band of equal area."""
    cameras = sphere(3000)
    angles = np.rad2deg(np.stack([cameras.azimuth.numpy(), cameras.elevation.numpy()], 1))
    place = mollweide(angles[:, 0], angles[:, 1])
    assert ((place / [2, 1]) ** 2).sum(1).max() <= 1 + 1e-6
    theta = np.arcsin(place[:, 1])
    np.testing.assert_allclose(
        2 * theta + np.sin(2 * theta), np.pi * np.sin(np.deg2rad(angles[:, 1])), atol=1e-5
    )
    inner = ((place / [2, 1]) ** 2).sum(1) < 0.5
    assert inner.mean() == pytest.approx(0.5, abs=0.01)
    np.testing.assert_allclose(
        mollweide(np.zeros(2), np.array([90.0, -90.0])), [[0, 1], [0, -1]], atol=1e-6
    )


def test_directions_are_those_of_the_cameras():
    cameras = sphere(50)
    found = directions(cameras.to_json())
    np.testing.assert_allclose(found[:, 0], np.rad2deg(cameras.azimuth.numpy()), atol=1e-3)
    np.testing.assert_allclose(found[:, 1], np.rad2deg(cameras.elevation.numpy()), atol=1e-3)


def test_a_ring_map_points_the_front_down_and_plus_x_right():
    angles = np.stack([np.arange(4) * 90.0, np.full(4, 15.0)], 1)
    drawn = str(ring_map(np.array([1.0, 1.0, 0.0, 0.0]), angles, "front"))
    bars = [x.split("A")[0] for x in drawn.split('class="bars"')[1].split('d="M')[1:]]
    ends = [tuple(map(float, x.split("L")[1].split(","))) for x in bars]
    assert len(ends) == 4
    assert ends[0][1] > 70
    assert ends[1][0] > 70


def test_svg_escapes_texts_and_attributes():
    drawn = svg.tag("text", "<b>", x='"><script>')
    assert drawn == '<text x="&#34;&gt;&lt;script&gt;">&lt;b&gt;</text>'


def test_axes_hold_what_is_drawn():
    axis = Scale.over([0.13, 0.71], 10, 110)
    assert axis.marks[0] <= 0.13
    assert axis.marks[-1] >= 0.71
    assert axis(axis.marks[0]) == 10
    assert Scale.over([2.0], 0, 1).marks[0] < 2.0 < Scale.over([2.0], 0, 1).marks[-1]


def test_plots_say_each_number():
    style = {"A": Style("#000000", "circle")}
    points = [Point("A", x, x**2, (x**2 - 1, x**2 + 1), f"A at {x}") for x in (0.0, 0.5)]
    for drawn in (rows("t", points, style), against("t", points, style, "λ")):
        assert "<title>A at 0.5</title>" in drawn


def test_the_glossary_explains_every_score_that_a_metric_makes():
    named = set()
    for path in Path(metrics.__file__).parent.glob("[!_]*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Score":
                named |= {x.value for x in node.args[:1] if isinstance(x, ast.Constant)}
    assert {"iq", "iv", "ig", "fid", "kid", "janus_rate", "clip_distance"} <= named
    found = glossary.sections()
    assert named <= set(glossary.anchors(found))
    made = glossary.anchors(found)
    assert made["iq"] == "f-inception-quality"
    assert made["ig"] == "f-inception-gain"
    assert made["janus_rate"] == "f-janus-janus_rate"


def test_the_glossary_is_the_docstrings():
    texts = {x.name: str(x.text) for part in glossary.sections() for x in part.entries}
    assert "the mean over views of H(p(y|x))" in texts["quality"]
    assert "Args" not in texts["quality"]
    assert "&gt;&gt;&gt;" not in texts["quality"]
    assert "<h3>FID</h3>" in glossary.traps()
