"""Figure 5 of ESD (arXiv 2401.00909): VSD and ESD combined with DreamTime's schedule (arXiv 2306.12422)."""

from pathlib import Path

from esd_bench.illustrate.study import Arm, Study, swept
from esd_bench.presets import Settings, preset


def dreamtime(study: Study, /) -> list[Path]:
    """Both methods with the preset's random noise levels and with DreamTime's, which replace any annealing."""
    arms = [
        _arm(study, method, schedule)
        for method in ("vsd", "esd")
        for schedule in (None, "dreamtime")
    ]
    return swept(study, "dreamtime", arms)


def _arm(study: Study, method: str, schedule: str | None) -> Arm:
    settings = Settings(
        method,
        {},
        prior=study.prior or "embedded",
        schedule=schedule,
        steps=study.steps,
        view_words=False,
    )
    more = "" if schedule is None else " + DreamTime"
    return Arm(f"{method.upper()}{more}", preset(study.preset, settings))
