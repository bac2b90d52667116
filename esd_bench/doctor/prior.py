"""What is wrong with a prior: it samples, re-noises its own samples, and is asked for the noise again.

A folder that loads can still be wrong: a scheduler file that names the wrong prediction type, another VAE's scaling factor,
another model's text encoder. Each leaves its own mark on the numbers of :class:`Report`; :attr:`Report.fault` reads them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import median

import torch
from jaxtyping import Float
from torch import Tensor

from esd_bench.draws import Draws
from esd_bench.priors import Prior
from esd_bench.prompts import load_suite
from esd_bench.types import Images

PICTURES = 8
LEVELS = (100, 500, 900)
REAL = ("a photo of a dog", "a red sports car", "a bowl of fruit", "a house by the sea")
"""Asked of a prior that knows more than our own."""
_TYPES = {"epsilon": "eps", "v_prediction": "v", "sample": "x"}
_CHUNK = 4
"""Pictures that pass the VAE at once."""


@dataclass(frozen=True)
class Level:
    """How well noise is found again at one t; errors are mean squares, of noise whose mean square is 1.

    Attributes:
        t: the noise level.
        ignorance: the error of one who knows nothing but the picture's variance: alpha^2.
        errors: with the picture's own text, by what the network is taken to predict (eps, v or x).
        other: with another prompt's text, taken as declared.
        empty: with no text.
        shuffled: with the empty text's numbers in another order, which no network was trained on.
        effect: root mean square of eps(text) - eps(no text).
    """

    t: int
    ignorance: float
    errors: Mapping[str, float]
    other: float
    empty: float
    shuffled: float
    effect: float


@dataclass(frozen=True)
class Report:
    """What was measured.

    Attributes:
        prior: its name.
        prompts: what was sampled.
        declared: what the network predicts by its folder: eps, v or x.
        levels: by t.
        guidance: root mean square difference of samples with and without guidance, colours in [0, 1].
        round_trip: PSNR in dB of samples after the VAE's encoder and decoder.
        flat: PSNR in dB of each sample's mean colour, what a decoder without a clue would reach.
        samples_std, pattern_std: standard deviation of latents of samples, and of a pattern as varied as photographs.
    """

    prior: str
    prompts: tuple[str, ...]
    declared: str
    levels: tuple[Level, ...]
    guidance: float
    round_trip: float
    flat: float
    samples_std: float
    pattern_std: float

    @property
    def fault(self) -> str:
        """The likely fault, or ""; the first whose mark is there, since each blurs the marks after it.

        Thresholds lie between the shipped prior and broken copies of it; they were not tried on other priors.
        """
        return next(filter(None, (rule(self) for rule in _RULES)), "")

    def lines(self) -> list[str]:
        """What was measured in words, the likely fault last."""
        return [
            f"{self.prior} is said to predict {self.declared}; {PICTURES} samples of: {', '.join(self.prompts)}",
            *(_told(level) for level in self.levels),
            f"guidance: samples with and without it differ by {self.guidance:.3f} (root mean square)",
            f"VAE: {self.round_trip:.1f} dB after a round trip; the mean colour alone {self.flat:.1f} dB",
            f"latents: standard deviation {self.samples_std:.2f} of samples, {self.pattern_std:.2f} of a test pattern",
            f"likely fault: {self.fault}" if self.fault else "no fault found",
        ]


def _told(level: Level) -> str:
    errors = ", ".join(f"{error:.3f} as {kind}" for kind, error in level.errors.items())
    return (
        f"t = {level.t}: error {errors}; a guess has {level.ignorance:.3f}, another prompt's text {level.other:.3f}, "
        f"no text {level.empty:.3f}; text moves the prediction by {level.effect:.3f}"
    )


def diagnose(
    prior: Prior,
    prompts: Sequence[str] | None = None,
    *,
    steps: int = 25,
    scale: float = 7.5,
    levels: Sequence[int] = LEVELS,
) -> Report:
    """Sample eight pictures and measure everything on them.

    Args:
        prior: of the Stable Diffusion family.
        prompts: at least two; by default prompts that the prior should know, by its name.
        steps: of DDIM.
        scale: guidance of the samples.
        levels: values of t at which to add noise.

    Raises:
        ValueError: for fewer than two prompts.
    """
    chosen = tuple(prompts or _known(prior.name))
    if len(set(chosen)) < 2:
        raise ValueError("the effect of a text shows only beside another: give two prompts or more")
    with torch.no_grad():
        return _Examination(prior, chosen, steps, scale).report(levels)


def _known(name: str) -> tuple[str, ...]:
    if not name.startswith("embedded"):
        return REAL
    return tuple(prompt.text for prompt in load_suite("embedded").prompts[: len(REAL)])


class _Examination:
    """Eight samples of a prior, and questions about them."""

    def __init__(self, prior: Prior, prompts: tuple[str, ...], steps: int, scale: float) -> None:
        self.prior, self.prompts = prior, prompts
        texts = [prompts[i % len(prompts)] for i in range(PICTURES)]
        seeds = list(range(PICTURES))
        self.rgb = prior.sample(texts, seeds, scale, steps)
        self.plain = prior.sample(texts, seeds, 1.0, steps)
        self.latent = _chunked(prior.encode, self.rgb)
        self.draws = Draws(
            torch.tensor(seeds, device=prior.device),
            torch.zeros((), dtype=torch.long, device=prior.device),
        )
        self.own = prior.words(texts)
        self.empty = prior.words([""]).expand_as(self.own)
        order = (
            self.draws.uniform("order", self.own.shape[-1]).argsort(1)[:, None].expand_as(self.own)
        )
        self.shuffled = self.empty.gather(2, order)

    def report(self, levels: Sequence[int]) -> Report:
        again = _chunked(self.prior.decode, self.latent)
        pattern = _chunked(self.prior.encode, _leaves(self.draws, self.prior.resolution))
        return Report(
            prior=self.prior.name,
            prompts=self.prompts,
            declared=_TYPES[_declared(self.prior)],
            levels=tuple(self.level(t) for t in levels),
            guidance=float(_mean_square(self.rgb - self.plain) ** 0.5),
            round_trip=_psnr(self.rgb, again),
            flat=_psnr(self.rgb, self.rgb.mean((2, 3), keepdim=True)),
            samples_std=float(self.latent.std()),
            pattern_std=float(pattern.std()),
        )

    def level(self, t: int) -> Level:
        noise = self.draws.normal(f"doctor {t}", *self.prior.latent)
        alpha, sigma = self.prior.alpha[t], self.prior.sigma[t]
        noised = alpha * self.latent + sigma * noise
        texts = (self.own, self.empty, self.own.roll(1, 0), self.shuffled)
        own, empty, other, shuffled = (self._eps(noised, t, text) for text in texts)
        raw = _raw(own, noised, _declared(self.prior), alpha, sigma)
        return Level(
            t=t,
            ignorance=float(alpha**2),
            errors={
                short: float(_mean_square(_as_eps(raw, noised, kind, alpha, sigma) - noise))
                for kind, short in _TYPES.items()
            },
            other=float(_mean_square(other - noise)),
            empty=float(_mean_square(empty - noise)),
            shuffled=float(_mean_square(shuffled - noise)),
            effect=float(_mean_square(own - empty) ** 0.5),
        )

    def _eps(self, noised: Tensor, t: int, text: Tensor) -> Tensor:
        """One row for each picture."""
        level = torch.full((1, PICTURES), t, device=self.prior.device)
        return self.prior.eps(noised[None, :, None], level, text[None, :, None], ("base",))[0, :, 0]


def _chunked(call: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return torch.cat([call(part) for part in x.split(_CHUNK)])


def _mean_square(x: Tensor) -> Tensor:
    return x.float().square().mean()


def _psnr(a: Images, b: Tensor) -> float:
    return float(-10 * torch.log10(_mean_square(a - b).clamp_min(1e-10)))


def _leaves(draws: Draws, side: int, count: int = 60) -> Float[Tensor, "n 3 side side"]:
    """Dead leaves: discs of all sizes and colours over each other, whose statistics are those of photographs."""
    axis = torch.linspace(-1, 1, side, device=draws.seeds.device)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    places = draws.uniform("leaf places", count, 3)
    colours = draws.uniform("leaf colours", count, 3)[..., None, None]
    picture = colours[:, 0].expand(-1, -1, side, side)
    for i in range(1, count):
        across, down, u = (part[:, None, None] for part in places[:, i].unbind(1))
        radius = 0.08 / (0.05 + 0.95 * u) ** 0.6
        inside = (x - 2 * across + 1) ** 2 + (y - 2 * down + 1) ** 2 < radius**2
        picture = torch.where(inside[:, None], colours[:, i], picture)
    return picture


def _declared(prior: Prior) -> str:
    """What the folder says that the network predicts, by how its errors are scaled."""
    t = len(prior.alpha) // 2
    alpha, sigma = float(prior.alpha[t]), float(prior.sigma[t])
    scale = float(prior.error_scale(torch.full((1, 1), t, device=prior.device)))
    scales = {"epsilon": 1.0, "v_prediction": 1 / alpha, "sample": sigma / alpha}
    return min(scales, key=lambda kind: abs(scales[kind] - scale))


def _raw(eps: Tensor, noised: Tensor, kind: str, alpha: Tensor, sigma: Tensor) -> Tensor:
    """What the network itself said; the inverse of :func:`_as_eps`."""
    if kind == "epsilon":
        return eps
    return (
        (eps - sigma * noised) / alpha if kind == "v_prediction" else (noised - sigma * eps) / alpha
    )


def _as_eps(raw: Tensor, noised: Tensor, kind: str, alpha: Tensor, sigma: Tensor) -> Tensor:
    if kind == "epsilon":
        return raw
    return (
        alpha * raw + sigma * noised if kind == "v_prediction" else (noised - alpha * raw) / sigma
    )


def _vae(report: Report) -> str:
    """Shipped: 22 dB above flat; with a random decoder or encoder below 0; with a wrong scaling factor 8 or more."""
    if report.round_trip - report.flat >= 4:
        return ""
    return (
        f"broken VAE: encoding and decoding gives {report.round_trip:.1f} dB, "
        f"the mean colour alone {report.flat:.1f} dB"
    )


def _scaling(report: Report) -> str:
    """Shipped: 0.9 and 0.9; with the scaling factor a fifth of it 0.3 and 0.2, five times of it 2.8 and 4.7."""
    low, high = sorted((report.samples_std, report.pattern_std))
    if low <= 2 and high >= 0.5:
        return ""
    word = "large" if low > 2 else "small"
    return (
        f"wrong scaling factor: latents have a standard deviation of {report.pattern_std:.2f} instead of about 1; "
        f"scaling_factor in vae/config.json is about {max(report.pattern_std, 1 / report.pattern_std):.1f} times too {word}"
    )


def _network(report: Report) -> str:
    """Shipped: 0.2 of ignorance; with any other fault 0.8 or less; a U-Net of random weights 1.2."""
    share = median(min(level.errors.values()) / level.ignorance for level in report.levels)
    return (
        f"broken U-Net: it finds noise no better than a guess ({share:.1f} of its error)"
        if share > 1
        else ""
    )


def _prediction(report: Report) -> str:
    """Shipped: eps is best; told that it were v, eps is still 2.7 times better over the levels."""
    means = {
        kind: exp(
            sum(log(level.errors[kind] + 1e-12) for level in report.levels) / len(report.levels)
        )
        for kind in _TYPES.values()
    }
    best = min(means, key=lambda kind: means[kind])
    ratio = means[report.declared] / means[best]
    if ratio < 1.5:
        return ""
    return (
        f"wrong prediction type: the folder says {report.declared}, but taken as {best} the error is "
        f"{ratio:.1f} times smaller; see prediction_type in scheduler/scheduler_config.json"
    )


def _text(report: Report) -> str:
    """Shipped: 1.8 times the error with words shuffled, 1.9 with other ones; an encoder of random weights 1.15, 1.07."""
    if max(level.effect for level in report.levels) < 1e-3:
        return "text has no effect: the text encoder gives the same for every prompt, or the U-Net doesn't hear it"
    shuffled = _ratio(report, lambda level: level.shuffled / level.empty)
    other = _ratio(report, lambda level: level.other / level.errors[report.declared])
    if shuffled > 1.4 or other > 1.3:
        return ""
    return (
        f"wrong text encoder: the U-Net's error is only {shuffled:.2f} times as large with the words' numbers "
        f"shuffled, and {other:.2f} times with another prompt's words"
    )


def _ratio(report: Report, of: Callable[[Level], float]) -> float:
    return median(of(level) for level in report.levels)


_RULES: tuple[Callable[[Report], str], ...] = (_vae, _scaling, _network, _prediction, _text)
