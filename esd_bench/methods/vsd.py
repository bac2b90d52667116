"""Variational Score Distillation (ProlificDreamer, arXiv 2305.16213, eq. 9)."""

from esd_bench.methods import CAMERA, NULL, TEXT, Method, Predictions, cfg
from esd_bench.types import Latent


def vsd(scale: float = 7.5, camera_dropout: float = 0.1) -> Method:
    """VSD: the teacher minus a student that learns the score of the rendered views, told the camera.

    Args:
        scale: guidance of the teacher.
        camera_dropout: share of the student's fits without the camera.
    """

    def residual(eps: Predictions) -> Latent:
        return cfg(eps.text, eps.null, scale) - eps.camera

    return Method(residual, rows=(TEXT, NULL, CAMERA), camera_dropout=camera_dropout)
