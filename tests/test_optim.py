"""PackAdam against torch's AdamW, and what a member may not notice of its neighbours."""

import pytest
import torch

from esd_bench.optim import PackAdam, finite_members

SHAPES = (5, 2, 3), (5,), (5, 7)


def tensors(members, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(s, generator=generator, dtype=dtype)[:members].clone() for s in SHAPES]


def give(optimiser, gradients):
    for x, g in zip(optimiser.tensors, gradients, strict=True):
        x.grad = g.clone()


def run(members, steps=6, alive=None, spoil=None, **options):
    """Values after some steps on random gradients, of which ``spoil`` names one member's that are NaN."""
    xs = tensors(members)
    optimiser = PackAdam([(xs[:2], 0.1), (xs[2:], 0.01)], **options)
    for k in range(steps):
        gradients = tensors(members, seed=k + 1)
        if spoil is not None:
            for g in gradients:
                g[spoil] = float("nan")
        give(optimiser, gradients)
        optimiser.step(torch.tensor(k), alive)
    return xs, optimiser


@pytest.mark.parametrize("decay", [0.0, 0.03])
def test_without_a_floor_it_is_adamw(decay):
    ours, theirs = tensors(5), tensors(5)
    optimiser = PackAdam([(ours[:2], 0.1), (ours[2:], 0.01)], weight_decay=decay, eps=1e-8)
    groups = [{"params": theirs[:2], "lr": 0.1}, {"params": theirs[2:], "lr": 0.01}]
    oracle = torch.optim.AdamW(groups, betas=(0.9, 0.99), eps=1e-8, weight_decay=decay)
    for k in range(20):
        gradients = tensors(5, seed=k + 1)
        give(optimiser, gradients)
        for x, g in zip(theirs, gradients, strict=True):
            x.grad = g
        optimiser.step(torch.tensor(k))
        oracle.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_floor_is_a_share_of_the_mean_second_moment_of_a_tensor_and_member():
    x = torch.zeros(2, 3, 4, dtype=torch.float64)
    g = tensors(5)[2][:2, :6].repeat(1, 2).reshape(2, 3, 4)
    optimiser = PackAdam([([x], 1.0)], floor=0.03)
    give(optimiser, [g])
    optimiser.step(torch.tensor(0))
    expected = -g / (g**2 + 0.03 * (g**2).mean((1, 2), keepdim=True)).sqrt()
    torch.testing.assert_close(x, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("floor", [0.0, 0.03])
def test_a_member_does_not_notice_the_width_of_its_pack(floor):
    wide, _ = run(5, floor=floor, weight_decay=0.01)
    narrow, _ = run(2, floor=floor, weight_decay=0.01)
    for a, b in zip(wide, narrow, strict=True):
        torch.testing.assert_close(a[:2], b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("floor", [0.0, 0.03])
@pytest.mark.parametrize("masked", [False, True])
def test_a_spoilt_member_leaves_every_bit_of_the_others(floor, masked):
    alive = torch.ones(5, dtype=torch.bool)
    clean, _ = run(5, alive=alive if masked else None, floor=floor, weight_decay=0.01)
    spoilt, _ = run(5, alive=alive if masked else None, spoil=3, floor=floor, weight_decay=0.01)
    others = [0, 1, 2, 4]
    for a, b in zip(clean, spoilt, strict=True):
        assert torch.equal(a[others], b[others])
        assert b[3].isnan().all()


def test_a_frozen_member_keeps_every_bit_whatever_its_gradients():
    alive = torch.tensor([True, True, True, False, True])
    frozen, optimiser = run(5, alive=alive, spoil=3, floor=0.03, weight_decay=0.01)
    for a, b in zip(frozen, tensors(5), strict=True):
        assert torch.equal(a[3], b[3])
        assert not torch.equal(a[2], b[2])
    assert optimiser.m[3].eq(0).all()
    assert optimiser.v[3].eq(0).all()


def test_learning_rate_warms_up_and_decays():
    optimiser = PackAdam([(tensors(2), 1.0)], warmup=4, total=10, final=0.1)
    rates = [optimiser.multiplier(torch.tensor(k)).item() for k in (0, 1, 3, 5, 10, 20)]
    expected = [0.25, 0.5 * 0.91, 0.73, 0.55, 0.1, 0.1]
    torch.testing.assert_close(torch.tensor(rates), torch.tensor(expected))


def test_state_continues_where_it_stopped():
    whole, _ = run(5, steps=6, floor=0.03)
    xs, first = run(5, steps=3, floor=0.03)
    state = {k: v.clone() for k, v in first.state().items()}
    assert all(len(v) == 5 for v in state.values())
    second = PackAdam([(xs[:2], 0.1), (xs[2:], 0.01)], floor=0.03)
    second.restore(state)
    for k in range(3, 6):
        give(second, tensors(5, seed=k + 1))
        second.step(torch.tensor(k))
    for a, b in zip(whole, xs, strict=True):
        assert torch.equal(a, b)


def test_a_tensor_without_a_gradient_has_zeros_and_gradients_are_dropped():
    xs, before = tensors(2), tensors(2)
    optimiser = PackAdam([(xs, 0.1)])
    xs[0].grad = torch.ones_like(xs[0])
    optimiser.step(torch.tensor(0))
    assert torch.equal(xs[1], before[1])
    torch.testing.assert_close(xs[0], before[0] - 0.1)
    assert xs[0].grad is None


def test_tensors_of_two_packs_are_refused():
    with pytest.raises(ValueError, match="first axis"):
        PackAdam([([torch.zeros(2, 3), torch.zeros(3, 3)], 0.1)])


def test_finite_members():
    xs = tensors(3)
    xs[0][1, 0, 0] = float("nan")
    xs[2][2, 5] = float("-inf")
    assert finite_members(xs).tolist() == [True, False, False]


@pytest.mark.gpu
def test_a_step_can_be_captured_and_reads_the_count_of_each_replay():
    eager = [x.cuda() for x in tensors(5)]
    captured = [x.clone() for x in eager]
    gradients = [x.cuda() for x in tensors(5, seed=1)]
    count, alive = torch.zeros((), dtype=torch.long).cuda(), torch.ones(5, dtype=torch.bool).cuda()
    options = {"floor": 0.03, "warmup": 3, "total": 9, "weight_decay": 0.01}
    reference, optimiser = (PackAdam([(x, 0.1)], **options) for x in (eager, captured))
    start = [x.clone() for x in captured]
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        give(optimiser, gradients)
        optimiser.step(count, alive)
    for x, y in zip(captured, start, strict=True):
        assert torch.equal(x, y)
    for k in range(4):
        count.fill_(k)
        graph.replay()
        give(reference, gradients)
        reference.step(torch.tensor(k, device="cuda"), alive)
    for a, b in zip(eager, captured, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
