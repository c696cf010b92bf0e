"""Learning rates in place of weight decay: the specification's angles, logs, and which kernels are logged."""

from collections.abc import Callable
from math import cos, pi, radians, sin
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from styleapp.training.rules import DecayLog, DecayRateCorrection
from styleapp.training.rules.decay_correction import corrected_share
from styleapp.training.rules.decay_log import KernelNorms, invariance, length_power

Make = Callable[..., Any]
Fit = Callable[..., pl.Trainer]

RATE, DECAY = 0.5, 0.01
START = 4.875 * torch.tensor([cos(radians(92.15)), sin(radians(92.15))], dtype=torch.float64)
"""A kernel of two numbers that has to turn by 92.15°; this start gives the specification's angles."""


class Direction(pl.LightningModule):
    """Loss −cos(w, target): only the direction of the kernel matters."""

    def __init__(self, optimizer: str = "SGD", rate: float = RATE, start: Tensor = START, **options: Any) -> None:
        super().__init__()
        self.network = nn.Module()
        self.network.conv = nn.Conv2d(2, 1, 1, bias=False).double()
        with torch.no_grad():
            self.network.conv.weight.copy_(start.view(1, 2, 1, 1))
        self.made = (optimizer, {"lr": rate, **options})

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return -nn.functional.cosine_similarity(self.kernel, torch.tensor([1.0, 0.0], dtype=torch.float64), dim=0)

    @property
    def kernel(self) -> Tensor:
        return self.network.conv.weight.view(2)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        name, options = self.made
        return getattr(torch.optim, name)(self.network.parameters(), **options)


def _angle(one: Tensor, other: Tensor) -> float:
    """In degrees; exact for small ones."""
    one, other = one.detach(), other.detach()
    cross, dot = one[0] * other[1] - one[1] * other[0], one @ other
    return float(torch.atan2(cross.abs(), dot) * 180 / pi)


# The specification's run


@pytest.mark.parametrize(
    ("steps", "plain", "paper", "tolerances"),
    [(50, 10.16, 0.196, (0.01, 0.0015)), (20, 2.376, 0.122, (0.001, 0.001))],
    ids=["50 steps", "20 steps"],
)
def test_angles_of_the_specification(
    steps: int, plain: float, paper: float, tolerances: tuple[float, float], fit: Fit, tmp_path: Path
) -> None:
    """η = 0.5, λ = 0.01, to the run with decay: 10.16° without correction, 0.196° with equation 4, 0° exactly."""
    file = str(tmp_path / "log.safetensors")
    decayed = Direction()
    fit(decayed, DecayLog(file, decay=DECAY), steps=steps, max_epochs=-1)
    angles = {}
    for name, rules in {
        "plain": [],
        "paper": [DecayRateCorrection(file, form="paper")],
        "exact": [DecayRateCorrection(file)],
    }.items():
        module = Direction()
        fit(module, *rules, steps=steps, max_epochs=-1)
        angles[name] = _angle(module.kernel, decayed.kernel)
    assert angles["plain"] == pytest.approx(plain, abs=tolerances[0])
    assert angles["paper"] == pytest.approx(paper, abs=tolerances[1])
    assert angles["exact"] < 1e-6


@pytest.mark.parametrize(
    ("options", "rule_decay"),
    [
        ({"optimizer": "SGD", "weight_decay": DECAY}, 0.0),
        ({"optimizer": "AdamW", "weight_decay": 0.1, "rate": 0.2}, 0.0),
    ],
    ids=["SGD", "AdamW"],
)
def test_decay_of_the_optimizer(options: dict[str, Any], rule_decay: float, fit: Fit, tmp_path: Path) -> None:
    """SGD's is that of the rule; Adam's steps do not depend on lengths, so that the quotient is not squared."""
    file = str(tmp_path / "log.safetensors")
    decayed = Direction(**options)
    fit(decayed, DecayLog(file, decay=rule_decay), steps=30, max_epochs=-1)
    angles = []
    for rules in ([], [DecayRateCorrection(file)]):
        module = Direction(**{**options, "weight_decay": 0.0})
        fit(module, *rules, steps=30, max_epochs=-1)
        angles.append(_angle(module.kernel, decayed.kernel))
    # Adam's second moments remember gradients of other lengths; without that it would be 0.
    assert angles[1] < (1e-6 if options["optimizer"] == "SGD" else 0.05 * angles[0])
    assert angles[0] > 0.5


def test_decay_of_the_rule_is_that_of_sgd(fit: Fit, tmp_path: Path) -> None:
    file = str(tmp_path / "log.safetensors")
    ours, theirs = Direction(), Direction(weight_decay=DECAY)
    fit(ours, DecayLog(file, decay=DECAY), steps=10, max_epochs=-1)
    fit(theirs, steps=10, max_epochs=-1)
    torch.testing.assert_close(ours.kernel, theirs.kernel, rtol=1e-13, atol=0)


def test_effective_rates_are_the_same(fit: Fit, tmp_path: Path) -> None:
    """η/‖w_WD‖² is what equation 4 keeps; the kernel without decay is longer."""
    file = str(tmp_path / "log.safetensors")
    with_decay = fit(Direction(), DecayLog(file, decay=DECAY), steps=30, max_epochs=-1).callback_metrics
    corrected = fit(Direction(), DecayRateCorrection(file, "paper"), steps=30, max_epochs=-1).callback_metrics
    assert corrected["correction/effective_rate"] == pytest.approx(float(with_decay["decay/effective_rate"]), rel=1e-6)
    assert corrected["correction/norm"] > with_decay["decay/norm"] > 3
    norm = float(with_decay["decay/norm"])
    assert with_decay["decay/effective_rate"] == pytest.approx(RATE / norm**2, rel=1e-6)


# Numbers by hand


def test_share_by_hand() -> None:
    """‖w‖ = 2, ‖w_WD‖ = 1: 4 times the rate, 2 times for Adam; exactly 4/0.8 where decay leaves 0.8; dead ones stay."""
    norm, decayed = torch.tensor([2.0, 1.0]), torch.tensor([1.0, 0.0])
    assert corrected_share(norm, decayed).tolist() == [4.0, 1.0]
    assert corrected_share(norm, decayed, power=1).tolist() == [2.0, 1.0]
    assert corrected_share(norm, decayed, kept=0.8).tolist() == pytest.approx([5.0, 1.0])


def test_gradient_is_orthogonal_and_shrinks_with_length() -> None:
    """∇L(2w) = ∇L(w)/2 exactly, and w·∇L = 0."""
    gradients = []
    for factor in (1.0, 2.0):
        module = Direction(start=factor * START)
        module.training_step(None, 0).backward()
        gradients.append(module.network.conv.weight.grad)
        assert invariance(module.network.conv.weight) < 1e-15
    torch.testing.assert_close(gradients[1], gradients[0] / 2, rtol=1e-15, atol=0)
    assert abs(float(gradients[0].view(2) @ START)) < 1e-15


def test_kernels_without_a_gradient_are_not_taken() -> None:
    weight = nn.Parameter(torch.ones(1, 2, 1, 1))
    assert invariance(weight) == float("inf")
    weight.grad = torch.zeros_like(weight)
    assert invariance(weight) == float("inf")
    weight.grad = torch.ones_like(weight)
    assert invariance(weight) == pytest.approx(1.0)


@pytest.mark.parametrize(("name", "power"), [("SGD", 2), ("Adam", 1), ("AdamW", 1), ("RMSprop", None), ("Rprop", None)])
def test_powers(name: str, power: int | None) -> None:
    assert length_power(getattr(torch.optim, name)([nn.Parameter(torch.ones(1))], lr=0.1)) == power


# Logs


@pytest.mark.parametrize(
    ("normalizer", "found"), [("batch", ("conv",)), ("instance", ("conv",)), ("l1_batch", ("conv",))]
)
def test_kernels_before_a_norm_are_found(
    normalizer: str, found: tuple[str, ...], tiny: Make, fit: Fit, tmp_path: Path
) -> None:
    rule = DecayLog(str(tmp_path / "log.safetensors"), decay=0.1)
    fit(tiny(normalizer), rule)
    assert rule.kernels == found


@pytest.mark.parametrize("normalizer", ["none", "group"])
def test_without_such_a_kernel_there_is_nothing_to_log(normalizer: str, tiny: Make, fit: Fit, tmp_path: Path) -> None:
    """Of a group of channels no single kernel may grow alone."""
    with pytest.raises(ValueError, match="no kernel is orthogonal to its gradient: a normalization must follow"):
        fit(tiny(normalizer, norm={"groups": 2} if normalizer == "group" else {}), DecayLog("unused", decay=0.1))


def test_log_has_the_lengths_before_each_step(tiny: Make, fit: Fit, tmp_path: Path) -> None:
    file = tmp_path / "folder" / "log.safetensors"
    lengths: list[Tensor] = []

    class Probe(pl.Callback):
        def on_train_batch_start(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
            lengths.append(module.network.conv.weight.detach().flatten(1).norm(dim=1))

    fit(tiny(), Probe(), DecayLog(str(file), decay=0.1, every=2), steps=3)
    log = KernelNorms.load(file)
    assert log.steps.tolist() == [0, 2]
    torch.testing.assert_close(log.norms, {"conv": torch.stack([lengths[0], lengths[2]])})
    assert log.kept["conv"].tolist() == pytest.approx([1 - 0.1 * 0.1, 1 - 0.1 * 0.1 * 0.9**2])
    assert [log.at(step, "conv")[1] for step in (0, 1, 2, 9)] == [log.kept["conv"][row] for row in (0, 0, 1, 1)]


def test_named_kernels_alone_decay(tiny: Make, fit: Fit, tmp_path: Path) -> None:
    """A kernel that is named is logged and decays, whatever follows it; the others do as without the rule."""
    plain, module = tiny("none"), tiny("none")
    fit(plain, steps=1)
    fit(module, DecayLog(str(tmp_path / "log.safetensors"), decay=0.5, kernels=["norm_conv"]), steps=1)
    assert torch.equal(module.network.conv.weight, plain.network.conv.weight)
    before = tiny("none").network.norm_conv.weight
    expected = plain.network.norm_conv.weight - 0.1 * 0.5 * before
    torch.testing.assert_close(module.network.norm_conv.weight, expected)


def test_correction_of_a_longer_run_keeps_the_last_row(fit: Fit, tmp_path: Path) -> None:
    file = str(tmp_path / "log.safetensors")
    fit(Direction(), DecayLog(file, decay=DECAY), steps=5, max_epochs=-1)
    rule = DecayRateCorrection(file)
    trainer = fit(Direction(), rule, steps=8, max_epochs=-1)
    log = KernelNorms.load(Path(file))
    share = (float(trainer.callback_metrics["correction/norm"]) / float(log.norms["conv"][4])) ** 2 / (1 - RATE * DECAY)
    rate = share * RATE / float(trainer.callback_metrics["correction/norm"]) ** 2
    assert float(trainer.callback_metrics["correction/effective_rate"]) == pytest.approx(rate, rel=1e-5)


# What is refused


def test_numbers_out_of_range() -> None:
    with pytest.raises(ValueError, match="decay must be at least 0 and every at least 1, got -1.0 and 1"):
        DecayLog("log", decay=-1.0)
    with pytest.raises(ValueError, match="got 0.1 and 0"):
        DecayLog("log", decay=0.1, every=0)


@pytest.mark.parametrize(
    ("options", "decay", "said"),
    [
        ({}, 0.0, "there is no weight decay to log: set decay"),
        ({"weight_decay": 0.1}, 0.1, "the optimizer has a weight decay, too: set decay to 0"),
        ({"optimizer": "Adam", "weight_decay": 0.1}, 0.0, "Adam's own weight decay is part of its moments: use AdamW"),
        ({"optimizer": "RMSprop"}, 0.1, "RMSprop is neither SGD nor of Adam's kind"),
    ],
)
def test_runs_that_cannot_be_logged(options: dict[str, Any], decay: float, said: str, fit: Fit) -> None:
    with pytest.raises(ValueError, match=f"DecayLog for the network: {said}"):
        fit(Direction(**options), DecayLog("unused", decay=decay))


def test_unknown_kernel_lists_the_known(tiny: Make, fit: Fit) -> None:
    with pytest.raises(ValueError, match="no convolution act with weights of its own: take one of conv, norm_conv"):
        fit(tiny(), DecayLog("unused", decay=0.1, kernels=["act"]))


def test_logs_that_do_not_fit(tiny: Make, fit: Fit, tmp_path: Path) -> None:
    missing = tmp_path / "missing.safetensors"
    with pytest.raises(ValueError, match=r"missing\.safetensors cannot be read as the log of a DecayLog"):
        fit(tiny(), DecayRateCorrection(str(missing)))
    other = tmp_path / "log.safetensors"
    KernelNorms(torch.tensor([0]), {"conv": torch.ones(1, 7)}, {"conv": torch.ones(1)}).save(other)
    with pytest.raises(ValueError, match="is of another network, with conv: log a run of this one"):
        fit(tiny(), DecayRateCorrection(str(other)))
    nothing = tmp_path / "nothing.safetensors"
    KernelNorms(torch.tensor([0]), {}, {}).save(nothing)
    with pytest.raises(ValueError, match="is no log of a DecayLog: it has no norms of kernels"):
        fit(tiny(), DecayRateCorrection(str(nothing)))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weight_decay": 0.1}, "the optimizer has a weight decay, which this is to replace: set that to 0"),
        ({"optimizer": "RMSprop"}, "RMSprop is neither SGD nor of Adam's kind: use one of these"),
    ],
)
def test_runs_that_cannot_be_corrected(options: dict[str, Any], said: str, fit: Fit, tmp_path: Path) -> None:
    file = tmp_path / "log.safetensors"
    KernelNorms(torch.tensor([0]), {"conv": torch.ones(1, 1)}, {"conv": torch.ones(1)}).save(file)
    with pytest.raises(ValueError, match=said):
        fit(Direction(**options), DecayRateCorrection(str(file)))
