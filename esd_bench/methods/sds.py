"""Score Distillation Sampling (DreamFusion, arXiv 2209.14988, eq. 3)."""

from esd_bench.methods import NULL, TEXT, Method, Predictions, cfg
from esd_bench.types import Latent


def sds(scale: float = 100.0) -> Method:
    """SDS: the teacher's guided prediction minus the noise itself.

    Differs from threestudio: there the plain branch computes text + s (text - null), so its 100 is our 101.

    Args:
        scale: guidance; 100 in the papers.
    """

    def residual(eps: Predictions) -> Latent:
        return cfg(eps.text, eps.null, scale) - eps.noise

    return Method(residual, rows=(TEXT, NULL))
