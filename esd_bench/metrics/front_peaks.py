"""How many fronts stand out round an asset by CLIP's view words: for any asset, with or without an oracle."""

from esd_bench.metrics import Inputs, Metric, Score
from esd_bench.metrics._ring import fronts
from esd_bench.metrics._words import TEXTS, alike, word_probabilities


def front_peaks() -> Metric:
    """Number of peaks of CLIP's P(front view) round the ring: 1 is right, 0 no front or a front everywhere."""

    def compute(inputs: Inputs) -> list[Score]:
        p = word_probabilities(inputs.outputs["clip"]["image"], inputs.worded)
        if alike(p):
            return [Score("front_peaks", None, "", None, len(p), note="all views look alike")]
        return [fronts("front_peaks", p[:, 0], inputs.azimuth)]

    return Metric(compute, roles=("clip",), views="ring", texts=TEXTS)
