"""Views per second from PNG files to all numbers: the real ``score`` against torch-fidelity, torchmetrics and open_clip in turn.

Each library reads the PNG files again and runs its network again, as its documentation shows: torch-fidelity's
``calculate_metrics`` on the folder (FID, KID, Inception score), which loads its network at each call; torchmetrics' FID and Inception
score fed by a DataLoader; open_clip's embeddings, under autocast on a GPU, where ours stay in float32. Ours gives CLIP distance, FID,
KID, IQ, IV, IG and CMMD, each on the sphere and on its supervised band. Inception-v3 and CLIP have the published sizes and random
weights, the same for all; but for torch-fidelity's, networks are loaded before, and so are the features of the references.
``lean`` counts torch-fidelity and open_clip only, which together give nearly the same numbers with each network run once.

python benchmarks/score_speed.py [--device cpu|cuda] [--assets 1] [--views 120] [--rounds 3] [--out FILE]
python benchmarks/score_speed.py --device cuda --assets 2 --rounds 2 --threads 8 --out benchmarks/results/score_speed_cuda.json
"""

import contextlib
import os
import tempfile
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

import open_clip
import torch
import torch_fidelity
from race import medians, parser, publish, race, ratio
from random_networks import clip, extractor, weights
from score_scale import make
from scoring import pictures
from torch.utils.data import DataLoader
from torch_fidelity.datasets import ImagesPathDataset
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore

from esd_bench import reference
from esd_bench.embedders._network import frozen
from esd_bench.embedders.inception import _network, embed
from esd_bench.features import Features
from esd_bench.score import Settings, score
from esd_bench.spec import Choice
from esd_bench.store import RunStore

METRICS = ("clip_distance", "fid", "kid", "inception", "cmmd")
MODELS = {"cpu": "ViT-B-32", "cuda": "ViT-L-14"}
SUMS = {
    "all": ("torch-fidelity", "torchmetrics", "open_clip"),
    "lean": ("torch-fidelity", "open_clip"),
}
BATCH = 64
"""Of the peers: torch-fidelity's own default; ours is fixed, because last bits depend on it."""


def ours(root: Path, loaded: dict[Choice, object], device: str) -> Callable[[], None]:
    """``score`` on the folder of runs; the features of the views are forgotten before each round, those of the references kept."""
    judge, viewer = loaded
    roles = {"clip": viewer, "classifier": judge, "features": judge}
    settings = Settings(
        device=device, embedders=roles, reference_root=root / "references", again=True
    )
    cache = Features(root / "runs" / ".features", device)
    cache._networks = loaded
    for found in reference.sets(root / "references"):
        for choice in loaded:
            cache.of(choice, found.pictures())
    kept = set(cache.folder.rglob("*.safetensors"))

    def work() -> None:
        for path in set(cache.folder.rglob("*.safetensors")) - kept:
            path.unlink()
        with patch.object(Choice, "make", lambda choice, *_: loaded[choice]):
            summary = score(root / "runs", METRICS, settings)
        assert not summary.problems
        assert not summary.skipped

    return work


def fidelity(folders: list[Path], against: Path, path: Path, device: str) -> Callable[[], None]:
    """torch-fidelity; the features and statistics of the references come from its cache."""
    call = partial(
        torch_fidelity.calculate_metrics,
        input2=str(against),
        input2_cache_name="references",
        cache_root=str(path.parent / "fidelity"),
        cuda=device == "cuda",
        batch_size=BATCH,
        isc=True,
        kid=True,
        kid_subset_size=min(len(list(x.glob("*.png"))) for x in (*folders, against)),
        feature_extractor_weights_path=str(path),
        verbose=False,
    )
    call(input1=str(against), input1_cache_name="references")

    def work() -> None:
        for folder in folders:
            call(input1=str(folder), fid=True)

    return work


def read(folder: Path, prepare: Callable | None = None) -> DataLoader:
    """The pictures of a folder in batches, read by as many processes as torch-fidelity takes."""
    data = ImagesPathDataset(sorted(folder.glob("*.png")), prepare)
    workers = min(4, 2 * (os.cpu_count() or 1))
    return DataLoader(data, BATCH, num_workers=workers, pin_memory=torch.cuda.is_available())


def torchmetrics(folders: list[Path], against: Path, path: Path, device: str):
    """torchmetrics' FID and Inception score, one after the other; FID keeps the references."""
    fid = FrechetInceptionDistance(extractor(path, "2048"), reset_real_features=False).to(device)
    inception = InceptionScore(extractor(path, "logits_unbiased")).to(device)
    for batch in read(against):
        fid.update(batch.to(device), real=True)

    def work() -> None:
        for folder in folders:
            for metric, more in ((fid, {"real": False}), (inception, {})):
                metric.reset()
                for batch in read(folder):
                    metric.update(batch.to(device), **more)
                metric.compute()

    return work


def open_clip_(folders: list[Path], name: str, texts: list[str], device: str):
    """open_clip's similarity, as its README shows."""
    model, _, preprocess = open_clip.create_model_and_transforms(name, device=device)
    model.eval()
    tokenizer = open_clip.get_tokenizer(name)

    def work() -> None:
        for folder, text in zip(folders, texts, strict=True):
            near = []
            half = torch.autocast("cuda") if device == "cuda" else contextlib.nullcontext()
            with torch.no_grad(), half:
                words = model.encode_text(tokenizer([text]).to(device))
                words /= words.norm(dim=-1, keepdim=True)
                for batch in read(folder, preprocess):
                    seen = model.encode_image(batch.to(device))
                    seen /= seen.norm(dim=-1, keepdim=True)
                    near.append((seen @ words.T).cpu())
            1 - torch.cat(near).mean()

    return work


def networks(
    folder: Path, size: int, clip_name: str, device: str
) -> tuple[Path, str, dict[Choice, object]]:
    """The file of Inception, the name of CLIP for open_clip, and both as our embedders."""
    path = folder / "inception.pth"
    weights(pictures(12, 5, size), path)
    name = clip(clip_name, folder / "clip")
    judge = Choice.of("embedders", "inception")
    viewer = Choice.of("embedders", "clip", {"model": name})
    network = frozen(_network(torch.load(path, weights_only=True)), torch.device(device))
    made = {
        judge: embed(network, torch.device(device), "clean", bias=True),
        viewer: viewer.make("embedders", torch.device(device)),
    }
    return path, name, made


def measured(a: Namespace, model: str) -> dict[str, list[float]]:
    """Seconds of all sides, round by round, and the sums of the libraries in the same round."""
    with tempfile.TemporaryDirectory() as folder:
        root, protocol = Path(folder), f"sphere:{a.views}"
        make(root, a.assets, (protocol,), a.size, prompts=1)
        runs = RunStore(root / "runs").find()
        folders = [run.views_folder(protocol) for run in runs]
        against = reference.sets(root / "references")[0].path
        path, name, loaded = networks(root, a.size, model, a.device)
        texts = [run.spec.prompt.text for run in runs]
        ways = {
            "ours": ours(root, loaded, a.device),
            "torch-fidelity": fidelity(folders, against, path, a.device),
            "torchmetrics": torchmetrics(folders, against, path, a.device),
            "open_clip": open_clip_(folders, name, texts, a.device),
        }
        found = race(ways, a.rounds, warmup=a.device == "cuda")
    for what, peers in SUMS.items():
        found[what] = [sum(some) for some in zip(*(found[x] for x in peers), strict=True)]
    return found


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--device", default="cpu", choices=tuple(MODELS))
    options.add_argument("--clip", help=f"a name of open_clip; {MODELS} by default")
    options.add_argument("--assets", type=int, default=1)
    options.add_argument("--views", type=int, default=120)
    options.add_argument("--size", type=int, default=256, help="side of a view in pixels")
    options.set_defaults(rounds=3)
    a = options.parse_args()
    torch.set_num_threads(a.threads)
    model = a.clip or MODELS[a.device]
    seconds = measured(a, model)
    took, count = medians(seconds), a.assets * a.views
    result = {
        "device": a.device,
        "clip": model,
        "assets": a.assets,
        "views": a.views,
        "pixels": a.size,
        "times faster": {what: round(ratio(seconds, what, "ours"), 2) for what in SUMS},
        "views per second": {name: round(count / x, 2) for name, x in took.items()},
        "seconds": seconds,
    }
    publish("score_speed", result, a.out)


if __name__ == "__main__":
    main()
