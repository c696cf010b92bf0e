"""Statistics of small batches: how far they are from what evaluation uses, and what that does to a short training.

The training: :class:`GratingNetwork` on new :func:`gratings` each step, cross-entropy, 80 steps of 16 pictures with SGD
of rate 0.1 and momentum 0.9. Norms see the 16 pictures in parts of 1, 2, 4 or 16, as on several devices without
synchronization. Optimizer, batches and number of steps are the same for all sizes of the parts: the statistics alone
differ. Afterwards 128 other pictures are looked at.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from styleapp.lab.plots import Panel
from styleapp.lab.probes.base import Probe, Row, curves
from styleapp.lab.probes.gratings import GratingNetwork, gratings
from styleapp.lab.probes.state import kept_state, seeded
from styleapp.norms import NormLayer, build_norm, switch_weight_norm
from styleapp.norms.initialisation import learning_rate_groups

__all__ = ["DRIFT", "DriftRow", "Parts", "layer_drift", "measure_drift"]

RATE, MOMENTUM, BATCH, STEPS, HELD_OUT = 0.1, 0.9, 16, 80, 128
SIZES = (1, 2, 4, 16)
UNSEEN = 10_000  # seeds from here on draw the pictures that are held out


class Parts(nn.Module):
    """A norm that sees a batch in parts of ``size`` samples in training, one after the other; whole in evaluation."""

    def __init__(self, norm: nn.Module, size: int) -> None:
        super().__init__()
        self.norm, self.size = norm, size

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or len(x) <= self.size:
            return self.norm(x)
        return torch.cat([self.norm(part) for part in x.split(self.size)])  # N×C×H×W


def layer_drift(network: nn.Module, pictures: Tensor, size: int) -> float:
    """How differently the norms of a network treat parts of ``size`` samples in training, and all in evaluation.

    Of each :class:`NormLayer` ‖trained − evaluated‖ / ‖evaluated‖ on the same features, those that it gets in
    evaluation; the mean over the layers. 0 where statistics come from the sample itself. Nothing is changed by it.

    Raises:
        ValueError: the network has no such layer.
    """
    distances: list[float] = []

    def compare(layer: nn.Module, inputs: tuple[Tensor, ...], evaluated: Tensor) -> None:
        # a copy of its own for each part: its statistics must not have moved
        trained = torch.cat([copy.deepcopy(layer).train().forward(part) for part in inputs[0].split(size)])
        distances.append(float((trained - evaluated).norm() / evaluated.norm()))

    layers = [module for module in network.modules() if isinstance(module, NormLayer)]
    if not layers:
        raise ValueError("the network has no normalization layer")
    hooks = [layer.register_forward_hook(compare) for layer in layers]
    modes = {module: module.training for module in network.modules()}
    try:
        with kept_state(network), torch.no_grad():
            network.eval()(pictures)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes.items():
            module.training = mode
    return sum(distances) / len(distances)


@dataclass(frozen=True)
class DriftRow(Row):
    """A network that was trained with one size of parts.

    Attributes:
        batch: pictures that share statistics in training.
        drift: see :func:`layer_drift`, for parts of this size, over the pictures that were held out.
        train_loss: cross-entropy of these, in parts of this size, with the statistics of training.
        loss, accuracy: of the same pictures in evaluation mode.
    """

    batch: int
    drift: float
    train_loss: float
    loss: float
    accuracy: float


def _plain(normalizer: str, **options: Any) -> Callable[[int], GratingNetwork]:
    return lambda size: GratingNetwork(lambda width: Parts(build_norm(normalizer, width, **options), size))


def _moving(size: int) -> GratingNetwork:
    """Imitates batches of 16, over kernels of mean 0; warm-ups are shortened to what so short a training can have."""
    parts = BATCH // size
    options = {"batches": parts, "warm_up": 5 * parts, "correction_warm_up": 10 * parts}
    network = _plain("moving_batch", **options)(size)
    switch_weight_norm(network, "centred_weights")
    return network


CASES: dict[str, Callable[[int], GratingNetwork]] = {
    "batch": _plain("batch"),
    "group": _plain("group", groups=4),
    "moving_batch": _moving,
    "revisited_batch": _plain("revisited_batch"),
}
SCALE_DIVISORS = {"revisited_batch": 100.0}
"""Its scales learn more slowly by so much, as in the paper."""


def measure_drift(case: str, seed: int, steps: int = STEPS, sizes: Sequence[int] = SIZES) -> tuple[DriftRow, ...]:
    """A row for each size of parts. All of a seed have the same batches, and the same weights to begin with."""
    return tuple(_measured(case, seed, size, steps) for size in sizes)


def _measured(case: str, seed: int, size: int, steps: int) -> DriftRow:
    with seeded(seed):
        network = CASES[case](size)
    draws = torch.Generator().manual_seed(seed)
    groups = learning_rate_groups(network, RATE, 0.0, SCALE_DIVISORS.get(case, 1.0))
    optimizer = torch.optim.SGD(groups, lr=RATE, momentum=MOMENTUM)
    for _ in range(steps):
        pictures, classes = gratings(BATCH, draws)
        optimizer.zero_grad()
        cross_entropy(network(pictures), classes).backward()
        optimizer.step()
    return _looked_at(network, case, seed, size)


def _looked_at(network: nn.Module, case: str, seed: int, size: int) -> DriftRow:
    pictures, classes = gratings(HELD_OUT, torch.Generator().manual_seed(UNSEEN + seed))
    with torch.no_grad(), kept_state(network):
        train_loss = float(cross_entropy(network(pictures), classes))
    network.eval()
    with torch.no_grad():
        logits = network(pictures)
    return DriftRow(
        case,
        seed,
        size,
        drift=layer_drift(network, pictures, size),
        train_loss=train_loss,
        loss=float(cross_entropy(logits, classes)),
        accuracy=float((logits.argmax(1) == classes).float().mean()),
    )


def _panels(rows: Sequence[DriftRow]) -> tuple[Panel, ...]:
    size = "pictures that share statistics in training"
    return (
        Panel("Accuracy in evaluation", size, "share of held-out pictures", curves(rows, "batch", "accuracy"), "log"),
        Panel("Loss in evaluation", size, "cross-entropy", curves(rows, "batch", "loss"), "log", "log"),
        Panel(
            "Loss with training statistics", size, "cross-entropy", curves(rows, "batch", "train_loss"), "log", "log"
        ),
        Panel("Drift of the norms", size, "‖trained − evaluated‖ / ‖evaluated‖", curves(rows, "batch", "drift"), "log"),
    )


DRIFT = Probe(
    name="drift",
    title="difference between statistics of small batches and those of evaluation, and its price, after a training",
    heading="Small batches: training statistics against those of evaluation",
    source="Wu & He, Group Normalization, ECCV 2018, arXiv 1803.08494; Yan et al., ICLR 2020, arXiv 2001.06838",
    cases=tuple(CASES),
    row=DriftRow,
    measure=measure_drift,
    axis="batch",
    shown=SIZES,
    columns={"drift": "drift", "train_loss": "training loss", "loss": "evaluation loss", "accuracy": "accuracy"},
    panels=_panels,
)
"""The probe of ``styleapp probe drift``."""
