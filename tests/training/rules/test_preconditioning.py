"""Preconditioned gradients: the identity that they come from, statistics over batches, and steps by hand."""

from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, mse_loss, unfold
from torch.utils.data import TensorDataset

from styleapp.training.rules import BatchNormPreconditioning, SharpnessAware
from styleapp.training.rules.preconditioning import precondition

Make = Callable[..., Any]
Fit = Callable[..., pl.Trainer]


def _draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _gradients(loss: Callable[..., Tensor], *parameters: Tensor) -> list[Tensor]:
    leaves = [one.clone().requires_grad_() for one in parameters]
    return list(torch.autograd.grad(loss(*leaves), leaves))


# The transformation


def test_a_step_is_one_of_gradient_descent_for_normalized_inputs() -> None:
    """q = 1, ε = 0: in the coordinates (W·σ, b + W·μ), mapped back."""
    h = _draw(20, 5) * torch.tensor([1.0, 10.0, 0.1, 3.0, 1.0]) + torch.tensor([0.0, 5.0, 1.0, -2.0, 0.3])
    target, weight, bias, rate = _draw(20, 3, seed=1), _draw(3, 5, seed=2), _draw(3, seed=3), 0.1
    mean, deviation = h.mean(0), h.std(0, correction=0)
    ours = _gradients(lambda w, b: mse_loss(h @ w.T + b, target), weight, bias)
    precondition(*ours, mean, deviation**2)
    normalized = (h - mean) / deviation
    scaled, shifted = weight * deviation, bias + weight @ mean
    theirs = _gradients(lambda w, b: mse_loss(normalized @ w.T + b, target), scaled, shifted)
    expected = (scaled - rate * theirs[0]) / deviation
    torch.testing.assert_close(weight - rate * ours[0], expected, rtol=0, atol=1e-12)
    expected_bias = shifted - rate * theirs[1] - expected @ mean
    torch.testing.assert_close(bias - rate * ours[1], expected_bias, rtol=0, atol=1e-12)


def test_a_convolution_is_a_linear_layer_on_patches() -> None:
    """The same mean and variance for all taps of a channel, and the matrix form of the same weight."""
    x, weight, bias, target = _draw(4, 3, 7, 6), _draw(2, 3, 3, 3, seed=1), _draw(2, seed=2), _draw(4, 2, 5, 4, seed=3)
    mean, variance = _draw(3, seed=4), _draw(3, seed=5).square() + 0.1
    ours = _gradients(lambda w, b: mse_loss(conv2d(x, w, b), target), weight, bias)
    patches = unfold(x, 3).transpose(1, 2)  # N×20×27
    flat = _gradients(
        lambda w, b: mse_loss((patches @ w.T + b).transpose(1, 2), target.flatten(2)), weight.flatten(1), bias
    )
    precondition(*ours, mean, variance, q2=1.5)
    precondition(*flat, mean.repeat_interleave(9), variance.repeat_interleave(9), q2=1.5)
    torch.testing.assert_close(ours[0].flatten(1), flat[0])
    torch.testing.assert_close(ours[1], flat[1])


def test_groups_see_their_own_channels() -> None:
    """A convolution in two groups is two convolutions."""
    weight, bias, mean, variance = _draw(6, 2, 3, 3), _draw(6), _draw(4, seed=1), _draw(4, seed=2).square() + 0.1
    halves = [(weight[part].clone(), bias[part].clone()) for part in (slice(0, 3), slice(3, 6))]
    precondition(weight, bias, mean, variance, 2.0)
    for number, (half, half_bias) in enumerate(halves):
        own = slice(2 * number, 2 * number + 2)
        precondition(half, half_bias, mean[own], variance[own], 2.0)
    torch.testing.assert_close(weight, torch.cat([half for half, _ in halves]))
    torch.testing.assert_close(bias, torch.cat([half for _, half in halves]))


def test_numbers_by_hand() -> None:
    """G_W = 6, G_b = 2, μ = 1, σ̃² = 4, q² = 2: (6 − 2·1) / (2·4) = 0.5, then 2/2 − 0.5·1 = 0.5; without a bias 6/8."""
    weight, bias = torch.tensor([[6.0]]), torch.tensor([2.0])
    precondition(weight, bias, torch.tensor([1.0]), torch.tensor([4.0]), 2.0)
    assert (weight.item(), bias.item()) == (0.5, 0.5)
    weight = torch.tensor([[6.0]])
    precondition(weight, None, torch.tensor([1.0]), torch.tensor([4.0]), 2.0)
    assert weight.item() == 0.75


def test_condition_number_of_a_badly_scaled_problem() -> None:
    """Least squares with one input of deviation 40 and mean 30: from thousands to below 2 (4453.6 → 1.85 there)."""
    h = _draw(400, 4)
    h[:, 0] = 40 * h[:, 0] + 30
    one = torch.cat([h, torch.ones(400, 1, dtype=torch.float64)], dim=1)
    hessian = one.T @ one / 400
    mean, variance = h.mean(0), h.var(0, correction=0)
    columns = []
    for column in hessian.T:  # of the gradient in the direction of each number of a row of W, and of b
        weight, bias = column[:4].clone().view(1, 4), column[4:].clone()
        precondition(weight, bias, mean, variance)
        columns.append(torch.cat([weight[0], bias]))
    eigenvalues = torch.linalg.eigvals(torch.stack(columns, dim=1)).real
    before = torch.linalg.cond(hessian)
    assert before > 1000
    assert eigenvalues.max() / eigenvalues.min() < 2


# Runs


def _by_hand(module: Any, steps: list[list[tuple[Tensor, Tensor]]], momentum: float) -> dict[str, Tensor]:
    """SGD on preconditioned gradients; statistics of all batches of a step together."""
    network, running = module.network, {}
    layers = {"conv": network.conv, "norm_conv": network.norm_conv}
    for step, batches in enumerate(steps):
        inputs: dict[str, list[Tensor]] = {name: [] for name in layers}
        hooks = [
            layer.register_forward_pre_hook(lambda _, args, kept=inputs[name]: kept.append(args[0].detach()))
            for name, layer in layers.items()
        ]
        loss = torch.stack([mse_loss(network(x), y) for x, y in batches]).mean()
        parameters = list(network.parameters())
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        for hook in hooks:
            hook.remove()
        for name, layer in layers.items():
            x = torch.cat(inputs[name])
            mean, variance = running.get(name, (x.new_zeros(x.shape[1]), x.new_ones(x.shape[1])))
            mean = (1 - momentum) * mean + momentum * x.mean((0, 2, 3))
            variance = (1 - momentum) * variance + momentum * x.var((0, 2, 3), correction=0)
            running[name] = (mean, variance)
            spread = variance + 0.01 * variance.max() + 1e-4
            precondition(layer.weight.grad, layer.bias.grad, mean, spread)
        with torch.no_grad():
            for parameter in parameters:
                parameter.sub_(0.1 * 0.9**step * parameter.grad)
    return {name: value.detach() for name, value in network.named_parameters()}


@pytest.mark.parametrize("accumulated", [1, 2])
def test_steps_by_hand(accumulated: int, tiny: Make, fit: Fit, samples: TensorDataset) -> None:
    module = tiny("none")
    rule = BatchNormPreconditioning(momentum=0.3)
    trainer = fit(module, rule, batch_size=3, accumulate_grad_batches=accumulated)
    parts = list(zip(*(tensor.split(3) for tensor in samples.tensors), strict=True))
    steps = [parts[step * accumulated : (step + 1) * accumulated] for step in range(2)]
    expected = _by_hand(tiny("none"), steps, 0.3)
    torch.testing.assert_close(dict(module.network.named_parameters()), expected, rtol=1e-10, atol=1e-12)
    assert trainer.callback_metrics["preconditioning/gradient_ratio"] > 0


def test_few_values_divide_the_gradient(fit: Fit) -> None:
    """A linear layer of 8 inputs and 4 samples: q² = 2."""

    class Linear(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = nn.Linear(8, 1).double()
            nn.init.zeros_(self.network.weight)
            nn.init.zeros_(self.network.bias)

        def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
            return (self.network(batch[0].flatten(1)[:, :8]) - batch[1][:, :1]).square().mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.network.parameters(), lr=1.0)

    class Seen(pl.Callback):
        def on_before_optimizer_step(self, trainer: pl.Trainer, module: Any, optimizer: Any) -> None:
            self.bias, self.weight = module.network.bias.grad.clone(), module.network.weight.grad.clone()

    plain, ours = Seen(), Seen()
    fit(Linear(), plain, steps=1)
    rule = BatchNormPreconditioning()
    fit(Linear(), rule, ours, steps=1)
    mean = rule.running[""][0]
    torch.testing.assert_close(ours.bias, plain.bias / 2 - ours.weight @ mean)


def test_layers_without_a_bias_are_scaled_by_the_mean_square(fit: Fit, tiny: Make, samples: TensorDataset) -> None:
    modules = [tiny("none") for _ in range(2)]
    for module in modules:
        module.network.conv.register_parameter("bias", None)
    module, twin = modules
    fit(module, BatchNormPreconditioning(momentum=1.0, eps=0.0, eps_share=0.0), steps=1)
    x, y = (tensor[:4] for tensor in samples.tensors)
    mse_loss(twin.network(x), y).backward()
    gradient = twin.network.conv.weight.grad / x.square().mean((0, 2, 3)).view(1, -1, 1, 1)
    moved = twin.network.conv.weight - module.network.conv.weight
    torch.testing.assert_close(moved, 0.1 * gradient, rtol=1e-10, atol=1e-13)


def test_a_second_pass_is_not_counted(tiny: Make, fit: Fit) -> None:
    running = []
    for rules in ([], [SharpnessAware(parameters="all", rho=5.0)]):
        rule = BatchNormPreconditioning()
        fit(tiny("none", norm={"modulator": "affine"}), *rules, rule, steps=1)
        running.append(rule.running)
    torch.testing.assert_close(*running, rtol=0, atol=0)


def test_a_critic_is_preconditioned_by_what_passes_in_its_own_phase(synthesis: Make, fit_masks: Fit) -> None:
    """Pictures that teach the generator pass through it, too, and are not counted; what is normalized is left out."""
    seen: list[int] = []

    class Probe(pl.Callback):
        def on_fit_start(self, trainer: pl.Trainer, module: Any) -> None:
            entry = module.discriminator.at_scales[0].entry
            entry.register_forward_pre_hook(lambda *_: seen.append(entry.weight.requires_grad))

    rule = BatchNormPreconditioning(momentum=1.0, part="discriminator")
    counts: list[Tensor] = []
    collect = rule._of_all_processes

    def watched(*arguments: Any) -> dict[str, Tensor]:
        found = collect(*arguments)
        counts.append(found["at_scales.0.entry"][0, 0])
        return found

    rule._of_all_processes = watched  # type: ignore[method-assign]
    trainer = fit_masks(synthesis(), rule, Probe(), steps=1)
    assert seen == [False, False, True, True]
    assert [float(one) for one in counts] == [2 * 4 * 32 * 32]  # pictures and photos, four each
    assert set(rule.layers) == {f"at_scales.{scale}.{name}" for scale in (0, 1) for name in ("entry", "to_logits")}
    assert trainer.callback_metrics["preconditioning_discriminator/gradient_ratio"] != 1


# What is refused


@pytest.mark.parametrize("options", [{"momentum": 0.0}, {"momentum": 1.1}, {"eps": -1.0}, {"eps_share": -0.1}], ids=str)
def test_numbers_out_of_range(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="momentum must be|eps_share and eps must be"):
        BatchNormPreconditioning(**options)


def test_computed_weights_are_refused(tiny: Make, fit: Fit) -> None:
    module = tiny("none", weight_norm="spectral_norm")
    module.network.norm_conv.requires_grad_(False)
    with pytest.raises(
        ValueError, match="network: none of its layers has weights of its own: set its weight_norm to none"
    ):
        fit(module, BatchNormPreconditioning())
