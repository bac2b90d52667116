"""The model card: measures the trained models and writes ``MODEL_CARD.md``, ``card.json`` and picture sheets beside them.

:mod:`sampler` draws from a prior, :mod:`measures` turns models into numbers, :mod:`sheets` into pictures, and :mod:`page`
numbers into Markdown.
"""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from esd_bench.embedded import data, networks, weights
from esd_bench.embedded.card import measures, page, sheets
from esd_bench.embedded.card.measures import Numbers
from esd_bench.embedded.card.sampler import Sampler
from esd_bench.embedded.fitting import hardware

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Effort:
    """How much the card measures.

    Attributes:
        samples: pictures per prior, wording and guidance scale, spread evenly over kinds and colours.
        steps: of DDIM.
        columns: kinds on the sheets of samples.
    """

    samples: int = 432
    steps: int = 25
    columns: int = 18


def write(out: Path, device: str, effort: Effort = Effort()) -> None:
    """Measures the models in ``out/weights`` on ``out/data`` and writes card, sheets and digests beside them.

    A sheet that is there is kept; delete it to have it drawn again.
    """
    root = out / "weights"
    weights.seal(root)
    numbers = measure(root, data.load(out / "data", "held-out", device=device), device, effort)
    numbers["training"] = {
        p.stem: json.loads(p.read_text()) for p in sorted((out / "notes").glob("*.json"))
    }
    numbers["measured"] = asdict(effort) | {"device": hardware(device)}
    (root / "card.json").write_text(json.dumps(numbers, indent=1) + "\n")
    (root / "MODEL_CARD.md").write_text(page.markdown(numbers, page.files(root)))
    weights.seal(root)


def measure(root: Path, pool: data.Pool, device: str, effort: Effort) -> Numbers:
    """All numbers of the card; draws the sheets on the way."""
    torch.manual_seed(0)
    numbers: Numbers = judges(root, pool, device)
    vae = networks.pretrained("vae", weights.components(root=root)["vae"], device)
    numbers["vae"] = measures.autoencoder(vae, pool)
    sheets.of_data(root, device)
    sheets.of_windows(root, pool)
    sheets.of_autoencoder(root, pool, vae)
    log.info("[card] %s", numbers)
    judge, numbers["priors"] = weights.classifier(root).to(device), {}
    for name in weights.names(root):
        prior = Sampler(weights.components(name, root), device, effort.steps)
        sheets.of_samples(root / f"sheet-{name}.webp", prior, effort.columns)
        numbers["priors"][name] = dict(measures.biases(prior, judge, effort.samples))
    return numbers


def judges(root: Path, pool: data.Pool, device: str) -> Numbers:
    """Accuracy of the classifier and of CLIP on held-out pictures, on white."""
    images = pool.images(torch.arange(len(pool), device=device), "white")
    judge, labels = weights.classifier(root).to(device), pool.labels
    whole = labels.window == 0
    groups = {
        "rgb": whole & ~labels.normals,
        "normals": whole & labels.normals,
        "windows": ~whole & ~labels.normals,
    }
    return {
        "classifier": {
            k: measures.accuracy(judge, labels[m], images[m]) for k, m in groups.items()
        },
        "clip": measures.retrieval(
            weights.clip_folder(root), labels[groups["rgb"]], images[groups["rgb"]]
        ),
    }
