"""Revisited initialisation: which norms are changed, into which groups parameters go, and the norm of the input."""

from collections.abc import Callable
from math import pi, sqrt

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from styleapp.norms import build_norm
from styleapp.norms.initialisation import RECTIFIED_DEVIATION, InputNorm, learning_rate_groups, revisit
from styleapp.norms.weights import apply_weight_norm

Draw = Callable[..., Tensor]


class Net(nn.Module):
    """Norms of all kinds, a convolution with a single kernel, a linear layer with one row, and a frozen layer."""

    def __init__(self) -> None:
        super().__init__()
        self.entry = InputNorm(3)
        self.conv = nn.Conv2d(3, 4, 3)
        self.stock = nn.BatchNorm2d(4)
        self.plain = nn.BatchNorm2d(4, affine=False)
        self.batch = build_norm("batch", 4)
        self.sync = build_norm("sync_batch", 4)
        self.revisited = build_norm("revisited_batch", 4)
        self.instance = build_norm("instance", 4)
        self.group = nn.GroupNorm(2, 4)
        self.styles = build_norm("batch", 4, modulator="styles", num_styles=2)
        self.mask = build_norm("batch", 4, modulator="mask", num_labels=2, hidden=5)
        self.single = nn.Conv2d(4, 1, 1)
        self.row = nn.Linear(4, 1)
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.last = build_norm("batch", 3)


CHANGED = ("entry", "stock", "batch", "sync", "revisited", "last")


@pytest.fixture
def net() -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Net()


def _weight(module: nn.Module) -> Tensor:
    return getattr(module, "modulator", module).weight


def _names(net: nn.Module, parameters: list[Tensor]) -> set[str]:
    return {name for name, parameter in net.named_parameters() if any(parameter is each for each in parameters)}


# Initialisation


def test_every_batch_norm_begins_small(net: Net) -> None:
    for module in (net.stock, net.batch.modulator, net.styles.modulator):
        nn.init.constant_(module.bias, 7.0)
    assert revisit(net, 0.2) == CHANGED
    for name in CHANGED:
        weight = _weight(net.get_submodule(name))
        torch.testing.assert_close(weight, torch.full_like(weight, 0.2 * 0.58 if name == "entry" else 0.2))
    assert not net.stock.bias.any()
    assert not net.batch.modulator.bias.any()
    for module in (net.instance.modulator, net.group, net.styles.modulator):
        assert (module.weight == 1).all()
    assert (net.styles.modulator.bias == 7).all()


def test_recommended_scale(net: Net) -> None:
    revisit(net)
    assert net.stock.weight.tolist() == pytest.approx([0.1] * 4)
    assert net.entry.weight.tolist() == pytest.approx([0.058] * 3)


def test_norm_before_the_picture_is_kept(net: Net) -> None:
    assert revisit(net, keep=[net.last, nn.Sequential(net.stock)]) == ("entry", "batch", "sync", "revisited")
    assert (net.last.modulator.weight == 1).all()
    assert (net.stock.weight == 1).all()


@pytest.mark.parametrize("gamma", [0.0, 1.0, -0.1, float("nan")])
def test_scale_is_between_0_and_1(gamma: float, net: Net) -> None:
    with pytest.raises(ValueError, match="gamma must be above 0 and below 1"):
        revisit(net, gamma)
    with pytest.raises(ValueError, match="gamma must be above 0 and below 1"):
        InputNorm(gamma=gamma)
    assert (net.stock.weight == 1).all()


def test_convolutions_are_left_alone_unless_asked(net: Net) -> None:
    before = net.conv.weight.clone()
    revisit(net)
    assert torch.equal(net.conv.weight, before)


def test_convolutions_are_drawn_anew_with_their_fan_in() -> None:
    model = nn.Sequential(nn.Conv2d(64, 200, 3), weight_norm(nn.Conv2d(8, 8, 1)), nn.Linear(8, 8))
    normalized, linear = model[1].weight.clone(), model[2].weight.clone()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        assert revisit(model, reset_convolutions=True) == ()
    assert model[0].weight.std().item() == pytest.approx(sqrt(2 / (64 * 9)), rel=0.02)
    assert all(not layer.bias.any() for layer in model)
    assert torch.equal(model[1].weight, normalized)
    assert torch.equal(model[2].weight, linear)


def test_convolutions_with_conv_norm_keep_their_weights() -> None:
    conv = apply_weight_norm(nn.Conv2d(4, 4, 3), "conv_norm")
    before = conv.weight.clone()
    revisit(nn.Sequential(conv), reset_convolutions=True)
    assert torch.equal(conv.weight, before) and not conv.conv_norm.bias.any()


def test_small_scale_shrinks_the_gradient_before_it_but_not_its_own(draw: Draw) -> None:
    """Specification 4.1: to the layer before 19.200058 becomes 1.9200058, of γ it stays 22.674771, on its own data."""
    x, upstream = draw(4, 3, 6, 6), draw(4, 3, 6, 6)
    gradients = []
    for gamma in (1.0, 0.1):
        model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)).double()
        nn.init.dirac_(model[0].weight)
        nn.init.constant_(model[1].weight, gamma)
        model(x).backward(upstream)
        gradients.append((model[0].weight.grad, model[1].weight.grad))
    (before, own), (small_before, small_own) = gradients
    assert before.norm() > 1e-3
    torch.testing.assert_close(small_before, 0.1 * before, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(small_own, own, rtol=1e-12, atol=1e-14)


def test_output_deviation_is_the_scale(draw: Draw) -> None:
    """0.09999997 on data whose variance is 16: γ·σ / √(σ² + ε)."""
    model = nn.Sequential(nn.BatchNorm2d(3)).double()
    revisit(model)
    x = draw(8, 3, 16, 16)
    x = 4 * (x - x.mean((0, 2, 3), keepdim=True)) / x.std((0, 2, 3), correction=0, keepdim=True)
    deviation = model(x).std((0, 2, 3), correction=0)
    assert deviation.tolist() == pytest.approx([0.09999997] * 3, abs=5e-9)


# The norm of the input


def test_input_constant_is_the_deviation_of_rectified_values() -> None:
    assert sqrt(1 / 2 - 1 / (2 * pi)) == pytest.approx(0.5838194, abs=5e-8)
    assert round(sqrt(1 / 2 - 1 / (2 * pi)), 2) == RECTIFIED_DEVIATION


def test_input_norm_of_pixels() -> None:
    """Pixels evenly between 0 and 1: deviation 0.0579965, mean 0."""
    x = torch.linspace(0, 1, 256, dtype=torch.float64).view(1, 1, 16, 16).expand(2, 3, 16, 16)
    y = InputNorm().double()(x)
    assert y.std((0, 2, 3), correction=0).tolist() == pytest.approx([0.0579965] * 3, abs=1e-7)
    assert y.mean((0, 2, 3)).abs().max() < 1e-15


def test_input_norm_is_a_batch_norm_without_shift(draw: Draw) -> None:
    layer, twin = InputNorm(gamma=0.5).double(), nn.BatchNorm2d(3, dtype=torch.float64)
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    nn.init.constant_(twin.weight, 0.29)
    upstream = draw(2, 3, 5, 6)
    for training in (True, True, False):
        x = draw(2, 3, 5, 6, shift=0.5)
        y, expected = layer.train(training)(x), twin.train(training)(x)
        torch.testing.assert_close(y, expected)
        weights = layer.weight, twin.weight
        gradients = [torch.autograd.grad(each, w, upstream)[0] for each, w in zip((y, expected), weights, strict=True)]
        torch.testing.assert_close(*gradients)


# Learning-rate groups


def test_groups(net: Net) -> None:
    groups = learning_rate_groups(net, lr=0.1, weight_decay=1e-4)
    settings = {group["name"]: (group["lr"], group["weight_decay"]) for group in groups}
    assert settings == {"scales": (pytest.approx(0.001), 0.0), "shifts": (0.1, 0.0), "weights": (0.1, 1e-4)}
    members = {group["name"]: _names(net, group["params"]) for group in groups}
    modulated = ("batch", "sync", "revisited", "last")
    assert members["scales"] == {"entry.weight", "stock.weight", *(f"{name}.modulator.weight" for name in modulated)}
    convolutions = {"conv", "single", "row", *(f"mask.modulator.{name}" for name in ("shared", "gamma", "beta"))}
    assert members["weights"] == {f"{name}.weight" for name in convolutions}
    others = {"group.weight", "group.bias", "stock.bias", *(f"{name}.bias" for name in convolutions)}
    others |= {f"{name}.modulator.{kind}" for name in ("instance", "styles") for kind in ("weight", "bias")}
    assert members["shifts"] == others | {f"{name}.modulator.bias" for name in modulated}


def test_every_parameter_is_in_one_group(net: Net) -> None:
    net.row_again = net.row  # a shared layer counts once
    members = [parameter for group in learning_rate_groups(net, 0.1, 1e-4) for parameter in group["params"]]
    assert len(members) == len({id(parameter) for parameter in members})
    assert _names(net, members) == {name for name, p in net.named_parameters() if p.requires_grad}
    assert not _names(net, members) & {"frozen.weight", "frozen.bias"}


def test_groups_without_parameters_are_left_out() -> None:
    assert [group["name"] for group in learning_rate_groups(nn.Conv2d(3, 4, 1, bias=False), 0.1, 1e-4)] == ["weights"]


def test_a_scheduler_moves_all_rates_alike(net: Net) -> None:
    optimizer = torch.optim.SGD(learning_rate_groups(net, 0.1, 1e-4, divisor=50), momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    for _ in range(2):
        optimizer.step()
        scheduler.step()
    assert scheduler.get_last_lr() == pytest.approx([0.1 / 50 / 4, 0.1 / 4, 0.1 / 4])


def test_divisor_of_one_is_one_rate(net: Net) -> None:
    assert {group["lr"] for group in learning_rate_groups(net, 0.1, 1e-4, divisor=1)} == {0.1}
    with pytest.raises(ValueError, match="divisor must be at least 1, got 0.5"):
        learning_rate_groups(net, 0.1, 1e-4, divisor=0.5)
