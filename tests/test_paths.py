"""Names that others chose: only what lies in the folder, and in the order in which people count."""

import pytest

from esd_bench.paths import by_number, inside


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../x", "leaves its folder"),
        ("/etc/passwd", "leaves its folder"),
        ("out", "leaves its folder"),
        ("a/../../x", "leaves its folder"),
        ("x\0y", "is no path"),
        ("x" * 300, "too long"),
    ],
)
def test_what_is_not_in_a_folder_is_refused_in_one_line(tmp_path, name, said):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "out").symlink_to(tmp_path)
    with pytest.raises(ValueError, match=said) as caught:
        inside(folder, name)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_what_is_in_a_folder_is_found_through_links_and_need_not_be_there(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert inside(tmp_path, "link/x") == (tmp_path / "real" / "x").resolve()
    assert inside(tmp_path, tmp_path / "y") == (tmp_path / "y").resolve()


def test_two_comes_before_ten():
    names = ["rgb_10.png", "rgb_2.png", "a.png", "rgb_2b.png", "1.png", "0001.png", "", "9" * 50]
    assert sorted(names, key=by_number) == [
        "", "0001.png", "1.png", "9" * 50, "a.png", "rgb_2.png", "rgb_2b.png", "rgb_10.png",
    ]  # fmt: skip
