"""Contract of an embedder: a frozen network that turns pictures into numbers, once for all metrics.

``embedders/NAME.py`` holds a function ``NAME(device, /, *, ...) -> Embedder``. Preprocessing (resize, crop, range) is part
of it and of its digest.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from esd_bench.types import Images


@runtime_checkable
class Embedder(Protocol):
    """A network with its preprocessing.

    Attributes:
        name: as tables print it, e.g. ``ViT-L-14/openai``.
        digest: SHA-256 of weights and preprocessing.
        outputs: names of what ``images`` returns: of ``image`` (unit-norm, for CLIP distance), ``features`` (Frechet
            distance), ``probs`` (p(y|x)), ``azimuth`` (24 bins of the pose oracle, bin 0 the front, counting towards +x),
            ``kind`` and ``colour`` (the oracle's other heads).
    """

    name: str
    digest: str
    outputs: tuple[str, ...]

    def images(self, rgb: Images) -> dict[str, Float[Tensor, "n _"]]:
        """One forward; float32 on the CPU, a row per picture."""
        ...

    def texts(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        """Unit-norm text embeddings.

        Raises:
            NotImplementedError: where the network has no text tower.
        """
        ...

    def truth(self, text: str) -> dict[str, int]:
        """Indices of the ``kind`` and the ``colour`` that a text names; empty where the network has no such labels."""
        ...
