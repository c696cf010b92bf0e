"""memorized_batch: pooled statistics against whole batches, and the second forward pass after a step."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from styleapp.norms import Code, Moments
from styleapp.norms.memory import MemorizedBatchNormalizer, SecondForward, second_forward

Draw = Callable[..., Tensor]
BATCH = (0, 2, 3)
EPS = 1e-5


def _whole(x: Tensor) -> Tensor:
    """x normalized with the statistics of the whole x."""
    return batch_norm(x, None, None, None, None, True, 0.0, EPS)


def _close(actual: object, expected: object, tolerance: float = 1e-13) -> None:
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.mean(BATCH), x.var(BATCH, correction=0)


class Net(nn.Module):
    """Two convolutions with a memory after each; the second sees what the first made of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)
        self.norms = nn.ModuleList([MemorizedBatchNormalizer(4, batches=3), MemorizedBatchNormalizer(5, batches=3)])

    def forward(self, x: Tensor, shift: float = 0.0) -> Tensor:
        x = self.norms[0](self.first(x + shift)).relu()
        return self.norms[1](self.second(x))


@pytest.fixture
def net() -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Net().double()


# Statistics


def test_one_batch_is_batch_normalization(draw: Draw) -> None:
    layer = MemorizedBatchNormalizer(4, batches=1).double()
    for _ in range(3):
        x, other = (x := draw(3, 4, 5, 6, scale=2.0, shift=1.0).requires_grad_()), x.detach().clone().requires_grad_()
        upstream = draw(3, 4, 5, 6)
        y, expected = layer(x), _whole(other)
        _close(y, expected)
        _close(torch.autograd.grad(y, x, upstream), torch.autograd.grad(expected, other, upstream))


@pytest.mark.parametrize("seen", [1, 2, 3, 5, 8])
def test_equal_batches_are_pooled_to_the_whole(seen: int, draw: Draw) -> None:
    """K = 3: the last three batches as one, or all where fewer have been seen; in training and in evaluation."""
    layer = MemorizedBatchNormalizer(4, batches=3).double()
    batches = [draw(2, 4, 5, 6, scale=1.0 + i, shift=float(i)) for i in range(seen)]
    for x in batches:
        y = layer(x)
    last = torch.cat(batches[-3:])
    _close(y, _whole(last)[-2:])
    mean, deviation = layer.running_moments()
    _close(mean, last.mean(BATCH))
    _close(deviation, last.std(BATCH, correction=0))
    _close(layer.eval()(last), _whole(last))


def test_variances_alone_are_not_enough() -> None:
    """{0, 2} and {4, 6}: the mean of the variances is 1, the variance of all is 5."""
    layer = MemorizedBatchNormalizer(1, batches=2).double()
    for values in ([0.0, 2.0], [4.0, 6.0]):
        layer(torch.tensor(values, dtype=torch.float64).view(1, 1, 1, 2))
    mean, deviation = layer.running_moments()
    assert (mean.item(), deviation.square().item()) == (3.0, pytest.approx(5.0, rel=1e-15))


def test_batches_weigh_alike_whatever_their_size() -> None:
    layer = MemorizedBatchNormalizer(1, batches=5).double()
    layer(torch.tensor([0.0, 2.0], dtype=torch.float64).view(1, 1, 1, 2))
    layer(torch.full((4, 1, 2, 2), 5.0, dtype=torch.float64))
    assert layer.running_moments().mean.item() == 3.0


def test_gradient_goes_through_the_newest_batch_only(draw: Draw) -> None:
    layer = MemorizedBatchNormalizer(4, batches=3).double()
    old = [draw(2, 4, 5, 6, shift=1.0).requires_grad_() for _ in range(2)]
    for x in old:
        layer(x)
    x, upstream = draw(2, 4, 5, 6, scale=2.0).requires_grad_(), draw(2, 4, 5, 6)
    moments = [*(_moments(batch.detach()) for batch in old), _moments(x)]
    mean = torch.stack([m for m, _ in moments]).mean(0)
    var = torch.stack([v + (m - mean).square() for m, v in moments]).mean(0)
    expected = (x - mean.view(1, 4, 1, 1)) / (var.view(1, 4, 1, 1) + EPS).sqrt()
    y = layer(x)
    _close(y, expected)
    _close(torch.autograd.grad(y, x, upstream), torch.autograd.grad(expected, x, upstream))
    assert all(batch.grad is None for batch in old)


@pytest.mark.parametrize("shape", [(1, 4, 1, 1), (2, 4, 1, 1), (2, 4, 5, 6)], ids=["affine", "styles", "maps"])
def test_gradients_of_scale_and_shift(shape: tuple[int, ...], draw: Draw) -> None:
    """However they are fused: those of γ·z + β."""
    layer = MemorizedBatchNormalizer(4, batches=3).double()
    layer(draw(2, 4, 5, 6, scale=3.0))
    x, gamma, beta = (draw(*size).requires_grad_() for size in ((2, 4, 5, 6), shape, shape))
    expected, y, upstream = gamma * copy.deepcopy(layer)(x) + beta, layer(x, Code(gamma, beta)), draw(2, 4, 5, 6)
    _close(y, expected)
    gradients = (torch.autograd.grad(each, (x, gamma, beta), upstream) for each in (y, expected))
    _close(*gradients)


def test_bias_before_the_layer_has_an_effect(draw: Draw) -> None:
    """Of two batches in the memory only the newest has the bias: half of it is left."""
    layer, bias = MemorizedBatchNormalizer(4).double(), draw(1, 4, 1, 1)
    layer(draw(2, 4, 5, 6))
    x = draw(2, 4, 5, 6)
    gap = copy.deepcopy(layer)(x + bias) - layer(x)
    assert not layer.centred
    assert gap.mean(BATCH).abs().max() > 0.1


def test_evaluation_before_training_has_mean_0_and_variance_1(draw: Draw) -> None:
    x = draw(2, 4, 5, 6)
    _close(MemorizedBatchNormalizer(4).double().eval()(x), x / (1 + EPS) ** 0.5)


def test_default_memory_is_five() -> None:
    assert MemorizedBatchNormalizer(4).batches == 5
    with pytest.raises(ValueError, match="batches must be at least 1, got 0"):
        MemorizedBatchNormalizer(4, batches=0)


def test_adopted_moments_are_the_only_batch(draw: Draw) -> None:
    layer = MemorizedBatchNormalizer(4).double()
    for _ in range(7):
        layer(draw(2, 4, 5, 6))
    given = Moments(draw(4), draw(4).abs() + 0.5)
    assert layer.adopt_moments(given)
    _close(tuple(layer.running_moments()), tuple(given), 1e-12)


# The second forward pass


def test_newest_slot_holds_the_statistics_after_the_step(net: Net, draw: Draw) -> None:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    batches = [draw(2, 3, 9, 9, shift=0.3) for _ in range(2)]
    for x in batches:
        optimizer.zero_grad()
        (net(x) * draw(2, 5, 5, 5)).sum().backward()
        stale = copy.deepcopy(net.norms[0])
        optimizer.step()
        with second_forward(net):
            net(x)
    first = net.norms[0]
    mean, var = _moments(net.first(batches[1]))
    _close((first.memory_mean[1], first.memory_var[1]), (mean.detach(), var.detach()))
    assert (stale.memory_mean[1] - first.memory_mean[1]).abs().max() > 1e-3
    assert torch.equal(stale.memory_mean[0], first.memory_mean[0])  # older batches stay as they are
    assert int(first.num_batches_tracked) == 2
    # The second memory sees what the first passes on with its pooled, renewed statistics.
    features = (net.first(batches[1]) - first.running_moments().mean.view(1, 4, 1, 1)) / (
        first.running_moments().deviation.square() + EPS
    ).sqrt().view(1, 4, 1, 1)
    mean, var = _moments(net.second(features.relu()))
    _close((net.norms[1].memory_mean[1], net.norms[1].memory_var[1]), (mean.detach(), var.detach()), 1e-12)


def test_second_forward_has_no_gradient_and_ends_with_its_block(net: Net, draw: Draw) -> None:
    x = draw(2, 3, 9, 9)
    net(x)
    with second_forward(net):
        assert not net(x).requires_grad
    with pytest.raises(KeyError), second_forward(net):
        raise KeyError
    assert not any(norm.again for norm in net.norms)
    net(x)
    assert int(net.norms[0].num_batches_tracked) == 2


def test_second_forward_without_a_first_remembers_the_batch(net: Net, draw: Draw) -> None:
    twin, x = copy.deepcopy(net), draw(2, 3, 9, 9)
    with second_forward(net):
        net(x)
    twin(x)
    _close(net.state_dict(), twin.state_dict())


def test_hook_does_the_same(net: Net, draw: Draw) -> None:
    twin = copy.deepcopy(net)
    optimizers = [torch.optim.SGD(each.parameters(), lr=0.5) for each in (net, twin)]
    hook = SecondForward(net, optimizers[0])
    for _ in range(4):
        x, weight = draw(2, 3, 9, 9), draw(2, 5, 5, 5)
        for each, optimizer in zip((net, twin), optimizers, strict=True):
            optimizer.zero_grad()
            (each(x, shift=0.1) * weight).sum().backward()
            optimizer.step()
        with second_forward(twin):
            twin(x, shift=0.1)
        _close(net.state_dict(), twin.state_dict())
    hook.remove()
    (net(x) * weight).sum().backward()
    before = copy.deepcopy(net.norms.state_dict())
    optimizers[0].step()
    _close(net.norms.state_dict(), before, 0.0)


@pytest.mark.parametrize("case", ["evaluation", "no gradient"])
def test_hook_repeats_training_passes_only(case: str, net: Net, draw: Draw) -> None:
    """A glance at another picture between a training batch and its step is not taken for the batch."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    SecondForward(net, optimizer)
    x = draw(2, 3, 9, 9)
    net(x).sum().backward()
    with torch.set_grad_enabled(case != "no gradient"):
        net.train(case != "evaluation")(draw(1, 3, 9, 9, shift=5.0))
    net.train()
    optimizer.step()
    newest = int(net.norms[0].num_batches_tracked) - 1
    mean, _ = _moments(net.first(x))
    _close(net.norms[0].memory_mean[newest], mean.detach())


def test_hook_repeats_each_batch_once(net: Net, draw: Draw) -> None:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    SecondForward(net, optimizer)
    net(draw(2, 3, 9, 9)).sum().backward()
    optimizer.step()
    before = copy.deepcopy(net.norms.state_dict())
    optimizer.step()
    _close(net.norms.state_dict(), before, 0.0)
    assert copy.deepcopy(net)(draw(2, 3, 9, 9)).isfinite().all()  # a hooked network can be copied
