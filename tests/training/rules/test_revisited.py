"""Revisited batch norms as a rule: groups that divide the module's own, schedules, starts, and a critic's pictures."""

import csv
from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging, LearningRateMonitor
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.utils.data import TensorDataset

from styleapp.training.rules import RevisitedBatchNorm

Make = Callable[..., Any]
Fit = Callable[..., pl.Trainer]


def _groups(trainer: pl.Trainer, number: int = 0) -> dict[str, dict[str, Any]]:
    return {group["name"]: group for group in trainer.optimizers[number].param_groups}


def _names(module: nn.Module, parameters: list[Tensor]) -> set[str]:
    chosen = {id(one) for one in parameters}
    return {name for name, one in module.named_parameters() if id(one) in chosen}


def test_groups_of_a_run(tiny: Make, fit: Fit) -> None:
    """γ at a hundredth of the rate, following the schedule; decay for weights alone."""
    module = tiny(weight_decay=0.3)
    trainer = fit(module, RevisitedBatchNorm(), steps=2)
    groups = _groups(trainer)
    members = {name: _names(module.network, group["params"]) for name, group in groups.items()}
    assert members == {
        "weights": {"conv.weight", "norm_conv.weight"},
        "shifts": {"conv.bias", "norm_conv.bias", "act.modulator.bias"},
        "scales": {"act.modulator.weight"},
    }
    rates = {name: group["lr"] for name, group in groups.items()}
    assert rates == pytest.approx({"weights": 0.081, "shifts": 0.081, "scales": 0.00081})
    assert {name: group["weight_decay"] for name, group in groups.items()} == {"weights": 0.3, "shifts": 0, "scales": 0}
    assert trainer.callback_metrics["revisited/scale_rate"] == pytest.approx(0.0009)  # of the last step
    assert trainer.callback_metrics["revisited/mean_scale"] == pytest.approx(0.1, rel=0.05)


def test_first_step_by_hand(tiny: Make, fit: Fit, samples: TensorDataset) -> None:
    """From γ₀ = 0.1 and β₀ = 0, plain SGD at the rates of the groups, weights with their decay."""
    module, twin = tiny(), tiny()
    nn.init.constant_(module.network.act.modulator.bias, 5.0)
    fit(module, RevisitedBatchNorm(weight_decay=0.2), steps=1)
    nn.init.constant_(twin.network.act.modulator.weight, 0.1)
    x, y = (tensor[:4] for tensor in samples.tensors)
    mse_loss(twin.network(x), y).backward()
    for name, before in twin.network.named_parameters():
        gradient = before.grad + (0.2 * before if name in ("conv.weight", "norm_conv.weight") else 0)
        rate = 0.001 if name == "act.modulator.weight" else 0.1
        torch.testing.assert_close(module.network.get_parameter(name), before - rate * gradient)


def test_groups_of_the_module_are_divided_each(tiny: Make, fit: Fit) -> None:
    """Two groups of the module, each with its own rate and schedule: five, because one has only weights."""

    class Two(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = tiny().network

        def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
            return mse_loss(self.network(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            last = list(self.network.norm_conv.parameters())
            rest = [*self.network.conv.parameters(), *self.network.act.parameters()]
            optimizer = torch.optim.SGD([{"params": last, "lr": 1.0}, {"params": rest}], lr=0.1, momentum=0.9)
            return [optimizer], [torch.optim.lr_scheduler.LambdaLR(optimizer, [lambda _: 0.5, lambda _: 0.25])]

    module = Two()
    groups = _groups(fit(module, RevisitedBatchNorm(divisor=10.0), steps=1))
    rates = {"weights_0": 0.5, "shifts_0": 0.5, "weights_1": 0.025, "shifts_1": 0.025, "scales_1": 0.0025}
    assert {name: group["lr"] for name, group in groups.items()} == pytest.approx(rates)
    assert all(group["momentum"] == 0.9 for group in groups.values())


def test_scales_that_are_kept(tiny: Make, fit: Fit) -> None:
    """A norm before a picture keeps its scale; without γ₀ all do."""
    for options in ({"keep": ["act"]}, {"gamma": None}):
        module = tiny()
        fit(module, RevisitedBatchNorm(**options), steps=1)
        assert module.network.act.modulator.weight.mean().item() == pytest.approx(1.0, abs=0.05)


def test_learning_rates_are_logged_by_name(tiny: Make, fit: Fit, tmp_path: Any) -> None:
    logger = CSVLogger(tmp_path)
    fit(tiny(), RevisitedBatchNorm(), LearningRateMonitor(), logger=logger, log_every_n_steps=1)
    with open(logger.experiment.metrics_file_path, encoding="utf-8") as file:
        first = next(csv.DictReader(file))
    assert float(first["lr-SGD/scales"]) == pytest.approx(0.001)
    assert float(first["lr-SGD/weights"]) == pytest.approx(0.1)


# A critic's pictures


def test_a_critic_sees_normalized_pictures(synthesis: Make, fit_masks: Fit) -> None:
    """Deviation 0.058 of each colour, no mean; planes of the map as they are; its scale learns slowly."""
    module, seen = synthesis(r1_weight=1.0), []

    class Probe(pl.Callback):
        def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
            entry = pl_module.discriminator.at_scales[0].entry
            entry.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))

    rule = RevisitedBatchNorm(input_norm=True, part="discriminator")
    average = EMAWeightAveraging(decay=0.5, use_buffers=False)
    trainer = fit_masks(module, rule, average, Probe(), steps=1)
    label_map, picture = seen[-1].split([3, 3], dim=1)
    assert set(label_map.unique().tolist()) <= {0.0, 1.0}
    normalized = (picture + 1) / 2
    assert normalized.mean((0, 2, 3)).abs().max() < 1e-6
    assert normalized.std((0, 2, 3), correction=0).tolist() == pytest.approx([0.058] * 3, rel=1e-2)
    groups = _groups(trainer, 1)
    assert _names(module.discriminator, groups["scales"]["params"]) == {"input_norm.weight"}
    assert groups["scales"]["initial_lr"] == pytest.approx(4e-6)
    assert _groups_have_no_names(trainer)


def _groups_have_no_names(trainer: pl.Trainer) -> bool:
    """The generator's optimizer is not divided."""
    return len(trainer.optimizers[0].param_groups) == 1 and "name" not in trainer.optimizers[0].param_groups[0]


# What is refused


def test_numbers_out_of_range() -> None:
    with pytest.raises(ValueError, match="divisor must be at least 1, got 0.5"):
        RevisitedBatchNorm(divisor=0.5)
    with pytest.raises(ValueError, match="gamma must be above 0 and below 1, got 1.0"):
        RevisitedBatchNorm(gamma=1.0)


@pytest.mark.parametrize(
    ("normalizer", "options", "said"),
    [
        ("instance", {}, "no batch norm in it learns a scale a channel: set its normalizer to batch"),
        ("batch", {"keep": ["head"]}, "it has no module head to keep"),
        ("batch", {"input_norm": True}, "a norm of the input could not be exported: set part to discriminator"),
    ],
)
def test_networks_that_are_refused(normalizer: str, options: dict[str, Any], said: str, tiny: Make, fit: Fit) -> None:
    with pytest.raises(ValueError, match=f"RevisitedBatchNorm for the network: {said}"):
        fit(tiny(normalizer), RevisitedBatchNorm(**options))


def test_schedules_that_are_refused(tiny: Make, fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tiny()

    def configured() -> Any:
        optimizer = torch.optim.SGD(module.network.parameters(), lr=0.1, momentum=0.9)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=9)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    monkeypatch.setattr(module, "configure_optimizers", configured)
    with pytest.raises(ValueError, match="the groups of OneCycleLR cannot be divided: use LambdaLR"):
        fit(module, RevisitedBatchNorm())


def test_an_average_that_would_miss_the_norm_is_refused(synthesis: Make, fit_masks: Fit) -> None:
    rule = RevisitedBatchNorm(input_norm=True, part="discriminator")
    with pytest.raises(
        ValueError, match="an average of weights must find its tensors: put it before EMAWeightAveraging"
    ):
        fit_masks(synthesis(), EMAWeightAveraging(use_buffers=False), rule)
