"""All metrics of one asset of 120 views against torchmetrics called metric by metric, with the same networks.

torchmetrics runs a network once per metric; esd-bench runs it once. Reference features are made before on both sides.
torchmetrics has no Janus metrics, which ours computes beside the others.

python benchmarks/scoring.py [--network embedded|imagenet] [--rounds 3] [--out FILE]
"""

import math
import tempfile
from pathlib import Path
from types import SimpleNamespace

import torch
from race import medians, parser, publish, race, ratio
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance
from torchmetrics.multimodal import CLIPScore

from esd_bench import plugins
from esd_bench.cameras import sphere
from esd_bench.features import Features, bytes_of
from esd_bench.metrics import Inputs
from esd_bench.spec import Choice

TEXT = "a red cat"


class Output(torch.nn.Module):
    """One output of an embedder, as torchmetrics wants a feature extractor."""

    def __init__(self, embedder, name, width, change=lambda x: x) -> None:
        super().__init__()
        self.embedder, self.name, self.num_features, self.change = embedder, name, width, change

    def forward(self, pictures):
        return self.change(self.embedder.images(pictures.float() / 255)[self.name])


class Clip(torch.nn.Module):
    """A CLIP embedder in the shape of transformers' model and processor."""

    config = SimpleNamespace(text_config=SimpleNamespace(max_position_embeddings=77))

    def __init__(self, embedder) -> None:
        super().__init__()
        self.embedder = embedder
        self.here = torch.nn.Parameter(torch.zeros(1))

    def get_image_features(self, pictures):
        return self.embedder.images(pictures.float() / 255)["image"]

    def get_text_features(self, ids, mask):
        return self.embedder.texts([TEXT] * len(ids))

    def processor(self, text=None, images=None, **_):
        if images is not None:
            return {"pixel_values": torch.stack([x.to(torch.uint8) for x in images])}
        return {key: torch.zeros(len(text), 1) for key in ("input_ids", "attention_mask")}


def pictures(n: int, seed: int, size: int = 64):
    """Something with structure: smooth random blobs."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 3, 5, 5, generator=random)
    smooth = torch.nn.functional.interpolate(
        coarse, (size, size), mode="bicubic", align_corners=False
    )
    return bytes_of(smooth)


def ours(networks, views, against, cameras):
    """Every metric of the folder, through the feature cache of `esd-bench score`, which begins empty."""
    metrics = [plugins.load("metrics", name)() for name in plugins.names("metrics")]
    usable = [x for x in metrics if set(x.roles) <= set(networks)]

    def work():
        with tempfile.TemporaryDirectory() as folder:
            cache = Features(Path(folder))
            cache._networks = LOADED
            inputs = Inputs(
                outputs={role: cache.of(choice, views) for role, choice in networks.items()},
                azimuth=cameras.azimuth,
                elevation=cameras.elevation,
                text={"clip": cache.text(networks["clip"], TEXT)},
                reference=against,
                truth={"kind": 0, "colour": 0},
            )
            return {s.name: s.value for metric in usable for s in metric.compute(inputs)}

    return work


def theirs(networks, views, reference):
    """FID, KID, Inception score and CLIP score, one after the other."""
    judge, clip = (LOADED[networks[role]] for role in ("features", "clip"))
    width = judge.images(views[:1].float() / 255)["features"].shape[1]
    fid = FrechetInceptionDistance(Output(judge, "features", width), reset_real_features=False)
    fid.set_dtype(torch.float64)
    kid = KernelInceptionDistance(
        Output(judge, "features", width),
        subset_size=min(len(reference), len(views)),
        reset_real_features=False,
    )
    inception = InceptionScore(Output(judge, "probs", width, torch.log), splits=1)
    model = Clip(clip)
    score = CLIPScore(lambda: (model, model.processor))
    for metric in (fid, kid):
        metric.update(reference, real=True)

    def work():
        for metric in (fid, kid, inception, score):
            metric.reset()
        fid.update(views, real=False)
        kid.update(views, real=False)
        inception.update(views)
        score.update(list(views), [TEXT] * len(views))
        return {
            "fid": float(fid.compute()),
            "kid": float(kid.compute()[0]),
            "log inception score": math.log(float(inception.compute()[0])),
            # compute() would cut off at zero.
            "clip_distance": 1 - float(score.score / score.n_samples) / 100,
        }

    return work


LOADED: dict = {}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--network", default="embedded", choices=("embedded", "imagenet"))
    options.add_argument("--views", type=int, default=120)
    options.set_defaults(rounds=3)
    a = options.parse_args()
    torch.set_num_threads(a.threads)
    judge = Choice.of("embedders", a.network)
    clip = Choice.of("embedders", "clip", {"model": "embedded"})
    networks = {"clip": clip, "classifier": judge, "features": judge}
    if a.network == "embedded":
        networks["oracle"] = judge
    LOADED.update({x: x.make("embedders", torch.device("cpu")) for x in (judge, clip)})
    views, reference = pictures(a.views, 0), pictures(48, 1)
    found = {x: LOADED[x].images(reference.float() / 255) for x in (judge, clip)}
    against = {role: found[choice] for role, choice in networks.items()}
    ways = {
        "ours": ours(networks, views, against, sphere(a.views)),
        "torchmetrics": theirs(networks, views, reference),
    }
    values = {name: work() for name, work in ways.items()}
    seconds = race(ways, a.rounds, warmup=0)
    result = {
        "network": a.network,
        "views": a.views,
        "times faster": round(ratio(seconds, "torchmetrics", "ours"), 2),
        "values": {
            "fid": [x["fid"] for x in values.values()],
            "clip_distance": [x["clip_distance"] for x in values.values()],
            "iv - iq, log inception score": [
                values["ours"]["iv"] - values["ours"]["iq"],
                values["torchmetrics"]["log inception score"],
            ],
        },
        "seconds": medians(seconds),
    }
    publish("scoring", result, a.out)


if __name__ == "__main__":
    main()
