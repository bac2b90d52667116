"""Compiled networks give what they give uncompiled; on a CPU they are traced and not compiled, which needs no compiler."""

import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest
import torch

from esd_bench.engines.native import _prior
from esd_bench.priors.stable_diffusion import stable_diffusion
from esd_bench.spec import Choice
from tests.priors.test_lowrank import STATES, inputs, trained
from tests.tiny_prior import folder

ROOT = Path(__file__).parents[2]


@pytest.mark.slow  # forty seconds of tracing
def test_a_traced_network_asks_the_adapter_of_each_call():
    noised, t, text, camera = inputs()
    prior = stable_diffusion(torch.device("cpu"), folder=str(folder()))
    network = prior.denoiser.unet

    def answers():
        rows = noised, t, text, STATES
        return [prior.eps(*rows, adapter, camera) for adapter in adapters]

    adapters = [trained(), trained(scale=0.3)]
    before = answers()
    network.compile(backend="eager")
    for x, y in zip(before, answers(), strict=True):
        assert torch.equal(x, y)
    assert not torch.equal(*before)


def test_packs_that_are_not_compiled_have_a_prior_of_their_own():
    choice = Choice.of("priors", "stable_diffusion", {"folder": str(folder())})
    priors = [_prior(choice, "cpu", x) for x in (True, False, True)]
    compiled = [x.denoiser.unet._compiled_call_impl is not None for x in priors]
    assert compiled == [True, False, True]
    assert [x.vae.encoder._compiled_call_impl is not None for x in priors] == compiled


def test_a_prior_without_networks_is_refused():
    with pytest.raises(ValueError, match=r"^the prior gaussian has no networks to compile"):
        _prior(Choice.of("priors", "gaussian"), "cpu", True)


@pytest.mark.parametrize(
    "device",
    [
        pytest.param("cuda", marks=pytest.mark.gpu),
        # eight minutes of compiling
        pytest.param(
            "cpu",
            marks=[pytest.mark.slow, pytest.mark.skipif(not which("g++"), reason="needs g++")],
        ),
    ],
)
def test_compiled_answers_and_gradients_are_those_of_eager_ones(device):
    """In a process of its own: the checks of shapes that tests are under can't be compiled."""
    code = f"from tests.priors.test_compiled import compare; compare({device!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def compare(device):
    """In float32 throughout: where TF32 is allowed, other kernels round otherwise, in the third digit."""
    with torch.backends.cudnn.flags(allow_tf32=False):
        prior = stable_diffusion(torch.device(device), folder=str(folder()))
        adapter, pictures = trained().to(device), torch.rand(2, 3, 32, 32, device=device)
        before = everything(prior, adapter, pictures)
        prior.compile()
        for x, y in zip(before, everything(prior, adapter, pictures), strict=True):
            torch.testing.assert_close(x, y, atol=1e-4 * float(x.abs().max()), rtol=0)


def everything(prior, adapter, pictures):
    """Answers, latents, and the gradients of a student's rows."""
    noised, t, text, camera = (x.to(pictures.device) for x in inputs())
    answers = prior.eps(noised, t, text, STATES, adapter, camera).detach()
    own = prior.eps(noised[:, :, :1], t, text[:, :, :1], ("camera",), adapter, camera)
    gradients = torch.autograd.grad(own.square().sum(), list(adapter.parameters()))
    return answers, prior.encode(pictures), *gradients
