"""SAM, SAM-ON and their adaptive forms: numbers by hand, steps by hand, and what the second pass must not touch."""

from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import MixedPrecision
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.utils.data import TensorDataset

from styleapp.norms import NORMALIZERS, build_norm
from styleapp.norms.initialisation import InputNorm
from styleapp.training.rules import AdaptiveClipping, SharpnessAware
from styleapp.training.rules.sharpness import climb, norm_parameters

Make = Callable[..., Any]
Fit = Callable[..., pl.Trainer]
StateOf = Callable[[nn.Module], dict[str, Tensor]]

GRADIENT = [torch.tensor([3.0], dtype=torch.float64), torch.tensor([4.0], dtype=torch.float64)]
SCALES = [torch.tensor([2.0], dtype=torch.float64), torch.tensor([1.0], dtype=torch.float64)]


# Numbers by hand


@pytest.mark.parametrize(
    ("scales", "ball", "expected"),
    [
        (None, "l2", [0.3, 0.4]),
        (SCALES, "l2", [0.8320503, 0.2773501]),
        (None, "linf", [0.5, 0.5]),
        (SCALES, "linf", [1.0, 0.5]),
    ],
    ids=["SAM", "ASAM", "linf", "adaptive linf"],
)
def test_moves_of_the_specification(scales: list[Tensor] | None, ball: str, expected: list[float]) -> None:
    """g = (3, 4), ρ = 0.5; adaptive with w = (2, 1) and η = 0."""
    assert torch.cat(climb(GRADIENT, 0.5, scales, ball)).tolist() == pytest.approx(expected, abs=5e-8)


def test_length_of_a_move_is_rho() -> None:
    gradients = [torch.randn(4, 3, dtype=torch.float64), torch.randn(5, dtype=torch.float64)]
    moves = climb(gradients, 0.7)
    assert torch.cat([one.flatten() for one in moves]).norm().item() == pytest.approx(0.7, rel=1e-14)
    scaled = climb([one * 1e3 for one in gradients], 0.7)
    torch.testing.assert_close(scaled, moves, rtol=1e-12, atol=0)


def test_no_gradient_is_no_move() -> None:
    assert not torch.cat(climb([torch.zeros(3)], 0.5)).any()


class Norms(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm_of_names = nn.Conv2d(3, 4, 1)  # no norm, whatever it is called
        self.bn = nn.Linear(4, 4)
        self.input = InputNorm(3)
        self.stock = nn.BatchNorm2d(4)
        self.instance = nn.InstanceNorm2d(4, affine=True)
        self.group = nn.GroupNorm(2, 4)
        self.layer = nn.LayerNorm(4)
        self.rms = nn.RMSNorm(4)
        self.affine = build_norm("power", 4)
        self.styles = build_norm("instance", 4, modulator="styles", num_styles=3)
        self.mask = build_norm("batch", 4, modulator="mask", num_labels=2, hidden=5)


def test_norms_are_found_by_the_type_of_their_module() -> None:
    both = [f"{name}.{side}" for name in ("stock", "instance", "group", "layer") for side in ("weight", "bias")]
    both += [f"{name}.modulator.{side}" for name in ("affine", "styles") for side in ("weight", "bias")]
    assert set(norm_parameters(Norms())) == {*both, "rms.weight", "input.weight"}
    masks = {f"mask.modulator.{conv}.{side}" for conv in ("gamma", "beta") for side in ("weight", "bias")}
    assert set(norm_parameters(Norms(), masks=True)) - set(norm_parameters(Norms())) == masks
    assert set(norm_parameters(nn.BatchNorm2d(4))) == {"weight", "bias"}


# Steps by hand


OPTIONS: list[dict[str, Any]] = [
    {},
    {"parameters": "all", "rho": 0.05},
    {"adaptive": True, "floor": 0.01, "rho": 2.0},
    {"adaptive": True, "adaptive_shifts": True, "floor": 0.1},
    {"ball": "linf", "rho": 0.1},
    {"ball": "linf", "adaptive": True, "rho": 0.3},
]


def _by_hand(module: Any, batches: list[list[tuple[Tensor, Tensor]]], options: dict[str, Any]) -> dict[str, Tensor]:
    """Each step on the mean loss of its batches; plain SGD with the rates of the module."""
    network, rho = module.network, options.get("rho", 0.5)
    named = dict(network.named_parameters())
    moved = list(named) if options.get("parameters") == "all" else ["act.modulator.weight", "act.modulator.bias"]

    def gradients(batch: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        loss = torch.stack([mse_loss(network(x), y) for x, y in batch]).mean()
        return dict(zip(named, torch.autograd.grad(loss, list(named.values())), strict=True))

    def scale(name: str) -> Tensor:
        plain = not options.get("adaptive") or (name.endswith("bias") and not options.get("adaptive_shifts"))
        return torch.ones_like(named[name]) if plain else named[name].detach().abs() + options.get("floor", 0.0)

    for step, batch in enumerate(batches):
        first = gradients(batch)
        here = {name: named[name].detach().clone() for name in moved}
        length = sum((scale(name) * first[name]).square().sum() for name in moved) ** 0.5
        moves = {name: rho * scale(name) ** 2 * first[name] / length for name in moved}
        if options.get("ball") == "linf":
            moves = {name: rho * scale(name) * first[name].sign() for name in moved}
        with torch.no_grad():
            for name in moved:
                named[name].add_(moves[name])
        second = gradients(batch)
        with torch.no_grad():
            for name in moved:
                named[name].copy_(here[name])
            for name, value in named.items():
                value.sub_(0.1 * 0.9**step * second[name])
    return {name: value.detach() for name, value in named.items()}


@pytest.mark.parametrize("accumulated", [1, 2])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_steps_by_hand(options: dict[str, Any], accumulated: int, tiny: Make, fit: Fit, samples: TensorDataset) -> None:
    module = tiny()
    fit(module, SharpnessAware(**options), steps=2, batch_size=3, accumulate_grad_batches=accumulated)
    x, y = samples.tensors
    parts = list(zip(x.split(3), y.split(3), strict=True))
    batches = [parts[step * accumulated : (step + 1) * accumulated] for step in range(2)]
    expected = _by_hand(tiny(), batches, options)
    torch.testing.assert_close(dict(module.network.named_parameters()), expected, rtol=1e-11, atol=1e-13)
    plain = tiny()
    fit(plain, steps=2, batch_size=3, accumulate_grad_batches=accumulated)
    assert not torch.allclose(plain.network.conv.weight, expected["conv.weight"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("normalizer", [name for name in NORMALIZERS if name != "none"])
def test_without_a_radius_it_is_the_plain_optimizer(normalizer: str, tiny: Make, fit: Fit, state_of: StateOf) -> None:
    """ρ = 0, bit by bit: whatever a normalization remembers is as in the first pass, and moves once a step."""
    states = []
    for rules in ([], [SharpnessAware(rho=0.0)]):
        module = tiny(normalizer, weight_norm="spectral_norm", optimizer="Adam", lr=0.01)
        fit(module, *rules, steps=3)
        states.append(state_of(module))
    torch.testing.assert_close(*states, rtol=0, atol=0)


# What the second pass sees and leaves


class Passes(pl.Callback):
    """The network's parameters at each of its passes, and what its first convolution makes of the batch."""

    def __init__(self) -> None:
        self.parameters: list[dict[str, Tensor]] = []
        self.features: list[Tensor] = []

    def on_fit_start(self, trainer: pl.Trainer, module: Any) -> None:
        def look(network: nn.Module, *_: Any) -> None:
            self.parameters.append({name: value.detach().clone() for name, value in network.named_parameters()})

        module.network.register_forward_pre_hook(look)
        module.network.conv.register_forward_hook(lambda _, __, y: self.features.append(y.detach()))


@pytest.mark.parametrize("weight_norm", ["none", "spectral_norm"])
def test_convolutions_are_the_same_in_the_second_pass(weight_norm: str, tiny: Make, fit: Fit) -> None:
    """Bit by bit, also as a spectral norm makes them; scales and shifts are ρ away."""
    module, passes = tiny(weight_norm=weight_norm), Passes()
    fit(module, passes, SharpnessAware(rho=0.3), steps=2)
    assert len(passes.parameters) == len(passes.features) == 4
    for step in (0, 2):
        assert torch.equal(*passes.features[step : step + 2])
        first, second = passes.parameters[step : step + 2]
        moved = {name for name, value in second.items() if not torch.equal(value, first[name])}
        assert moved == {"act.modulator.weight", "act.modulator.bias"}
        move = torch.cat([second[name] - first[name] for name in sorted(moved)])
        assert move.norm().item() == pytest.approx(0.3, rel=1e-10)


@pytest.mark.parametrize("normalizer", ["batch", "memorized_batch", "power", "moving_batch"])
def test_what_is_remembered_moves_once(normalizer: str, tiny: Make, fit: Fit) -> None:
    """After one step it is what a plain step leaves: the same batch, the same weights."""
    kept = []
    for rules in ([], [SharpnessAware(rho=1.0)]):
        module = tiny(normalizer, weight_norm="spectral_norm")
        fit(module, *rules, steps=1)
        kept.append({name: value.clone() for name, value in module.named_buffers()})
    assert kept[0]
    torch.testing.assert_close(*kept, rtol=0, atol=0)


def test_window_of_steps(tiny: Make, fit: Fit, state_of: StateOf) -> None:
    """From step 1 to before step 2: step 0 is plain, step 1 is not, step 2 is plain from there."""

    class Each(pl.Callback):
        def __init__(self) -> None:
            self.states: list[dict[str, Tensor]] = []

        def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
            self.states.append(state_of(module))

    plain, always, window = Each(), Each(), Each()
    fit(tiny(), plain, steps=3)
    fit(tiny(), always, SharpnessAware(start=1), steps=3)
    trainer = fit(tiny(), window, SharpnessAware(start=1, end=2), steps=3)
    assert trainer.callback_metrics["sharpness/rise"] > 0  # of step 1
    torch.testing.assert_close(window.states[0], plain.states[0], rtol=0, atol=0)
    torch.testing.assert_close(window.states[1], always.states[1], rtol=0, atol=0)
    for other in (plain, always):
        assert not torch.equal(window.states[2]["network.conv.weight"], other.states[2]["network.conv.weight"])


def test_log_shows_the_rise_of_the_loss(tiny: Make, fit: Fit, samples: TensorDataset) -> None:
    """The logged loss is that of the first pass; the rise is by hand."""
    trainer = fit(tiny(), SharpnessAware(rho=0.5), steps=1)
    network = tiny().network
    x, y = (tensor[:4] for tensor in samples.tensors)
    loss = mse_loss(network(x), y)
    loss.backward()
    norms = [network.act.modulator.weight, network.act.modulator.bias]
    length = torch.cat([one.grad for one in norms]).norm()
    with torch.no_grad():
        for one in norms:
            one.add_(0.5 * one.grad / length)
        there = mse_loss(network(x), y)
    metrics = trainer.callback_metrics
    assert metrics["train/loss"].item() == pytest.approx(loss.item(), rel=1e-6)
    assert metrics["sharpness/rise"].item() == pytest.approx((there - loss).item(), rel=1e-5)
    assert metrics["sharpness/gradient_norm"].item() == pytest.approx(length.item(), rel=1e-6)
    assert there > loss


def test_gradients_of_the_second_pass_are_clipped(tiny: Make, fit: Fit) -> None:
    before, module = tiny(), tiny()
    fit(module, SharpnessAware(), steps=1, gradient_clip_val=1e-3)
    pairs = zip(module.network.parameters(), before.network.parameters(), strict=True)
    step = torch.cat([(after - start).flatten() for after, start in pairs]).norm()
    assert step.item() == pytest.approx(0.1 * 1e-3, rel=1e-3)


# Half precision


class Scaler(torch.amp.GradScaler):
    """For the CPU, with a scale that a test chooses."""

    def __init__(self, scale: float) -> None:
        super().__init__("cpu", init_scale=scale)


def _mixed(scale: float) -> MixedPrecision:
    return MixedPrecision("16-mixed", "cpu", Scaler(scale))


@pytest.mark.parametrize("accumulated", [1, 2])
def test_scale_of_the_loss_does_not_matter(accumulated: int, tiny: Make, fit: Fit) -> None:
    """Gradients are unscaled before their norm is taken, and once more before the step."""
    weights = []
    for scale in (1.0, 256.0):
        module = tiny(double=False)
        rules = SharpnessAware(rho=0.2)
        fit(
            module, rules, steps=2, batch_size=3, precision=None, plugins=[_mixed(scale)],
            accumulate_grad_batches=accumulated,
        )  # fmt: skip
        weights.append(torch.cat([one.detach().flatten() for one in module.network.parameters()]))
    torch.testing.assert_close(*weights, rtol=2e-3, atol=2e-4)


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step:UserWarning")  # before any optimizer.step
def test_overflow_in_the_first_pass_skips_the_step(tiny: Make, fit: Fit, state_of: StateOf) -> None:
    module = tiny("instance", double=False)
    before = state_of(module)
    fit(module, SharpnessAware(), steps=1, precision=None, plugins=[_mixed(2.0**120)])
    torch.testing.assert_close(state_of(module), before, rtol=0, atol=0)


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_overflow_in_the_second_pass_steps_with_the_first(
    scale: float, tiny: Make, fit: Fit, state_of: StateOf
) -> None:
    """A radius of 1e9 takes the features out of half precision."""
    states = []
    for rules in ([], [SharpnessAware(rho=1e9)]):
        module = tiny("instance", double=False)
        fit(module, *rules, steps=1, precision=None, plugins=[_mixed(scale)])
        states.append(state_of(module))
    assert all(bool(value.isfinite().all()) for value in states[1].values())
    torch.testing.assert_close(*states, rtol=0, atol=0)


def test_norms_that_no_gradient_reaches_stay(tiny: Make, fit: Fit, state_of: StateOf) -> None:
    """Then there is no direction to move in, and the step is the plain one."""
    states = []
    for rules in ([], [SharpnessAware()]):
        module = tiny("none", norm={"modulator": "none"})
        module.network.unused = nn.BatchNorm2d(3).double()
        fit(module, *rules, steps=1)
        states.append(state_of(module))
    torch.testing.assert_close(*states, rtol=0, atol=0)


# Manual optimization


@pytest.mark.parametrize(
    "options", [{"parameters": "all", "part": "discriminator"}, {"masks": True}, {"parameters": "all"}], ids=str
)
def test_without_a_radius_manual_optimization_is_the_plain_one(
    options: dict[str, Any], synthesis: Make, fit_masks: Fit, state_of: StateOf
) -> None:
    """Bit by bit, with spectral norms in both networks, whose vectors move at every pass, and a penalty in step 0."""
    states = []
    for rules in ([], [SharpnessAware(rho=0.0, **options)]):
        module = synthesis(r1_weight=1.0)
        fit_masks(module, *rules)
        states.append(state_of(module))
    torch.testing.assert_close(*states, rtol=0, atol=0)


def test_manual_step_by_hand(synthesis: Make, fit_masks: Fit) -> None:
    """The critic's first step: Adam's, along the gradient at the point that is ρ up the first one."""
    rule = SharpnessAware(rho=0.1, parameters="all", part="discriminator")
    seen: list[list[Tensor]] = []

    class Probe(pl.Callback):
        """Weights and gradients whenever the critic's gradients were taken."""

        def on_after_backward(self, trainer: pl.Trainer, module: Any) -> None:
            if module.discriminator.at_scales[0].entry.weight.requires_grad:
                seen.append([one.detach().clone() for one in module.discriminator.parameters()])
                seen.append([one.grad.clone() for one in module.discriminator.parameters()])

    module = synthesis()
    fit_masks(module, rule, Probe(), steps=1)
    here, gradient, there, second = (torch.cat([one.flatten() for one in part]) for part in seen)
    torch.testing.assert_close(there, here + 0.1 * gradient / gradient.norm(), rtol=1e-5, atol=1e-7)
    after = torch.cat([one.detach().flatten() for one in module.discriminator.parameters()])
    clear = second.abs() > 1e-5
    torch.testing.assert_close((after - here)[clear], -4e-4 * second.sign()[clear], rtol=5e-3, atol=1e-7)


def test_both_networks_of_manual_optimization(synthesis: Make, fit_masks: Fit) -> None:
    rules = [SharpnessAware(parameters="all", rho=0.05, part=part) for part in ("network", "discriminator")]
    trainer = fit_masks(synthesis(), *rules, steps=3)
    assert trainer.global_step == 3
    for name in ("sharpness", "sharpness_discriminator"):
        assert trainer.callback_metrics[f"{name}/rise"].isfinite()
        assert trainer.callback_metrics[f"{name}/gradient_norm"] > 0
    assert "descend" not in vars(trainer.lightning_module)


# What is refused


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rho": -1.0}, "rho and floor must be at least 0, got -1.0 and 0.0"),
        ({"floor": -0.1}, "rho and floor must be at least 0"),
        ({"start": -1}, "start must be at least 0 and end not before it, got -1 and None"),
        ({"start": 5, "end": 4}, "end not before it, got 5 and 4"),
    ],
)
def test_numbers_out_of_range(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SharpnessAware(**options)


def test_a_network_without_norms_is_refused(tiny: Make, fit: Fit, synthesis: Make, fit_masks: Fit) -> None:
    with pytest.raises(
        ValueError, match=r"network: it has no scales and shifts of norms to move: set parameters to all"
    ):
        fit(tiny(norm={"modulator": "none"}), SharpnessAware())
    with pytest.raises(ValueError, match="or masks to true"):
        fit_masks(synthesis(), SharpnessAware())


def test_a_rule_that_it_would_undo_is_refused(tiny: Make, fit: Fit) -> None:
    fit(tiny(), SharpnessAware(), AdaptiveClipping())
    with pytest.raises(ValueError, match="it would undo what AdaptiveClipping does: put it before that rule"):
        fit(tiny(), AdaptiveClipping(), SharpnessAware())


def test_manual_optimization_without_descend_is_refused(tiny: Make, fit: Fit) -> None:
    module = tiny()
    module.automatic_optimization = False
    with pytest.raises(ValueError, match="TinyTraining takes its gradients by hand: give it a method descend"):
        fit(module, SharpnessAware())
