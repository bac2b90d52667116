"""Contract of a metric: pure functions on plain tensors, and a small description of what they need.

``metrics/NAME.py`` holds a function ``NAME(...) -> Metric`` beside its pure functions, which import nothing but torch,
numpy, scipy and the nouns.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

ROLES = ("clip", "classifier", "features", "oracle")
"""What an embedder is used as. The prior's family decides which network fills a role; the user may choose another."""


@dataclass(frozen=True)
class Inputs:
    """What one asset offers to a metric.

    Attributes:
        outputs: role -> output name -> (n, d) tensor, a row per view; each output has its own width d.
        text: role -> (1, d) embedding of the plain prompt, for roles with a text tower.
        others: role -> (q, d) embeddings of the other texts that the prompt is to be told from.
        reference: role -> output name -> (m, d), the same of the reference pictures.
        azimuth, elevation: (n,) radians of the views.
        truth: what an oracle is asked to find: ``kind`` and ``colour`` indices, where the prompt says so.
        worded: wording of :attr:`Metric.texts` -> (1, d) CLIP embedding of the prompt in that wording.
        mirrored: as ``outputs``, of the same pictures with left and right exchanged.
    """

    outputs: Mapping[str, Mapping[str, Float[Tensor, "n _"]]]
    azimuth: Float[Tensor, " n"]
    elevation: Float[Tensor, " n"]
    text: Mapping[str, Float[Tensor, "1 _"]] = field(default_factory=dict)
    others: Mapping[str, Float[Tensor, "q _"]] = field(default_factory=dict)
    reference: Mapping[str, Mapping[str, Float[Tensor, "m _"]]] = field(default_factory=dict)
    truth: Mapping[str, int] = field(default_factory=dict)
    worded: Mapping[str, Float[Tensor, "1 _"]] = field(default_factory=dict)
    mirrored: Mapping[str, Mapping[str, Float[Tensor, "n _"]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Score:
    """One number of one asset.

    Attributes:
        name: as tables call it, e.g. ``fid``.
        value: the number; None where it is undefined, with ``note`` saying why.
        unit: "nats", "degrees", "" ...
        better: which way is good; None where neither is.
        n: how many views went in.
        per_view: the value of each view where the metric is a mean over views.
        version: rises when a change moves the number.
        note: a caveat to print beside the number.
        interval: where the number may lie, 95 %, for metrics that know.
        beside: numbers to read it with, such as the ranks of FID's covariances.
    """

    name: str
    value: float | None
    unit: str
    better: Literal["higher", "lower"] | None
    n: int
    per_view: Sequence[float] = ()
    version: int = 1
    note: str = ""
    interval: tuple[float, float] | None = None
    beside: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A JSON value."""
        return {**self.__dict__, "per_view": list(self.per_view), "beside": dict(self.beside)}


@dataclass(frozen=True)
class Metric:
    """A way to score one asset.

    Attributes:
        compute: the function itself; it may return several scores that share their inputs.
        roles: the roles whose outputs it reads (of :data:`ROLES`).
        views: ``sphere`` or ``ring``: the protocol it needs.
        reference: whether it needs reference pictures of the prior.
        others: whether it needs the suite's other texts.
        texts: wordings whose CLIP embeddings it reads, such as ``{}, front view``; braces stand for the prompt.
        mirrored: whether it reads what the networks say of the mirrored pictures.
    """

    compute: Callable[[Inputs], Sequence[Score]]
    roles: tuple[str, ...]
    views: Literal["sphere", "ring"] = "sphere"
    reference: bool = False
    others: bool = False
    texts: tuple[str, ...] = ()
    mirrored: bool = False
