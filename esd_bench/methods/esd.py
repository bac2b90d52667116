"""Entropic Score Distillation (arXiv 2401.00909, eq. 9 and Algorithm 1)."""

from typing import Annotated

from esd_bench.methods import ANYWHERE, CAMERA, NULL, TEXT, Method, Predictions, cfg
from esd_bench.types import Latent, Symbol


def esd(
    scale: float = 7.5,
    entropy: Annotated[float, Symbol("lambda", "λ")] = 0.5,
    camera_dropout: float = 0.5,
) -> Method:
    """ESD: VSD plus the entropy of the views, by mixing in a student that is not told the camera.

    Algorithm 1 prints an ascent sign; with eps predictors it is a descent (the score is -eps / sigma).

    Args:
        scale: guidance of the teacher.
        entropy: lambda, the weight of the camera-free student; 0 is VSD. threestudio's guidance_scale_lora is 1 - lambda.
        camera_dropout: share of the student's fits without the camera; .5 in the paper, .1 in threestudio.
    """

    def residual(eps: Predictions) -> Latent:
        teacher = cfg(eps.text, eps.null, scale)
        student = cfg(eps.camera, eps.anywhere, 1 - entropy)
        return teacher - student

    return Method(residual, rows=(TEXT, NULL, CAMERA, ANYWHERE), camera_dropout=camera_dropout)
