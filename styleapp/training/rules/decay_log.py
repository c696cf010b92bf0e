"""A run with weight decay that writes down how long its kernels are, for one without to make up for it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized
from torch.optim import Optimizer

from styleapp.data.files import write_whole
from styleapp.training.rules.base import Part, TrainingRule, mean_of

__all__ = ["DecayLog", "KernelNorms", "invariance", "length_power", "lengths"]

ORTHOGONAL = 5e-3
"""Largest cosine between a kernel and its gradient that is taken for a right angle."""

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d


@dataclass(frozen=True)
class KernelNorms:
    """What a run with weight decay wrote.

    Attributes:
        steps: T, numbers of steps, rising.
        norms: by the name of a convolution T×O, ‖w‖ of the kernel of each output channel, before each step.
        kept: by the same names T, what decay leaves of a kernel in each step: 1 − η·λ.
    """

    steps: Tensor
    norms: dict[str, Tensor]
    kept: dict[str, Tensor]

    def at(self, step: int, name: str) -> tuple[Tensor, float]:
        """‖w‖ of each channel and 1 − η·λ at a step, or at the last one before it that was written."""
        row = max(0, int(torch.searchsorted(self.steps, step, right=True)) - 1)
        return self.norms[name][row], float(self.kept[name][row])

    def save(self, path: Path) -> None:
        """Writes them as safetensors, in full or not at all."""
        tensors = {"steps": self.steps}
        for name in self.norms:
            tensors |= {f"norms.{name}": self.norms[name], f"kept.{name}": self.kept[name]}
        write_whole(path, save({name: value.contiguous().cpu() for name, value in tensors.items()}))

    @classmethod
    def load(cls, path: Path) -> "KernelNorms":
        """Reads what :meth:`save` wrote.

        Raises:
            ValueError: there is no such file, or it is another.
        """
        try:
            tensors = load_file(path)
        except (OSError, SafetensorError) as error:
            raise ValueError(f"{path} cannot be read as the log of a DecayLog: {error}") from error
        names = [name.removeprefix("norms.") for name in tensors if name.startswith("norms.")]
        if "steps" not in tensors or not names:
            raise ValueError(f"{path} is no log of a DecayLog: it has no norms of kernels")
        norms, kept = ({name: tensors[f"{kind}.{name}"] for name in names} for kind in ("norms", "kept"))
        return cls(tensors["steps"], norms, kept)


class DecayLog(TrainingRule):
    """Trains with weight decay and writes the length of each kernel, for :class:`DecayRateCorrection`.

    Hoffer et al., *Norm Matters*, NeurIPS 2018, section 3. Logged are kernels that a normalization follows, which
    therefore learn direction alone: the gradient is orthogonal to each of them, and that is how they are found.

    Args:
        file: what is written, ``.safetensors``, with each checkpoint and at the end.
        decay: λ of a decay that this rule adds for these kernels, w ← w − η·λ·w beside each step, as SGD and AdamW
            have it; 0 where the optimizer has one.
        kernels: names of convolutions within the part; ``None`` finds them in the first step.
        every: steps from one row of the log to the next.
        part: see :class:`TrainingRule`.

    Raises:
        ValueError: a number is out of range; at the start of the fit, when there is no decay or there are two, when the
            optimizer's goes through the moments of Adam, or when there is no convolution of a name; in the first step,
            when no kernel is orthogonal to its gradient.
    """

    title: ClassVar[str] = "decay"

    def __init__(
        self,
        file: str,
        decay: float = 0.0,
        kernels: Sequence[str] | None = None,
        every: int = 1,
        part: Part = "network",
    ) -> None:
        super().__init__(part)
        if decay < 0 or every < 1:
            raise ValueError(f"decay must be at least 0 and every at least 1, got {decay} and {every}")
        self.file, self.decay, self.every = Path(file), decay, every
        self.kernels = None if kernels is None else tuple(kernels)
        self.steps: list[int] = []
        self.norms: dict[str, list[Tensor]] = {}
        self.kept: dict[str, list[float]] = {}
        self.before: dict[str, Tensor] = {}

    def check(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        known = dict(convolutions(self.target))
        unknown = [name for name in self.kernels or () if name not in known]
        if unknown:
            raise self.refusal(
                f"it has no convolution {unknown[0]} with weights of its own: take one of {', '.join(known)}"
            )

    def begin(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        decays = {group.get("weight_decay", 0.0) for group in self.optimizer.param_groups}
        if not self.decay and decays == {0.0}:
            raise self.refusal("there is no weight decay to log: set decay")
        if self.decay and decays != {0.0}:
            raise self.refusal("the optimizer has a weight decay, too: set decay to 0, or that of the optimizer")
        power = length_power(self.optimizer)
        if power is None:
            raise self.refusal(f"{type(self.optimizer).__name__} is neither SGD nor of Adam's kind: use one of these")
        coupled = power == 1 and not any(one.get("decoupled_weight_decay") for one in self.optimizer.param_groups)
        if coupled and decays != {0.0}:
            raise self.refusal("Adam's own weight decay is part of its moments: use AdamW, or decay of this rule")

    def before_step(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self.kernels is None:
            self.kernels = tuple(name for name, one in convolutions(self.target) if invariance(one.weight) < ORTHOGONAL)
            if not self.kernels:
                raise self.refusal(
                    "no kernel is orthogonal to its gradient: a normalization must follow, or set kernels"
                )
        self.before = {name: self._weight(name).detach().clone() for name in self.kernels}

    @torch.no_grad()
    def after_step(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        writes, rates = self.step % self.every == 0, {}
        if writes:
            self.steps.append(self.step)
        for name, before in self.before.items():
            weight = self._weight(name)
            group = group_of(self.optimizer, weight)
            if self.decay:
                weight.sub_(before, alpha=group["lr"] * self.decay)
            rates[name] = group["lr"]
            if writes:
                self.norms.setdefault(name, []).append(lengths(before).cpu())
                shrunk = group["lr"] * (self.decay + group.get("weight_decay", 0.0))
                self.kept.setdefault(name, []).append(1 - shrunk)
        norms = {name: lengths(before) for name, before in self.before.items()}
        power = length_power(self.optimizer) or 0
        self.curves["norm"] = mean_of(list(norms.values()))
        self.curves["effective_rate"] = mean_of([rates[name] / norm**power for name, norm in norms.items()])

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._write(trainer)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._write(trainer)

    def state_dict(self) -> dict[str, Any]:
        norms = {name: torch.stack(rows) for name, rows in self.norms.items()}
        kernels = None if self.kernels is None else list(self.kernels)
        return {"kernels": kernels, "steps": list(self.steps), "norms": norms, "kept": dict(self.kept)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.kernels = None if state_dict["kernels"] is None else tuple(state_dict["kernels"])
        self.steps = list(state_dict["steps"])
        self.norms = {name: list(rows.unbind()) for name, rows in state_dict["norms"].items()}
        self.kept = {name: list(rows) for name, rows in state_dict["kept"].items()}

    def _weight(self, name: str) -> Tensor:
        return self.target.get_submodule(name).weight  # type: ignore[return-value]

    def _write(self, trainer: pl.Trainer) -> None:
        if trainer.is_global_zero and self.steps:
            norms = {name: torch.stack(rows) for name, rows in self.norms.items()}
            kept = {name: torch.tensor(rows, dtype=torch.float64) for name, rows in self.kept.items()}
            KernelNorms(torch.tensor(self.steps), norms, kept).save(self.file)


def convolutions(part: nn.Module) -> Iterator[tuple[str, Convolution]]:
    """Those that are trained and whose weight is a parameter."""
    for name, layer in part.named_modules():
        if isinstance(layer, Convolution) and not is_parametrized(layer, "weight") and layer.weight.requires_grad:
            yield name, layer


def lengths(kernel: Tensor) -> Tensor:
    """‖w‖ of the kernel of each output channel: O×I×k… → O."""
    return torch.linalg.vector_norm(kernel.detach().flatten(1), dim=1)


def invariance(weight: Tensor) -> float:
    """Root mean square over channels of the cosine between kernel and gradient; 0 where only direction matters.

    Infinite where there is no gradient.
    """
    if weight.grad is None or not bool(weight.grad.any()):
        return float("inf")
    kernel, gradient = weight.detach().flatten(1).double(), weight.grad.flatten(1).double()
    product = (kernel * gradient).sum(1)
    cosine = product / (lengths(kernel) * lengths(gradient)).clamp_min(torch.finfo(torch.float64).tiny)
    return float(cosine.square().mean().sqrt())


def length_power(optimizer: Optimizer) -> int | None:
    """p of the effective rate η / ‖w‖ᵖ of a kernel that a normalization follows; ``None`` for unknown optimizers.

    The gradient is 1/‖w‖ times that of the direction, and the direction turns by 1/‖w‖ of the step: 2 for SGD. Steps
    of Adam's kind have the same length whatever the gradient's is: 1.
    """
    if isinstance(optimizer, torch.optim.SGD):
        return 2
    scaled = (torch.optim.Adam, torch.optim.AdamW, torch.optim.NAdam, torch.optim.RAdam, torch.optim.Adamax)
    return 1 if isinstance(optimizer, scaled) else None


def group_of(optimizer: Optimizer, parameter: Tensor) -> dict[str, Any]:
    return next(group for group in optimizer.param_groups if any(one is parameter for one in group["params"]))
