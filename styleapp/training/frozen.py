"""What training modules share: networks that are never trained stay as they are and out of the checkpoints."""

from typing import Any, ClassVar

import pytorch_lightning as pl
from torch import nn

from styleapp.checkpoint import architecture_of
from styleapp.models.vgg import VGG19

__all__ = ["FrozenPartsModule"]

STATES = ("state_dict", "current_model_state")
"""Where a checkpoint has tensors; the second is there where the first is averaged."""


class FrozenPartsModule(pl.LightningModule):
    """Trains ``network`` with frozen networks around it or in it, megabytes that every installation has.

    Its checkpoints say how to build the network again and, under ``record``, what :meth:`record` tells.

    Attributes:
        FROZEN: names of the frozen networks; what is not there, or ``None``, is passed over.
        network: what is trained; it has ``options()``.
    """

    FROZEN: ClassVar[tuple[str, ...]] = ("encoder", "network.encoder")
    network: nn.Module

    def train(self, mode: bool = True) -> "FrozenPartsModule":
        super().train(mode)
        for name, module in self.named_modules(remove_duplicate=False):
            if name in self.FROZEN:
                module.eval()  # whatever the trainer does with the rest
        return self

    def record(self) -> dict[str, Any]:
        """What a model card should know beside the facts of the run."""
        return {}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leaves the frozen networks out."""
        for name in STATES:
            if name in checkpoint:
                state = checkpoint[name]
                checkpoint[name] = {key: value for key, value in state.items() if not self._frozen(key)}
        checkpoint["architecture"] = {"name": architecture_of(self.network), "options": self.network.options()}  # type: ignore[operator]
        own: VGG19 | None = getattr(self.network, "encoder", None)
        checkpoint["encoder"] = vars(own.identity) if own is not None and own.identity else None
        checkpoint["record"] = self.record()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Puts the frozen networks' own tensors where the checkpoint lacks them, so that strict loading still holds."""
        frozen = {key: value for key, value in self.state_dict().items() if self._frozen(key)}
        for name in STATES:
            if name in checkpoint:
                checkpoint[name] = {**checkpoint[name], **frozen}

    def _frozen(self, key: str) -> bool:
        return key.startswith(tuple(f"{name}." for name in self.FROZEN))
