"""The figures of ESD (arXiv 2401.00909), one file and one command each: a picture and its numbers as CSV.

``illustrate/NAME.py`` makes the figure; ``gaussian`` needs closed forms only, ``grid`` any finished runs, ``entropy`` (not in the
paper) scored ones, the others make their runs by the ordinary acts, so that running again resumes. This file imports nothing: it is read for ``--help``.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A figure whose runs are made for it.

    Attributes:
        module: the file of this folder, whose function of that name draws it.
        says: what it shows, for ``--help``.
        prompts: what is made, unless the user asks for something else.
        preset: settings of the runs; "" where the figure has its own.
    """

    module: str
    says: str
    prompts: tuple[str, ...]
    preset: str = "embedded"


STUDIES = {
    "image2d": Figure(
        "image2d",
        "Figure 8: a large picture optimised through windows, and how many objects it came to show.",
        ("a red dog",),
        preset="",
    ),
    "lambda": Figure(
        "lambdas",
        "Figure 6: ESD at several weights of the entropy on the strongly biased prior.",
        ("a red dog", "a blue car"),
    ),
    "dreamtime": Figure(
        "dreamtime",
        "Figure 5: VSD and ESD with random noise levels and with DreamTime's falling ones.",
        ("a purple lion",),
    ),
    "unconditioned": Figure(
        "unconditioned",
        "Figure 7: a student that is never told the camera, used by itself, beside ESD.",
        ("a gray elephant",),
    ),
}
"""Figures that are made of runs, by the name of their command."""
