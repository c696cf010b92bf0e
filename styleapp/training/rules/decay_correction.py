"""Learning rates in place of weight decay: each kernel gets the rate that decay would have given it."""

from pathlib import Path
from typing import ClassVar, Literal

import pytorch_lightning as pl
import torch
from torch import Tensor

from styleapp.training.rules.base import Part, TrainingRule, mean_of
from styleapp.training.rules.decay_log import KernelNorms, convolutions, group_of, length_power, lengths

__all__ = ["DecayRateCorrection", "corrected_share"]


class DecayRateCorrection(TrainingRule):
    """Trains without weight decay as if with it, for kernels that a normalization follows.

    Hoffer et al., *Norm Matters*, NeurIPS 2018, equation 4. Such a kernel turns by η/‖w‖² for the same gradient of its
    direction; decay keeps it short. The rate that turns an undecayed one as far is, channel by channel,
    η̂ = η·‖w‖²/‖w_WD‖², with ‖w_WD‖ from the log of a run with decay (:class:`DecayLog`). One step of decay multiplies
    the kernel by 1 − η·λ first, so the equivalent rate is exactly η/(1 − η·λ) · ‖w‖²/‖w_WD‖², and equation 4 its limit.

    The correction multiplies what the optimizer does to a kernel, momentum and all. Steps behind the end of the log
    have its last row.

    Args:
        file: the log, see :class:`DecayLog`; of a run with the same rates.
        form: ``"exact"``, or ``"paper"`` for equation 4.
        part: see :class:`TrainingRule`.

    Raises:
        ValueError: at the start of the fit, when the log cannot be read or is of another network, when there is weight
            decay, or when the optimizer is neither SGD nor of Adam's kind.

    Note:
        The squares are those of SGD. Steps of Adam's kind do not depend on the length of a gradient, so that kernels
        turn by η/‖w‖, and the quotient is not squared; this is ours. Where ‖w_WD‖ is 0 the rate stays.
    """

    title: ClassVar[str] = "correction"

    def __init__(self, file: str, form: Literal["exact", "paper"] = "exact", part: Part = "network") -> None:
        super().__init__(part)
        self.file, self.form = Path(file), form
        self.log: KernelNorms | None = None
        self.weights: dict[str, Tensor] = {}
        self.before: dict[str, Tensor] = {}

    def check(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.log = KernelNorms.load(self.file)
        known = dict(convolutions(self.target))
        for name, norms in self.log.norms.items():
            if name not in known or known[name].out_channels != norms.shape[1]:
                raise self.refusal(f"{self.file} is of another network, with {name}: log a run of this one")
        self.weights = {name: known[name].weight for name in self.log.norms}

    def begin(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if any(group.get("weight_decay", 0.0) for group in self.optimizer.param_groups):
            raise self.refusal("the optimizer has a weight decay, which this is to replace: set that to 0")
        if length_power(self.optimizer) is None:
            raise self.refusal(f"{type(self.optimizer).__name__} is neither SGD nor of Adam's kind: use one of these")

    def before_step(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.before = {name: weight.detach().clone() for name, weight in self.weights.items()}

    @torch.no_grad()
    def after_step(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert self.log is not None
        power, rates, norms = length_power(self.optimizer) or 0, [], []
        for name, before in self.before.items():
            weight, norm = self.weights[name], lengths(before)
            decayed, kept = self.log.at(self.step, name)
            share = corrected_share(norm, decayed.to(norm), kept if self.form == "exact" else 1.0, power)
            moved = (weight - before) * share.view(-1, *(1 for _ in weight.shape[1:]))
            weight.copy_(before + moved)
            rates.append(group_of(self.optimizer, weight)["lr"] * share / norm**power)
            norms.append(norm)
        self.curves["norm"], self.curves["effective_rate"] = mean_of(norms), mean_of(rates)


def corrected_share(norm: Tensor, decayed: Tensor, kept: float = 1.0, power: int = 2) -> Tensor:
    """η̂/η of each channel: (‖w‖ / ‖w_WD‖)ᵖ / (1 − η·λ); 1 where ‖w_WD‖ is 0.

    Args:
        norm: ‖w‖, O.
        decayed: ‖w_WD‖, O.
        kept: 1 − η·λ; 1 for equation 4.
        power: p.
    """
    share = (norm / decayed) ** power / kept
    return torch.where(share.isfinite(), share, torch.ones_like(share))
