"""Trains the embedded models: ``python -m esd_bench.embedded.train all --out DIR``.

Stages, in order: ``data`` renders; ``vae``, ``clip``, ``prior`` and ``classifier`` train; ``card`` measures. Each is skipped
when its output exists and goes on from its own checkpoint when it was interrupted. A stage takes options after ``=``:
``data=sphere,held-out``, ``prior=embedded-biased``.
"""

import argparse
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from esd_bench.embedded import card, data
from esd_bench.embedded.fitting import CaptureError
from esd_bench.embedded.training.classifier import classifier
from esd_bench.embedded.training.clip import clip
from esd_bench.embedded.training.job import Job
from esd_bench.embedded.training.prior import prior
from esd_bench.embedded.training.vae import vae

log = logging.getLogger(__name__)


def pools(job: Job, option: str = "") -> None:
    """Renders all pools, or those named."""
    for pool in option.split(",") if option else data.POOLS:
        data.build(pool, job.pools, 96 if job.quick else None, job.device)


def measured(job: Job, option: str = "") -> None:
    """Measures the finished models and writes the model card."""
    quick = card.Effort(samples=2, steps=2, columns=2)
    card.write(job.out, job.device, quick if job.quick else card.Effort())


STAGES: dict[str, Callable[[Job, str], None]] = {
    "data": pools,
    "vae": vae,
    "clip": clip,
    "prior": prior,
    "classifier": classifier,
    "card": measured,
}


def train(stages: Sequence[str], job: Job) -> None:
    """Runs stages one after the other; ``["all"]`` is every stage. Progress goes to the log of this package, level INFO.

    Raises:
        ValueError: for an unknown stage, prior or pool, or where an earlier stage's output is missing.
        CaptureError: when a CUDA graph can't be recorded; the same command with ``eager`` goes on.
    """
    stages = list(STAGES) if list(stages) == ["all"] else stages
    unknown = [s for s in stages if s.partition("=")[0] not in STAGES]
    if unknown:
        raise ValueError(f"unknown stage {unknown[0]!r}; choose from {', '.join(STAGES)} or all")
    torch.backends.cudnn.benchmark = True
    for stage in stages:
        name, _, option = stage.partition("=")
        torch.manual_seed(job.seed)
        start = time.time()
        STAGES[name](job, option)
        log.info("[%s] done in %.1f s", stage, time.time() - start)


@contextmanager
def progress_shown() -> Iterator[None]:
    """Lets the progress lines of this package appear on standard error meanwhile."""
    logger, handler = logging.getLogger("esd_bench.embedded"), logging.StreamHandler()
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False  # other packages give the root logger handlers
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before


def main(argv: Sequence[str] | None = None) -> None:
    """Parses a command line and runs it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stages", nargs="+", help=f"all, or some of {', '.join(STAGES)}")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--pace", type=float, default=Job.pace, help="factor on training times")
    parser.add_argument("--steps", type=int, default=Job.steps, help="cap of every stage's steps")
    parser.add_argument("--seed", type=int, default=Job.seed)
    parser.add_argument("--front", type=float, help="share of front views, instead of the prior's")
    parser.add_argument("--quick", action="store_true", help="tiny data, to try the chain")
    parser.add_argument("--eager", action="store_true", help="no CUDA graphs")
    words = vars(parser.parse_args(argv))
    try:
        with progress_shown():
            train(words.pop("stages"), Job(**words))
    except (ValueError, CaptureError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
