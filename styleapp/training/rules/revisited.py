"""Revisited batch-norm initialisation as a rule: small scales that learn slowly, and a norm of a critic's pictures."""

from collections.abc import Sequence
from typing import Any, ClassVar

import pytorch_lightning as pl
from torch import Tensor, nn
from torch.optim import Optimizer, lr_scheduler

from styleapp.norms.initialisation import InputNorm, learning_rate_groups, revisit
from styleapp.training.rules.base import Part, TrainingRule

__all__ = ["RevisitedBatchNorm"]

SCHEDULES = (
    lr_scheduler.LambdaLR,
    lr_scheduler.StepLR,
    lr_scheduler.MultiStepLR,
    lr_scheduler.ConstantLR,
    lr_scheduler.LinearLR,
    lr_scheduler.ExponentialLR,
    lr_scheduler.PolynomialLR,
    lr_scheduler.CosineAnnealingLR,
)
"""Schedules that know of their groups nothing but the rates that they began with, and a function each."""


class RevisitedBatchNorm(TrainingRule):
    """Batch norms begin with the scale γ₀ and no shift, and their scales learn at a fraction of the rate, undecayed.

    Davis & Frank, *Revisiting Batch Norm Initialization*, ECCV 2022; see :func:`styleapp.norms.initialisation.revisit`
    and :func:`styleapp.norms.initialisation.learning_rate_groups`. Each group of the module's optimizer is divided into
    weights, shifts and scales. Rates keep the group's own value and schedule, those of scales divided by c; weights
    keep the group's decay, the others have none.

    Args:
        gamma: γ₀, above 0 and below 1; ``None`` leaves all scales and shifts as they are.
        divisor: c, at least 1.
        weight_decay: of weights, in the place of the group's own; ``None`` keeps that.
        keep: names of modules within the part whose norms keep their scale and shift, such as the one before a picture.
        input_norm: normalize the pictures that a critic sees (:class:`styleapp.norms.initialisation.InputNorm`); for
            ``part="discriminator"``.
        part: see :class:`TrainingRule`.

    Raises:
        ValueError: a number is out of range; at the start of the fit, when the part has no batch norm with a scale a
            channel, no module of a name, or a schedule whose groups cannot be divided, and when ``input_norm`` is asked
            for the network or comes after a callback that averages weights.

    Note:
        A network with an input norm would be another architecture than its checkpoint says, so only a critic, which is
        never exported, gets one. It normalizes the picture, and not the planes of the map beside it.
    """

    title: ClassVar[str] = "revisited"

    def __init__(
        self,
        gamma: float | None = 0.1,
        divisor: float = 100.0,
        weight_decay: float | None = None,
        keep: Sequence[str] = (),
        input_norm: bool = False,
        part: Part = "network",
    ) -> None:
        super().__init__(part)
        if divisor < 1:
            raise ValueError(f"divisor must be at least 1, got {divisor}")
        if gamma is not None and not 0 < gamma < 1:
            raise ValueError(f"gamma must be above 0 and below 1, got {gamma}")
        self.gamma, self.divisor, self.weight_decay = gamma, divisor, weight_decay
        self.keep, self.input_norm, self.adds_tensors = tuple(keep), input_norm, input_norm
        self.scales: list[nn.Parameter] = []

    def check(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        names = dict(self.target.named_modules())
        unknown = [name for name in self.keep if name not in names]
        if unknown:
            raise self.refusal(f"it has no module {unknown[0]} to keep: take a name of named_modules()")
        if self.input_norm:
            if self.part == "network":
                raise self.refusal("a norm of the input could not be exported: set part to discriminator")
            _normalize_pictures(self.target)
        self.scales = [one for one, name in self._members().items() if name == "scales"]
        if not self.scales:
            raise self.refusal("no batch norm in it learns a scale a channel: set its normalizer to batch")
        if self.gamma is not None:
            revisit(self.target, self.gamma, keep=[names[name] for name in self.keep])

    def begin(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        schedules: list[Any] = [one.scheduler for one in trainer.lr_scheduler_configs]
        own = [one for one in schedules if one.optimizer is self.optimizer]
        foreign = [type(one).__name__ for one in own if type(one) not in SCHEDULES]
        if foreign:
            raise self.refusal(f"the groups of {foreign[0]} cannot be divided: use LambdaLR or another simple schedule")
        origins = self._divide(self.optimizer)
        for schedule in own:
            schedule.base_lrs = [group["initial_lr"] for group in self.optimizer.param_groups]
            schedule._last_lr = [group["lr"] for group in self.optimizer.param_groups]
            if hasattr(schedule, "lr_lambdas"):
                schedule.lr_lambdas = [schedule.lr_lambdas[origin] for origin in origins]

    def after_step(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        scales = [one for one in self.optimizer.param_groups if one["name"].startswith("scales")]
        self.curves["scale_rate"] = scales[0]["lr"]
        self.curves["mean_scale"] = sum(one.detach().abs().sum() for one in self.scales) / sum(
            one.numel() for one in self.scales
        )

    def _members(self) -> dict[nn.Parameter, str]:
        """The name of the group that each parameter of the part belongs to."""
        groups = learning_rate_groups(self.target, 1.0, 1.0, self.divisor)
        return {one: group["name"] for group in groups for one in group["params"]}

    def _divide(self, optimizer: Optimizer) -> list[int]:
        """Each group of the optimizer into three, in place; the number of the group that each new one comes from."""
        members, divided, origins = self._members(), [], []
        for number, group in enumerate(optimizer.param_groups):
            suffix = "" if len(optimizer.param_groups) == 1 else f"_{number}"
            for name in ("weights", "shifts", "scales"):
                own = [one for one in group["params"] if members.get(one, "weights") == name]
                if own:
                    divided.append({**group, **self._settings(name, group), "params": own, "name": name + suffix})
                    origins.append(number)
        optimizer.param_groups[:] = divided
        return origins

    def _settings(self, name: str, group: dict[str, Any]) -> dict[str, float]:
        share = self.divisor if name == "scales" else 1.0
        rates = {key: group.get(key, group["lr"]) / share for key in ("lr", "initial_lr")}
        decay = group.get("weight_decay", 0.0) if self.weight_decay is None else self.weight_decay
        return {**rates, "weight_decay": decay if name == "weights" else 0.0}


def _normalize_pictures(critic: nn.Module) -> None:
    """Puts a norm before a critic, which is called with pictures and maps; one that is there stays."""
    if not hasattr(critic, "input_norm"):
        critic.input_norm = InputNorm(3)
        critic.register_forward_pre_hook(_normalized)


def _normalized(critic: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """A hook; a function, and no method, so that a copy of the critic calls its own norm."""
    return critic.input_norm(inputs[0]), *inputs[1:]
