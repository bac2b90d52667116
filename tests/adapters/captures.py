"""Pictures, films and folders for tests of adapters."""

import json
import math
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 24


def frame(turn: float, size: int = SIZE, alpha: bool = True) -> np.ndarray:
    """A red dot on its way round a grey disc, seen from a camera at an azimuth in degrees; white behind."""
    y, x = (np.mgrid[:size, :size] + 0.5 - size / 2) / (size / 2)
    picture = np.full((size, size, 4), 255, np.uint8)
    picture[np.hypot(x, y) < 0.8] = (100, 100, 100, 255)
    across = 0.55 * math.sin(math.radians(-turn))
    down = 0.3 * math.cos(math.radians(turn))
    picture[np.hypot(x - across, y - down) < 0.25] = (220, 30, 30, 255)
    if alpha:
        picture[np.hypot(x, y) >= 0.8, 3] = 0
    return picture if alpha else picture[..., :3]


def turns(count: int, closed: bool = False) -> list[float]:
    """Azimuths of a ring; closed ends where it began, as threestudio's."""
    return [360 * i / (count - 1 if closed else count) for i in range(count)]


def folder(path: Path, pictures: list[np.ndarray], name: str = "{}.png", **options: object) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(path / name.format(i), **options)
    return path


def ring_folder(
    path: Path, count: int, closed: bool = False, name: str = "{}.png", size: int = SIZE
) -> Path:
    return folder(path, [frame(x, size) for x in turns(count, closed)], name)


def animation(path: Path, pictures: list[np.ndarray], **options: object) -> Path:
    first, *rest = [Image.fromarray(x) for x in pictures]
    first.save(path, save_all=True, append_images=rest, duration=40, loop=0, **options)
    return path


def film(path: Path, pictures: list[np.ndarray]) -> Path:
    """H.264 in MP4, or VP9 in WebM."""
    import av

    with av.open(str(path), "w") as container:
        codec = "libx264" if path.suffix == ".mp4" else "libvpx-vp9"
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def look_at(place: np.ndarray, target: np.ndarray, up: np.ndarray) -> np.ndarray:
    """A camera-to-world matrix in OpenGL's axes."""
    back = (place - target) / np.linalg.norm(place - target)
    right = np.cross(up, back)
    right /= np.linalg.norm(right)
    made = np.eye(4)
    made[:3] = np.stack([right, np.cross(back, right), back, place], 1)
    return made


def blender(
    path: Path, azimuths: list[float], elevation: float = 20.0, size: int = SIZE, **more: object
) -> Path:
    """A NeRF folder in Blender's world: +z up, the front looks along -y; the object at (1, 2, 3), four units away."""
    target, frames = np.array([1.0, 2.0, 3.0]), []
    for i, turn in enumerate(azimuths):
        a, e = math.radians(turn), math.radians(elevation)
        way = np.array([math.cos(e) * math.sin(a), -math.cos(e) * math.cos(a), math.sin(e)])
        c2w = look_at(target + 4 * way, target, np.array([0, 0, 1.0]))
        frames.append({"file_path": f"./images/r_{i}", "transform_matrix": c2w.tolist()})
    folder(path / "images", [frame(x, size) for x in azimuths], "r_{}.png")
    told = {"camera_angle_x": 0.7, "frames": frames, **more}
    (path / "transforms.json").write_text(json.dumps(told))
    return path


TRIAL = {
    "name": "prolificdreamer-texture",
    "seed": 5,
    "data": {
        "eval_height": 16,
        "eval_width": 16,
        "eval_elevation_deg": 15.0,
        "eval_fovy_deg": 70.0,
        "eval_camera_distance": 1.5,
        "n_test_views": 6,
    },
    "system": {
        "stage": "texture",
        "guidance_type": "stable-diffusion-vsd-guidance",
        "guidance": {"guidance_scale_lora": 0.5},
        "prompt_processor": {"prompt": "a corgi: a cake"},
        "background": {"eval_color": [1.0, 1.0, 1.0]},
    },
}


def trial(path: Path, settings: dict | None = None, **system: object) -> Path:
    """A trial's folder with six strips of 16 pixels: a red square, half opaque, over white."""
    said = json.loads(json.dumps(settings or TRIAL))
    said["system"].update(system)
    (path / "configs").mkdir(parents=True)
    (path / "configs" / "parsed.yaml").write_text(json.dumps(said))
    (path / "ckpts").mkdir()
    (path / "ckpts" / "last.ckpt").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    opacity = np.zeros((16, 16, 1), np.uint8)
    opacity[4:12, 4:12] = 128
    share = opacity / 255
    strips = []
    for i in range(6):
        colour = np.array([200 - i % 5, 20, 40])
        rgb = colour * share + 255 * (1 - share)
        strips.append(np.concatenate([rgb, np.repeat(opacity, 3, 2)], 1).round().astype(np.uint8))
    folder(path / "save" / "it300-test", strips)
    return path
