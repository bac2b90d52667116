"""A student's step in a CUDA graph and in half precision."""

import pytest
import torch

from esd_bench.draws import Draws
from esd_bench.methods.esd import esd
from esd_bench.priors.stable_diffusion import stable_diffusion
from esd_bench.students import Noised
from esd_bench.students.exact import exact
from esd_bench.students.lora import lora
from tests.tiny_prior import folder

pytestmark = pytest.mark.gpu
METHOD = esd()


def prior(dtype="float32"):
    return stable_diffusion(torch.device("cuda"), folder=str(folder()), dtype=dtype)


def advance(p, student, words, count, out):
    """One step as a function of the tensor ``count`` alone, so that it can be captured."""
    draws = Draws(torch.arange(3, device="cuda"), count)
    t = (draws.uniform("t", 2) * 1000).long()
    latent, noise = (draws.normal(x, 2, *p.latent) for x in ("latent", "noise"))
    alpha, sigma = (x[t][:, :, None, None, None] for x in (p.alpha, p.sigma))
    mixes = torch.ones(3, 2, 4, len(words[0]), device="cuda") / len(words[0])
    others = lambda n: draws.normal("others", n, *p.latent)  # noqa: E731
    camera = draws.normal("camera", 2, 16)
    noised = Noised(
        latent, alpha * latent + sigma * noise, noise, t, camera, words, mixes, draws, others
    )
    out.copy_(student.predict(noised, METHOD.rows, 0.5))
    student.fit(noised, 0.5, torch.ones(3, device="cuda"))


def make(kind, p):
    seeds = torch.arange(3, device="cuda")
    return exact(p, seeds, bank="ring") if kind == "exact" else lora(p, seeds, fit=kind)


def apart(a, b):
    """Distance of two states, counters left out."""
    floats = [(x, b[name]) for name, x in a.items() if x.is_floating_point()]
    return sum((x.double() - y.double()).square().sum() for x, y in floats).sqrt()


@pytest.mark.parametrize("kind", ["fresh", "same", "exact"])
def test_a_captured_step_is_the_eager_step(kind):
    p = prior()
    words = p.words(["a cat", ""]).expand(3, -1, -1, -1)
    ends = []
    for captured in (False, False, True):
        student = make(kind, p)
        count = torch.zeros((), dtype=torch.long, device="cuda")
        out = torch.zeros(3, 2, 4, *p.latent, device="cuda")
        start = {name: x.clone() for name, x in student.state().items()}
        begun = start
        step = lambda: advance(p, student, words, count, out)  # noqa: E731, B023
        if captured:
            side = torch.cuda.Stream()
            with torch.cuda.stream(side):
                for _ in range(2):
                    step()
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                step()
            student.restore(start)
            step = graph.replay
        for index in range(4):
            count.fill_(index)
            step()
        ends.append(({name: x.clone() for name, x in student.state().items()}, out.clone()))
    torch.testing.assert_close(ends[0][1], ends[2][1], rtol=1e-2, atol=1e-2)
    # Atomic sums differ from run to run, and Adam's first steps are signs: so not single values but how far all moved.
    moved, again, captured = (apart(ends[0][0], x) for x in (begun, ends[1][0], ends[2][0]))
    print(f"{kind}: moved {moved:.3g}, run again {again:.3g}, captured {captured:.3g}")
    assert captured <= max(3 * again, 0.02 * moved)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_learns(dtype):
    p = prior(dtype)
    student = make("fresh", p)
    before = {name: x.clone() for name, x in student.adapter.state_dict().items()}
    words = p.words(["a cat", ""]).expand(3, -1, -1, -1)
    out = torch.zeros(3, 2, 4, *p.latent, device="cuda")
    for index in range(3):
        advance(p, student, words, torch.tensor(index, device="cuda"), out)
    assert out.isfinite().all()
    for name, x in student.adapter.state_dict().items():
        assert x.isfinite().all(), name
        assert not torch.equal(x, before[name]), name
