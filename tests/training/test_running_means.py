"""Running statistics collected anew: the mean over the passes, and nothing else moves."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from styleapp.norms import build_norm
from styleapp.norms.weights import apply_weight_norm
from styleapp.training.running_means import fresh_statistics


@pytest.fixture
def batches() -> list[Tensor]:
    random = torch.Generator().manual_seed(0)
    return [torch.randn(2, 3, 5, 5, generator=random) * (1 + index) + index for index in range(3)]


def _network(normalizer: str = "batch") -> nn.Sequential:
    torch.manual_seed(0)
    conv = apply_weight_norm(nn.Conv2d(3, 4, 3), "spectral_norm")
    network = nn.Sequential(
        conv, build_norm(normalizer, 4), nn.Dropout(0.5), nn.Conv2d(4, 2, 1), build_norm("batch", 2)
    )
    for _ in range(3):
        network(torch.randn(2, 3, 5, 5))  # as after some training
    return network


def _collect(network: nn.Module, batches: list[Tensor]) -> None:
    with fresh_statistics(network):
        for batch in batches:
            network(batch)


def test_mean_over_the_passes(batches: list[Tensor]) -> None:
    network = _network()
    with torch.no_grad():
        features = [network[0].eval()(batch) for batch in batches]
    network.train()
    _collect(network, batches)
    norm = network[1].normalizer
    torch.testing.assert_close(norm.running_mean, torch.stack([one.mean((0, 2, 3)) for one in features]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([one.var((0, 2, 3)) for one in features]).mean(0))


def test_one_batch_is_then_normalized_as_in_training(batches: list[Tensor]) -> None:
    """But for the unbiased variance that evaluation has, of 18 values."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), build_norm("batch", 4))
    with torch.no_grad():
        expected = network(batches[0])
        _collect(network, batches[:1])
        torch.testing.assert_close(network.eval()(batches[0]) * (18 / 17) ** 0.5, expected, rtol=1e-3, atol=1e-4)


def test_what_was_there_before_does_not_matter(batches: list[Tensor]) -> None:
    network, other = _network(), _network()
    other[1].normalizer.running_mean.fill_(100)
    for one in (network, other):
        _collect(one, batches)
    assert torch.equal(network[1].normalizer.running_mean, other[1].normalizer.running_mean)


@pytest.mark.parametrize("training", [True, False])
def test_nothing_else_moves(batches: list[Tensor], training: bool) -> None:
    network = _network().train(training)
    network[3].eval()
    modes = [module.training for module in network.modules()]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    _collect(network, batches)
    assert [module.training for module in network.modules()] == modes
    assert network[1].normalizer.momentum == 0.1
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert moved and all(
        name.rsplit(".")[-1] in ("running_mean", "running_var", "num_batches_tracked") for name in moved
    )
    assert all(parameter.grad is None for parameter in network.parameters())


def test_modes_are_back_after_an_error() -> None:
    network = _network()
    with pytest.raises(RuntimeError), fresh_statistics(network):
        network(torch.zeros(1, 7, 5, 5))
    assert all(module.training for module in network.modules())
    assert network[1].normalizer.momentum == 0.1


OTHERS: dict[str, dict[str, Any]] = {
    "l1_batch": {},
    "linf_batch": {},
    "topk_batch": {},
    "unified_batch": {},
    "adaptive_batch": {"threshold": float("-inf")},
    "memorized_batch": {"batches": 3},
    "moving_batch": {"batches": 3, "warm_up": 0, "correction_warm_up": 0},
    "power": {"warm_up": 0},
}


@pytest.mark.parametrize("normalizer", OTHERS)
def test_of_others_too_nothing_old_is_left(normalizer: str, batches: list[Tensor]) -> None:
    """As many passes as there is memory are enough; options are back afterwards."""
    network, other = (build_norm(normalizer, 3, **OTHERS[normalizer]) for _ in range(2))
    for scale in (10.0, 20.0, 30.0, 40.0):
        network(torch.randn(2, 3, 5, 5))
        other(torch.randn(2, 3, 5, 5) * scale + scale)
    before = str(network)
    for one in (network, other):
        _collect(one, batches)
    assert str(network) == before
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(batches[0]), other.eval()(batches[0]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("normalizer", ["l1_batch", "moving_batch", "power"])
def test_others_take_the_mean_over_the_passes(normalizer: str, batches: list[Tensor]) -> None:
    norm = build_norm(normalizer, 3, **OTHERS[normalizer])
    norm(torch.randn(2, 3, 5, 5) * 10)
    _collect(norm, batches)
    seen = torch.stack([batch.transpose(0, 1).flatten(1) for batch in batches])  # batches × C × values
    found = norm.normalizer
    if normalizer == "l1_batch":
        torch.testing.assert_close(found.running_mean, seen.mean((0, 2)))
    else:
        torch.testing.assert_close(found.running_square, seen.square().mean((0, 2)))


@pytest.mark.parametrize("normalizer", ["instance", "group"])
def test_without_running_statistics(normalizer: str, batches: list[Tensor]) -> None:
    network = nn.Sequential(build_norm(normalizer, 3))
    _collect(network, batches)
    assert network.training
