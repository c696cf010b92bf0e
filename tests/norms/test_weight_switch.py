"""Switching weight normalizations in built networks: what changes, what is reported, what comes back."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from styleapp.models.adain import AdaINDecoder
from styleapp.models.blocks import ReflectConv2d
from styleapp.norms.computed_weight import effective_weight
from styleapp.norms.standardized_weight import CONVENTIONS
from styleapp.norms.weight_switch import SwitchedWeight, switch_weight_norm, switched_weight_norm
from styleapp.norms.weights import weight_norm_name

CASES: list[tuple[str, dict[str, Any], bool]] = [
    ("none", {}, True),
    ("weight_norm", {}, True),
    ("bounded_weight_norm", {}, False),
    ("bounded_weight_norm", {"mode": "frobenius"}, True),
    *(("weight_standardization", {"convention": name}, False) for name in CONVENTIONS),
    ("centred_weights", {}, False),
    ("conv_norm", {}, False),
    ("spectral_norm", {}, False),
]
cases = pytest.mark.parametrize(("name", "options", "exact"), CASES)


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = ReflectConv2d(4, 4)
        self.outer = nn.Conv2d(4, 4, 4, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.outer(self.inner(x).relu()))  # N×4×H/2×W/2


@pytest.fixture
def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), _Block(), nn.Conv2d(4, 3, 3)).double().eval()


@pytest.fixture
def picture() -> Tensor:
    return torch.randn(2, 3, 12, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


LAYERS = ["0", "1.inner", "1.outer", "2"]


@cases
def test_report_tells_what_happened(
    network: nn.Sequential, picture: Tensor, name: str, options: dict[str, Any], exact: bool
) -> None:
    before = network(picture)
    report = switch_weight_norm(network, name, **options)
    assert [(record.layer, record.before, record.after) for record in report] == [(k, "none", name) for k in LAYERS]
    assert [record.exact for record in report] == [exact] * 4
    assert all((record.change == "nothing") == exact for record in report)
    assert torch.allclose(network(picture), before) == exact
    assert all(weight_norm_name(network.get_submodule(layer)) == name for layer in LAYERS)
    assert network(picture[:, :, :8, :9]).shape == (2, 3, 2, 2)


def test_record() -> None:
    record = SwitchedWeight("", "none", "conv_norm", False, "every output channel is filtered to unit gain now")
    assert switch_weight_norm(nn.Conv2d(3, 4, 3), "conv_norm") == (record,)


def test_weight_that_fulfils_the_convention_stays() -> None:
    conv = nn.Conv2d(3, 4, 3)
    switch_weight_norm(conv, "bounded_weight_norm")
    assert switch_weight_norm(conv, "bounded_weight_norm")[0].exact
    switch_weight_norm(conv, "centred_weights")
    assert switch_weight_norm(conv, "centred_weights")[0].exact


@cases
@pytest.mark.parametrize("target", ["none", "weight_norm"])
def test_second_switch_keeps_the_weight(
    network: nn.Sequential, picture: Tensor, name: str, options: dict[str, Any], exact: bool, target: str
) -> None:
    switch_weight_norm(network, name, **options)
    weights, output = [effective_weight(network.get_submodule(layer)) for layer in LAYERS], network(picture)
    report = switch_weight_norm(network, target)
    assert [record.before for record in report] == [name] * 4
    assert all(record.exact == (name != "conv_norm") for record in report)
    for layer, weight in zip(LAYERS, weights, strict=True):
        torch.testing.assert_close(effective_weight(network.get_submodule(layer)), weight)
    assert torch.allclose(network(picture), output) == (name != "conv_norm")


def test_leaving_conv_norm_is_reported(network: nn.Sequential) -> None:
    switch_weight_norm(network, "conv_norm")
    assert {record.change for record in switch_weight_norm(network, "none")} == {
        "the filter behind the convolution is gone"
    }
    switch_weight_norm(network, "conv_norm")
    assert switch_weight_norm(network, "centred_weights")[0].change == (
        "the filter behind the convolution is gone and every filter has mean 0 now"
    )


@pytest.mark.parametrize(
    ("pattern", "layers"), [("*", LAYERS), ("1.*", ["1.inner", "1.outer"]), ("?", ["0", "2"]), ("*outer", ["1.outer"])]
)
def test_pattern_chooses(network: nn.Sequential, pattern: str, layers: list[str]) -> None:
    report = switch_weight_norm(network, "weight_norm", pattern)
    assert [record.layer for record in report] == layers
    changed = [name for name, module in network.named_modules() if weight_norm_name(module) != "none"]
    assert changed == layers


def test_shared_convolution_is_switched_once() -> None:
    conv = nn.Conv2d(3, 3, 3)
    network = nn.ModuleDict({"a": conv, "b": conv})
    assert [record.layer for record in switch_weight_norm(network, "weight_norm")] == ["a"]
    assert [record.layer for record in switch_weight_norm(network, "spectral_norm", "b")] == ["b"]
    assert weight_norm_name(network["a"]) == "spectral_norm"


def test_no_layer_fits(network: nn.Sequential) -> None:
    with pytest.raises(ValueError, match="'decoder.*'; the network has 0, 1.inner, 1.outer, 2"):
        switch_weight_norm(network, "weight_norm", "decoder.*")
    with pytest.raises(ValueError, match="none at all"):
        switch_weight_norm(nn.ReLU(), "weight_norm")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("group", {}, "^there is no weight normalization 'group'; known are none, weight_norm"),
        ("weight_norm", {"dim": 1}, "^weight_norm has no option 'dim'"),
        ("conv_norm", {}, "^last: conv_norm is defined for convolutions with groups=1"),
    ],
)
def test_error_switches_nothing(network: nn.Sequential, name: str, options: dict[str, Any], message: str) -> None:
    network.add_module("last", nn.Conv2d(4, 4, 3, groups=2).double())
    state = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        switch_weight_norm(network, name, **options)
    assert list(network.state_dict()) == list(state)
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


@cases
def test_switched_network_learns(
    network: nn.Sequential, picture: Tensor, name: str, options: dict[str, Any], exact: bool
) -> None:
    switch_weight_norm(network.train(), name, **options)
    steps = torch.optim.SGD(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(8):
        steps.zero_grad()
        losses.append((network(picture) - 1).square().mean())
        losses[-1].backward()
        steps.step()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert losses[-1] < losses[0]


@cases
def test_state_dict_into_a_freshly_switched_network(
    network: nn.Sequential, picture: Tensor, name: str, options: dict[str, Any], exact: bool
) -> None:
    fresh = copy.deepcopy(network)
    switch_weight_norm(network, name, **options)
    network(picture)
    for parameter in network.parameters():
        parameter.data.mul_(1.1)
    switch_weight_norm(fresh, name, **options)
    fresh.load_state_dict(network.eval().state_dict())
    assert torch.equal(fresh.eval()(picture), network(picture))


# For the length of a block


@cases
@pytest.mark.parametrize("start", ["none", "weight_norm", "conv_norm", "spectral_norm"])
def test_block_gives_everything_back(
    network: nn.Sequential, picture: Tensor, name: str, options: dict[str, Any], exact: bool, start: str
) -> None:
    switch_weight_norm(network, start)
    output, text = network(picture), repr(network)
    parameters = {key: (value, value.detach().clone()) for key, value in network.named_parameters()}
    with switched_weight_norm(network, name, **options) as report:
        assert {record.after for record in report} == {name}
        assert {record.before for record in report} == {start}
        network.train()
        network[0](picture).sum().backward()
        for layer in LAYERS:
            for parameter in network.get_submodule(layer).parameters():
                parameter.data.zero_()
        network.eval()
    assert repr(network) == text
    assert [key for key, _ in network.named_parameters()] == list(parameters)
    for key, value in network.named_parameters():
        assert value is parameters[key][0]
        assert torch.equal(value, parameters[key][1])
        assert value.grad is None
    assert torch.equal(network(picture), output)


def test_block_gives_back_after_an_error(network: nn.Sequential) -> None:
    weight = network[0].weight
    with pytest.raises(KeyError), switched_weight_norm(network, "weight_standardization", "0"):
        raise KeyError
    with pytest.raises(ValueError, match="known are"), switched_weight_norm(network, "unknown", "0"):
        pass
    assert network[0].weight is weight
    assert type(network[0]) is nn.Conv2d


def test_block_follows_training_mode(network: nn.Sequential) -> None:
    with switched_weight_norm(network, "conv_norm"):
        network.train()
    assert all(network.get_submodule(layer).training for layer in LAYERS)


def test_block_on_a_single_convolution() -> None:
    conv = nn.Conv2d(3, 4, 3)
    weight = conv.weight
    with switched_weight_norm(conv, "spectral_norm"):
        assert weight_norm_name(conv) == "spectral_norm"
    assert conv.weight is weight


# On a network of this project


@pytest.mark.parametrize("name", ["weight_norm", "weight_standardization", "conv_norm", "spectral_norm"])
def test_decoder(name: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        decoder = AdaINDecoder(1.0).eval()
    features = torch.rand(1, 512, 3, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = decoder(features)
        report = switch_weight_norm(decoder, name, "stages.*")
        after = decoder(features)
    assert len(report) == 8
    assert weight_norm_name(decoder.to_rgb) == "none"
    assert after.shape == before.shape == (1, 3, 24, 16)
    assert torch.allclose(after, before, rtol=1e-3, atol=1e-4) == (name == "weight_norm")
    assert after.isfinite().all()


def test_estimate_that_is_far_from_the_weight(network: nn.Sequential, picture: Tensor) -> None:
    """As in averages of weights, which have the singular vectors of the last ones; also in training mode."""
    switch_weight_norm(network, "spectral_norm", "1.inner")
    with torch.no_grad():
        network[1].inner.parametrizations.weight.original.copy_(torch.randn(4, 4, 3, 3))
    expected = network.eval()(picture)
    network.train()
    (record,) = switch_weight_norm(network, "none", "1.inner")
    assert record.exact and network[1].inner.training
    torch.testing.assert_close(network.eval()(picture), expected)
