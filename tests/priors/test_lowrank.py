"""Adapters of a pack inside one forward of a frozen network."""

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import nn

from esd_bench.priors._denoiser import Denoiser
from esd_bench.priors._lowrank import _under_centre, chosen
from tests.tiny_prior import folder, tiny_prior

STATES = ("base", "base", "camera", "anywhere")


def inputs(members=3, views=2, seed=0):
    prior, g = tiny_prior(), torch.Generator().manual_seed(seed)
    noised = torch.randn(members, views, 1, *prior.latent, generator=g).expand(
        -1, -1, 4, -1, -1, -1
    )
    t = torch.randint(0, 1000, (members, views), generator=g)
    text = torch.randn(members, views, 4, 16, 16, generator=g)
    return noised, t, text, torch.randn(members, views, 16, generator=g)


def trained(members=3, scale=0.1, **options):
    """An adapter that changes answers."""
    adapter = tiny_prior().adapter(torch.arange(members), **options)
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for x in adapter.parameters():
            x.add_(torch.randn(x.shape, generator=g) * scale)
    return adapter


def answer(adapter, noised, t, text, camera, states=STATES):
    return tiny_prior().eps(noised, t, text, states, adapter, camera)


@pytest.mark.parametrize("targets", ["attention", "all"])
def test_a_fresh_adapter_answers_like_the_base(targets):
    noised, t, text, camera = inputs()
    fresh = tiny_prior().adapter(torch.arange(3), targets=targets)
    base = tiny_prior().eps(noised, t, text, ("base",) * 4)
    torch.testing.assert_close(answer(fresh, noised, t, text, camera), base, rtol=0, atol=1e-6)


@pytest.mark.parametrize("targets", ["attention", "all"])
def test_base_rows_keep_their_bits(targets):
    noised, t, text, camera = inputs()
    base = tiny_prior().eps(noised, t, text, ("base",) * 4)
    both = answer(trained(targets=targets), noised, t, text, camera)
    assert torch.equal(base[:, :, :2], both[:, :, :2])
    assert (base - both)[:, :, 2:].abs().amin((0, 1)).amax() > 1e-4
    assert torch.equal(tiny_prior().eps(noised, t, text, ("base",) * 4), base)


def test_camera_rows_hear_the_camera_and_others_do_not():
    noised, t, text, camera = inputs()
    adapter = trained()
    here, there = (answer(adapter, noised, t, text, x) for x in (camera, camera + 1))
    changed = (here - there).abs().amax((0, 1, 3, 4, 5))
    assert changed[2] > 1e-4
    assert torch.equal(changed[[0, 1, 3]], torch.zeros(3))


def test_anywhere_is_sixteen_zeros_through_the_network():
    noised, t, text, camera = inputs()
    adapter = trained()
    states = ("base", "base", "camera", "camera")
    zeros = answer(adapter, noised, t, text, torch.zeros_like(camera), states)
    found = answer(adapter, noised, t, text, camera)
    assert torch.equal(zeros[:, :, 3], found[:, :, 3])
    with torch.no_grad():
        adapter.camera.up_bias.add_(1)
    assert (answer(adapter, noised, t, text, camera) - found)[:, :, 3].abs().max() > 1e-4


def test_one_forward_agrees_with_separate_ones():
    noised, t, text, camera = inputs()
    adapter = trained()
    fused = answer(adapter, noised, t, text, camera)
    for k, state in enumerate(STATES):
        alone = answer(adapter, noised[:, :, k : k + 1], t, text[:, :, k : k + 1], camera, (state,))
        torch.testing.assert_close(fused[:, :, k], alone[:, :, 0], rtol=1e-5, atol=1e-5)


def only(adapter, members):
    """A pack of some members of another pack."""
    picked = tiny_prior().adapter(torch.tensor(members))
    picked.load_state_dict({name: x[members] for name, x in adapter.state_dict().items()})
    return picked


def test_packs_of_one_agree_with_a_pack():
    noised, t, text, camera = inputs()
    adapter = trained()
    fused = answer(adapter, noised, t, text, camera)
    for i in range(3):
        one = slice(i, i + 1)
        alone = answer(only(adapter, [i]), noised[one], t[one], text[one], camera[one])
        torch.testing.assert_close(fused[one], alone, rtol=1e-5, atol=1e-5)


def test_slot_and_neighbours_do_not_matter_bitwise():
    noised, t, text, camera = inputs()
    adapter = trained()
    here = answer(adapter, noised, t, text, camera)
    moved = [2, 0, 1]
    there = answer(only(adapter, moved), noised[moved], t[moved], text[moved], camera[moved])
    assert torch.equal(there, here[moved])
    strangers = inputs(seed=5)
    mixed = [
        torch.cat([x[:1], y[1:]]) for x, y in zip((noised, t, text, camera), strangers, strict=True)
    ]
    assert torch.equal(answer(adapter, *mixed)[:1], here[:1])


@pytest.mark.parametrize("k", [1, 4])
def test_gradients_reach_only_their_own_adapter(k):
    noised, t, text, camera = inputs()
    adapter = trained()
    found = answer(adapter, noised[:, :, -k:], t, text[:, :, -k:], camera, STATES[-k:])
    found[1].square().sum().backward()
    for name, x in adapter.named_parameters():
        assert torch.equal(x.grad[[0, 2]], torch.zeros_like(x.grad[[0, 2]])), name
        # An anywhere row alone multiplies the first layer of the camera network by zeros.
        if k > 1 or name != "camera.down":
            assert x.grad[1].abs().sum() > 0, name


def test_base_weights_get_no_gradient():
    noised, t, text, camera = inputs()
    answer(trained(), noised, t, text, camera).sum().backward()
    assert all(x.grad is None for x in tiny_prior().denoiser.unet.parameters())


def unet():
    """A fresh copy of the network, in float64."""
    return UNet2DConditionModel.from_pretrained(folder() / "unet").double()


def in_double(members=3):
    return [x.double() if x.is_floating_point() else x for x in inputs(members)]


def test_gradients_are_right():
    """Numerically, along a random direction."""
    denoiser = Denoiser(unet(), tiny_prior().alpha ** 2)
    noised, t, text, camera = in_double()
    adapter = trained().double()

    def loss():
        return denoiser.eps(noised, t, text, STATES, adapter, camera)[:, :, 2:].square().mean()

    parameters = list(adapter.parameters())
    grads = torch.autograd.grad(loss(), parameters)
    ways = [torch.randn_like(g) for g in grads]
    values = []
    with torch.no_grad():
        for step in (1e-5, -2e-5):
            torch._foreach_add_(parameters, ways, alpha=step)
            values.append(loss())
    slope = sum((g * way).sum() for g, way in zip(grads, ways, strict=True))
    torch.testing.assert_close((values[0] - values[1]) / 2e-5, slope, rtol=1e-6, atol=1e-9)


def test_peft_agrees():
    """The oracle: peft's LoRA on a copy of the network, with the same matrices."""
    from peft import LoraConfig

    denoiser, other = Denoiser(unet(), tiny_prior().alpha ** 2), unet()
    noised, t, text, camera = in_double(members=1)
    adapter = trained(members=1, rank=4, targets="attention").double()
    with torch.no_grad():
        adapter.camera.up.zero_()
        adapter.camera.up_bias.zero_()
    other.add_adapter(
        LoraConfig(r=4, lora_alpha=4, target_modules=["to_q", "to_k", "to_v", "to_out.0"])
    )
    seen = 0
    for name, module in other.named_modules():
        key = name.replace(".", "/")
        if key in adapter.down:
            module.lora_A["default"].weight.data = adapter.down[key][0].T.clone()
            module.lora_B["default"].weight.data = adapter.up[key][0].T.clone()
            seen += 1
    assert seen == len(adapter.down) == 32
    ours = denoiser.eps(noised, t, text, STATES, adapter, camera)[0, :, 2]
    theirs = other.double()(noised[0, :, 2], t[0], text[0, :, 2]).sample
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(3, 1, 1), (3, 2, 1), (1, 1, 0), (3, 2, 0), (5, 2, 2)]
)
def test_the_path_beside_a_convolution_looks_at_its_centre_tap(kernel, stride, padding):
    conv = nn.Conv2d(2, 2, kernel, stride, padding, bias=False)
    with torch.no_grad():
        conv.weight.zero_()
        middle = (kernel - 1) // 2
        conv.weight[:, :, middle, middle] = torch.eye(2)
    x = torch.randn(1, 2, 9, 9)
    out = conv(x)
    assert torch.equal(_under_centre(x, conv, out.shape[-2:]), out)


def test_targets_and_their_start():
    unet = tiny_prior().denoiser.unet
    assert len(chosen(unet, "attention")) == 32
    layers = [m for m in unet.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    assert len(chosen(unet, "all")) == len(layers)
    adapter = tiny_prior().adapter(torch.arange(64), rank=4, targets="attention")
    for name, down in adapter.down.items():
        assert down.std().item() == pytest.approx(1 / 4, rel=0.1), name
        assert torch.equal(adapter.up[name], torch.zeros_like(adapter.up[name]))


def test_a_start_depends_on_the_seed_alone():
    prior = tiny_prior()
    pack = prior.adapter(torch.tensor([5, 9]))
    alone = prior.adapter(torch.tensor([9]))
    for name, x in alone.state_dict().items():
        assert torch.equal(x[0], pack.state_dict()[name][1])
    assert not torch.equal(pack.camera.down[0], pack.camera.down[1])


def test_a_student_of_a_half_base_learns_in_float32():
    prior = tiny_prior(dtype="bfloat16")
    noised, t, text, camera = inputs()
    adapter = prior.adapter(torch.arange(3))
    prior.eps(noised, t, text, STATES, adapter, camera).square().sum().backward()
    assert {x.dtype for x in adapter.parameters()} == {torch.float32}
    assert all(x.grad.isfinite().all() for x in adapter.parameters())


@pytest.mark.parametrize(
    ("states", "members", "message"),
    [
        (("base", "camera", "base", "camera"), 3, "base rows first"),
        (("base", "base"), 3, "as many states"),
        (STATES, 2, "can't answer for 3"),
    ],
)
def test_wrong_calls_are_refused(states, members, message):
    noised, t, text, camera = inputs()
    with pytest.raises(ValueError, match=message):
        answer(tiny_prior().adapter(torch.arange(members)), noised, t, text, camera, states)
    # A refused call leaves no adapter behind.
    with pytest.raises(ValueError, match="need an adapter"):
        answer(None, noised, t, text, camera)
    tiny_prior().eps(noised, t, text, ("base",) * 4)


def test_rank_is_positive():
    with pytest.raises(ValueError, match="rank"):
        tiny_prior().adapter(torch.arange(1), rank=0)
