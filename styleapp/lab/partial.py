"""Parts of a normalization layer that do a part of their work: what an ablation puts in the place of the whole."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from styleapp.norms import Code, Modulator, Normalizer, mean_deviation
from styleapp.norms.neighbourhoods import Neighbourhoods
from styleapp.norms.statistics import wide

__all__ = [
    "MODULATIONS",
    "REMOVED",
    "BatchStatistics",
    "Modulation",
    "PartialModulator",
    "PartialNormalizer",
    "Removed",
]

Removed = Literal["both", "mean", "deviation"]
Modulation = Literal["both", "scale", "shift", "none", "class_mean", "map_mean"]


class BatchStatistics(Normalizer):
    """Another normalizer as in training: by the statistics of the batch itself, not by running ones.

    Nothing is kept from call to call: what the other one remembers of a batch is forgotten after it.

    Args:
        whole: the other normalizer.
    """

    def __init__(self, whole: Normalizer) -> None:
        super().__init__(whole.num_features)
        self.whole = whole

    def forward(self, x: Tensor, code: Code | None = None) -> Tensor:
        kept = [(buffer, buffer.clone()) for buffer in self.whole.buffers()]
        training = self.whole.training
        self.whole.train()
        try:
            return self.whole(x, code)  # N×C×H×W
        finally:
            self.whole.train(training)
            for buffer, value in kept:
                buffer.copy_(value)

    def normalize(self, x: Tensor) -> Tensor:
        return self(x)


class PartialNormalizer(Normalizer):
    """Takes only the mean away that another normalizer takes away, z = x − μ, or only the deviation, z = x / σ.

    Mean-only batch normalization is in Salimans & Kingma, *Weight Normalization*, NeurIPS 2016, section 3.

    Args:
        whole: the other normalizer, z = (x − μ) / σ with one μ and one σ for each plane of the features.
        removed: a name of :data:`REMOVED`.

    Raises:
        ValueError: the name is unknown, or the other one divides each place by something else.

    Note:
        μ and σ are found by comparing x and z: σ is the quotient of their deviations. A plane that does not vary has
        no such quotient; it gets the σ of the same channel in another sample, or else 1.
    """

    def __init__(self, whole: Normalizer, removed: Removed) -> None:
        super().__init__(whole.num_features)
        if removed not in REMOVED:
            raise ValueError(f"removed must be one of {', '.join(REMOVED)}, got {removed!r}")
        if getattr(whole, "group_scale", False):
            raise ValueError("power with group_scale divides every place by something else: it has no mean to keep")
        self.whole, self.removed = whole, removed

    def normalize(self, x: Tensor) -> Tensor:
        z = self.whole.normalize(x)  # N×C×H×W
        before, after = mean_deviation(x), mean_deviation(z)  # N×C×1×1 each
        divisor = _quotient(before.deviation, after.deviation)
        mean = before.mean - divisor * after.mean
        return REMOVED[self.removed](wide(x), mean, divisor).to(x.dtype)


def _quotient(before: Tensor, after: Tensor) -> Tensor:
    """σ of each plane (N×C×1×1)."""
    varies = after > 1e-12
    own = torch.where(varies, before / after.clamp_min(1e-12), 0.0)
    of_channel = own.amax(0, keepdim=True)
    return torch.where(varies, own, torch.where(of_channel > 0, of_channel, 1.0))


REMOVED: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "both": lambda x, mean, divisor: (x - mean) / divisor,
    "mean": lambda x, mean, divisor: x - mean,
    "deviation": lambda x, mean, divisor: x / divisor,
}
"""What is left of features when the mean, the deviation or both are taken away."""


class PartialModulator(Modulator):
    """Gives back a part of what another modulator does, or more of it.

    A code is changed where it is applied, that is where :meth:`code` is given the size of the features. Without a size
    it is the other modulator's own: a network that makes codes first and applies them later changes them once.

    Args:
        whole: the other modulator.
        modulation: a name of :data:`MODULATIONS`.
        strength: from 0, γ = 1 and β = 0, to 1, the code, and beyond.

    Raises:
        ValueError: the name is unknown.
    """

    def __init__(self, whole: Modulator, modulation: Modulation = "both", strength: float = 1.0) -> None:
        super().__init__(whole.num_features)
        if modulation not in MODULATIONS:
            raise ValueError(f"modulation must be one of {', '.join(MODULATIONS)}, got {modulation!r}")
        self.whole, self.modulation, self.strength = whole, modulation, strength

    def code(self, condition: Any = None, size: Any = None) -> Code | list[Code] | None:
        made = self.whole.code(condition, size)
        if size is None or made is None:
            return made
        if isinstance(made, Code):
            return self._changed(made, condition)
        return [self._changed(one, condition) for one in made]

    def _changed(self, code: Code, condition: Any) -> Code:
        gamma, beta = MODULATIONS[self.modulation](code, condition)
        if self.strength != 1:
            gamma, beta = 1 + self.strength * (gamma - 1), self.strength * beta
        return replace(code, gamma=gamma, beta=beta)


def _class_means(code: Code, condition: Any) -> tuple[Tensor, Tensor]:
    """γ and β of a label map (N×C×H×W), each class with its mean in the picture."""
    if code.gamma.shape[-2:] == (1, 1):
        return code.gamma, code.beta
    kinds = _classes(condition, code.gamma)  # N×H×W
    gamma, beta = torch.empty_like(code.gamma), torch.empty_like(code.beta)
    for index, kind in enumerate(kinds):
        found, places = torch.unique(kind.flatten(), return_inverse=True)
        counts = torch.bincount(places, minlength=len(found)).unsqueeze(1)  # U×1
        for whole, result in ((code.gamma, gamma), (code.beta, beta)):
            rows = whole[index].flatten(1).T  # H·W×C
            means = rows.new_zeros(len(found), rows.shape[1]).index_add_(0, places, rows) / counts  # U×C
            result[index] = means[places].T.view_as(result[index])
    return gamma, beta


def _classes(condition: Any, like: Tensor) -> Tensor:
    """A number for each pixel that pixels of the same class share (N×H×W)."""
    if isinstance(condition, Neighbourhoods):
        return condition.taps[:, 4][condition.places][None]  # the middle of the nine
    if not isinstance(condition, Tensor) or condition.dim() not in (3, 4):
        raise ValueError("class_mean averages over a label map, and this layer is given none")
    planes = condition if condition.dim() == 4 else condition[:, None]
    fitted = interpolate(planes.float(), size=tuple(like.shape[-2:]), mode="nearest-exact")  # N×L×h×w
    numbers = torch.arange(1, fitted.shape[1] + 1, device=fitted.device, dtype=fitted.dtype).view(1, -1, 1, 1)
    return (fitted * numbers).sum(1).mul(1000).round()  # planes of a style are the same everywhere


def _map_mean(code: Code, condition: Any) -> tuple[Tensor, Tensor]:
    return code.gamma.mean((2, 3), keepdim=True), code.beta.mean((2, 3), keepdim=True)


MODULATIONS: dict[str, Callable[[Code, Any], tuple[Tensor, Tensor]]] = {
    "both": lambda code, condition: (code.gamma, code.beta),
    "scale": lambda code, condition: (code.gamma, torch.zeros_like(code.beta)),
    "shift": lambda code, condition: (torch.ones_like(code.gamma), code.beta),
    "none": lambda code, condition: (torch.ones_like(code.gamma), torch.zeros_like(code.beta)),
    "class_mean": _class_means,
    "map_mean": _map_mean,
}
"""What is given back of γ and β. The last two are for label maps: the mean of each class in the picture, so that
nothing varies within a class, and the mean of the whole map, so that nothing varies at all."""
