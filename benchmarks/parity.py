"""Our numbers against those of the libraries whose names they carry: same pictures, same weights, each by its own code.

Inception-v3 has random weights (seed 0; its statistics of normalisation are those of the photographs), since the published
ones are a download: every library loads the same file. EfficientNet-Lite0 and the CLIP that ships are trained. Pictures are crops
of the photographs in scikit-image's wheel, and views of objects of the embedded world, n on each side.

python benchmarks/parity.py [--n 12] [--out benchmarks/results/parity.json]         (extra: parity)
"""

import contextlib
import io
import json
import math
import tempfile
import warnings
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import skimage
import torch
import torch_fidelity
from cleanfid import fid as cleanfid
from PIL import Image
from pytorch_fid import fid_score as pytorch_fid
from pytorch_fid import inception as pytorch_inception
from race import parser, publish
from random_networks import extractor, weights
from scoring import Clip, Output
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance
from torchmetrics.multimodal import CLIPScore

from esd_bench import plugins
from esd_bench.cameras import sphere
from esd_bench.embedded.objects import COLOURS, NAMES, assemble
from esd_bench.embedded.raycast import cast
from esd_bench.embedders._network import frozen
from esd_bench.embedders.inception import _network, embed
from esd_bench.features import bytes_of
from esd_bench.metrics.clip_distance import clip_distance
from esd_bench.metrics.fid import frechet_distance
from esd_bench.metrics.inception import information
from esd_bench.metrics.kid import kernel_distance
from esd_bench.views import ViewSet, quantise

CPU = torch.device("cpu")
LIMIT = 1e-4
SIDES = (("astronaut.png", "chelsea.png"), ("coffee.png", "motorcycle_left.png"))
CROP = 256
TEXT = "a photograph of a cat"
NETWORKS = ["Inception-v3, random", "EfficientNet-Lite0", "embedded CLIP"]


def photographs(n: int, files) -> torch.Tensor:
    """Crops, half of them of each file."""
    folder, random, found = Path(skimage.__file__).parent / "data", np.random.default_rng(0), []
    for i in range(n):
        whole = np.asarray(Image.open(folder / files[i % 2]).convert("RGB"))
        y, x = (random.integers(side - CROP + 1) for side in whole.shape[:2])
        found.append(torch.from_numpy(whole[y : y + CROP, x : x + CROP].copy()).permute(2, 0, 1))
    return torch.stack(found)


def renders(n: int, kind: str, colour: str) -> torch.Tensor:
    """Views of an object on white, as scored."""
    index = [
        torch.full((n,), value) for value in (NAMES.index(kind), list(COLOURS).index(colour), 0)
    ]
    cameras = sphere(n)
    rgba = cast(assemble(*index, torch.Generator().manual_seed(0)), cameras)
    pixels = quantise(rgba[:, :3] * rgba[:, 3:], rgba[:, 3:])
    return bytes_of(ViewSet(pixels, cameras, f"sphere:{n}").over("white"))


# ---- each library by its own functions -------------------------------------------------------------------------------


def clean_fid(path: Path, a: torch.Tensor, b: torch.Tensor, folders) -> dict[str, float]:
    """clean-fid. Its network is a download in TorchScript; ours has the same layers, and 299 pixels are never resized."""
    trunk = torch.nn.Sequential(*[*extractor(path, "2048").children()][:-1])
    options = {"mode": "clean", "num_workers": 0, "batch_size": 12, "device": CPU, "verbose": False}
    found = [
        cleanfid.get_folder_features(str(x), lambda x: trunk((x - 128) / 128).flatten(1), **options)
        for x in folders
    ]
    return {
        "FID": cleanfid.fid_from_feats(*found),
        "KID": cleanfid.kernel_distance(*found, num_subsets=1),
    }


def pytorch(path: Path, a: torch.Tensor, b: torch.Tensor, folders) -> dict[str, float]:
    state = torch.load(path, weights_only=True)
    with patch.object(pytorch_inception, "load_state_dict_from_url", lambda *_, **__: state):
        return {
            "FID": pytorch_fid.calculate_fid_given_paths([*map(str, folders)], 12, CPU, 2048, 0)
        }


def torchmetrics(path: Path, a: torch.Tensor, b: torch.Tensor, folders) -> dict[str, float]:
    features, logits = extractor(path, "2048"), extractor(path, "logits_unbiased")
    return metered(features, logits, a, b)


def metered(features, logits, a: torch.Tensor, b: torch.Tensor) -> dict[str, float]:
    """torchmetrics' three, with given networks."""
    fid = FrechetInceptionDistance(features)
    kid = KernelInceptionDistance(features, subsets=1, subset_size=len(a))
    score = InceptionScore(logits, splits=1)
    for some_a, some_b in zip(a.split(12), b.split(12), strict=True):
        for metric in (fid, kid):
            metric.update(some_b, real=True)
            metric.update(some_a, real=False)
        score.update(some_a)
    return {
        "FID": float(fid.compute()),
        "KID": float(kid.compute()[0]),
        "MI": math.log(float(score.compute()[0])),
    }


class Pictures(torch.utils.data.Dataset):
    def __init__(self, pixels: torch.Tensor) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.pixels[index]


def fidelity(path: Path, a: torch.Tensor, b: torch.Tensor, folders) -> dict[str, float]:
    found = torch_fidelity.calculate_metrics(
        input1=Pictures(a),
        input2=Pictures(b),
        cuda=False,
        batch_size=12,
        fid=True,
        kid=True,
        isc=True,
        isc_splits=1,
        kid_subsets=1,
        kid_subset_size=len(a),
        feature_extractor_weights_path=str(path),
        verbose=False,
        save_cpu_ram=True,
        cache=False,
    )
    return {
        "FID": found["frechet_inception_distance"],
        "KID": found["kernel_inception_distance_mean"],
        "MI": math.log(found["inception_score_mean"]),
    }


PEERS = {"clean": ("clean-fid", clean_fid), "pytorch": ("pytorch-fid", pytorch)}
PEERS |= {"torchmetrics": ("torchmetrics", torchmetrics), "tf1": ("torch-fidelity", fidelity)}


# ---- ours ------------------------------------------------------------------------------------------------------------


def ours(
    embedder, a: torch.Tensor, b: torch.Tensor
) -> tuple[dict[str, float], torch.Tensor, torch.Tensor]:
    """FID, KID and mutual information, and the features of both sides."""
    x, y = (embedder.images(side.float() / 255) for side in (a, b))
    numbers = {
        "FID": frechet_distance(x["features"], y["features"]),
        "KID": kernel_distance(x["features"], y["features"]),
        "MI": information(x["probs"]),
    }
    return numbers, x["features"], y["features"]


def with_inception(path: Path, what: str, mode: str, a, b, folders) -> list[dict]:
    """Each library through its own copy of the network, fed by its own resize."""
    network = frozen(_network(torch.load(path, weights_only=True)), CPU)
    # Inception scores of the libraries leave out the bias of the class head.
    mine, _, _ = ours(embed(network, CPU, mode, bias=False), a, b)
    peer, call = PEERS[mode]
    return compared(what, "Inception-v3, random", mode, peer, mine, call(path, a, b, folders))


def with_efficientnet(what: str, a: torch.Tensor, b: torch.Tensor) -> list[dict]:
    """Real weights; the same features for all, so that only the formulas are compared."""
    embedder = plugins.load("embedders", "imagenet")(CPU)
    mine, x, y = ours(embedder, a, b)
    stats = [fid_features_to_statistics(side) for side in (x, y)]
    options = {"kid_subsets": 1, "kid_subset_size": len(a), "verbose": False}
    theirs = {
        "torch-fidelity": {
            "FID": fid_statistics_to_metric(*stats, False)["frechet_inception_distance"],
            "KID": kid_features_to_metric(x, y, **options)["kernel_inception_distance_mean"],
        },
        "torchmetrics": metered(
            Output(embedder, "features", x.shape[1]),
            Output(embedder, "probs", 1000, torch.log),
            a,
            b,
        ),
        "clean-fid": {
            "FID": cleanfid.fid_from_feats(x.numpy(), y.numpy()),
            "KID": cleanfid.kernel_distance(x.numpy(), y.numpy(), num_subsets=1),
        },
    }
    return [
        row
        for peer, found in theirs.items()
        for row in compared(what, "EfficientNet-Lite0", "", peer, mine, found)
    ]


def with_clip(what: str, a: torch.Tensor) -> list[dict]:
    """torchmetrics' CLIP score over open_clip's own pipeline, against ours."""
    import open_clip

    from esd_bench.embedded.weights import clip_folder

    embedder = plugins.load("embedders", "clip")(CPU, model="embedded")
    mine = clip_distance(embedder.images(a.float() / 255)["image"], embedder.texts([TEXT]))
    name = f"local-dir:{clip_folder()}"
    model, _, preprocess = open_clip.create_model_and_transforms(name)
    model.eval()
    tokens = open_clip.get_tokenizer(name)([TEXT])

    class Theirs(Clip):
        def get_image_features(self, pictures):
            images = [Image.fromarray(x.permute(1, 2, 0).numpy()) for x in pictures]
            return model.encode_image(torch.stack([preprocess(x) for x in images]))

        def get_text_features(self, ids, mask):
            return model.encode_text(tokens).expand(len(ids), -1)

    wrapped = Theirs(embedder)
    score = CLIPScore(lambda: (wrapped, wrapped.processor))
    with torch.no_grad():
        score.update(list(a), [TEXT] * len(a))
    # compute() would cut off at zero.
    theirs = {"CLIP distance": 1 - float(score.score / score.n_samples) / 100}
    return compared(what, "embedded CLIP", "", "torchmetrics", {"CLIP distance": mine}, theirs)


def compared(what: str, network: str, mode: str, peer: str, mine, theirs) -> list[dict]:
    return [
        {
            "pictures": what,
            "network": network,
            "mode": mode,
            "peer": peer,
            "number": name,
            "ours": mine[name],
            "theirs": float(value),
            "relative difference": abs(mine[name] - float(value)) / abs(mine[name]),
        }
        for name, value in theirs.items()
    ]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--n", type=int, default=12)
    a = options.parse_args()
    torch.set_num_threads(a.threads)
    warnings.simplefilter("ignore")
    np.random.seed(0)
    sets = {
        "photographs": [photographs(a.n, files) for files in SIDES],
        "renders": [renders(a.n, "dog", "red"), renders(a.n, "owl", "blue")],
    }
    rows = json.loads(a.out.read_text())["rows"] if a.out and a.out.is_file() else []

    def add(what: str, network: str, mode: str, make) -> None:
        """Stored after each library, and kept when run again: some take minutes for the root of one matrix."""
        if not any(
            row["pictures"] == what and row["network"] == network and row["mode"] == mode
            for row in rows
        ):
            rows.extend(make())
            rows.sort(key=lambda row: (row["pictures"], NETWORKS.index(row["network"])))
            publish("parity", {"n": a.n, "limit": LIMIT, "rows": rows}, a.out)

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        path = Path(folder) / "inception.pth"
        weights(torch.cat([side[:6] for side in sets["photographs"]]), path)
        for what, sides in sets.items():
            folders = stored(Path(folder) / what, sides)
            add(what, NETWORKS[2], "", partial(with_clip, what, sides[0]))
            add(what, NETWORKS[1], "", partial(with_efficientnet, what, *sides))
            for mode in PEERS:
                add(
                    what,
                    NETWORKS[0],
                    mode,
                    partial(with_inception, path, what, mode, *sides, folders),
                )


def stored(folder: Path, sides) -> list[Path]:
    """A folder of PNG files for each side."""
    for number, side in enumerate(sides):
        (folder / str(number)).mkdir(parents=True)
        for i, pixels in enumerate(side):
            picture = Image.fromarray(pixels.permute(1, 2, 0).numpy())
            picture.save(folder / str(number) / f"{i:03d}.png")
    return [folder / str(number) for number in range(len(sides))]


if __name__ == "__main__":
    main()
