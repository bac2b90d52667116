"""Figure 6 of ESD (arXiv 2401.00909): from VSD (lambda = 0) to the entropy alone (1), and beyond."""

from pathlib import Path

from esd_bench.illustrate.study import Arm, Study, swept
from esd_bench.presets import Settings, preset

LAMBDAS = (0.0, 0.25, 0.5, 0.75, 1.0, 2.0)


def lambdas(study: Study, /, *, values: tuple[float, ...] = LAMBDAS) -> list[Path]:
    """ESD at each lambda, all else equal (camera dropout .5 also at 0), without view words, which would hide collapse.

    Args:
        study: what is made, and how.
        values: of lambda.
    """
    prior = study.prior or "embedded-biased"
    arms = [
        Arm(
            f"λ = {value:g}",
            preset(
                study.preset,
                Settings(
                    "esd", {"entropy": value}, prior=prior, steps=study.steps, view_words=False
                ),
            ),
        )
        for value in values
    ]
    return swept(study, "lambda", arms)
