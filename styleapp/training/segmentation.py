"""Training of a segmenter: labels of pixels from features of a frozen VGG-19."""

from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from styleapp.checkpoint import CheckpointError, load_network
from styleapp.data.mask_pairs import LabelledCrop
from styleapp.losses import segmentation_loss
from styleapp.models.segmenter import Segmenter
from styleapp.models.vgg import VGG19
from styleapp.scores import confusion_matrix, label_agreement
from styleapp.training.frozen import FrozenPartsModule
from styleapp.training.label_data import label_record, labels_of_run
from styleapp.training.stylizer import warmup_cosine

__all__ = ["SegmentationTraining", "class_weights", "load_segmenter"]


class SegmentationTraining(FrozenPartsModule):
    """Trains the head of a segmenter by weighted cross-entropy; VGG-19 stays frozen and out of the checkpoints.

    Args:
        network: the segmenter.
        balance: how much rare classes gain, see :func:`class_weights`.
        learning_rate: of Adam, at the end of the warm-up; falls as a cosine to 0 at the last step.
        warmup_steps: the learning rate rises linearly over these.

    Raises:
        ValueError: ``balance`` is out of range.
    """

    FROZEN = ("network.encoder",)
    network: Segmenter

    def __init__(
        self, network: Segmenter, balance: float = 0.3, learning_rate: float = 2e-3, warmup_steps: int = 50
    ) -> None:
        super().__init__()
        if not 0 <= balance <= 1:
            raise ValueError(f"balance must be between 0 and 1, got {balance}")
        self.save_hyperparameters(ignore=["network"])
        self.network = network.to(memory_format=torch.channels_last)
        self.balance, self.learning_rate, self.warmup_steps = balance, learning_rate, warmup_steps
        self.class_weights = torch.ones(network.num_labels)
        self.confusion = torch.zeros(network.num_labels, network.num_labels, dtype=torch.long)

    def record(self) -> dict[str, Any]:
        return label_record(self.trainer, self.network.num_labels)

    def on_fit_start(self) -> None:
        labels_of_run(self.trainer, self.network.num_labels)  # raises if they are not the network's
        counts: Tensor = self.trainer.datamodule.counts  # type: ignore[attr-defined]
        self.class_weights = class_weights(counts.sum(0), self.balance).to(self.device)

    def training_step(self, batch: LabelledCrop, batch_idx: int) -> Tensor:
        loss = segmentation_loss(self.network(batch.photo), batch.mask, self.class_weights)
        self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        self.confusion = torch.zeros_like(self.confusion, device=self.device)

    def validation_step(self, batch: LabelledCrop, batch_idx: int) -> None:
        predicted = self.network(batch.photo).argmax(1)  # N×H×W
        self.confusion = self.confusion + confusion_matrix(predicted, batch.mask, self.network.num_labels)

    def on_validation_epoch_end(self) -> None:
        agreement = label_agreement(self.confusion)
        named = {f"score/{name}": value for name, value in agreement._asdict().items()}
        self.log_dict(named, prog_bar=True, sync_dist=True)  # the same in every process

    def configure_optimizers(self) -> Any:
        head = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        optimizer = torch.optim.Adam(head, lr=self.learning_rate)
        total = int(self.trainer.estimated_stepping_batches)
        warmup = min(self.warmup_steps, total // 2)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(warmup_cosine, warmup=warmup, total=total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def class_weights(pixels: Tensor, balance: float) -> Tensor:
    """Weights of classes, (1 / share of pixels) ** balance, with mean 1 over the pixels; 1 for a class without any.

    Args:
        pixels: number of pixels of each class, L.
        balance: 0 for pixels that weigh alike, 1 for classes that do.
    """
    shares = pixels.double() / pixels.sum()
    weights = torch.where(shares > 0, shares.clamp_min(1e-12) ** -balance, 1.0)
    return torch.where(shares > 0, weights / (weights * shares).sum(), 1.0).float()


def load_segmenter(checkpoint: str, num_labels: int, encoder: VGG19) -> Segmenter:
    """A segmenter that guesses these labels from features of this encoder.

    Raises:
        CheckpointError: it cannot be loaded, or has another number of labels or encoder.
    """
    network, card, _ = load_network(checkpoint, architecture="segmenter")
    segmenter = cast(Segmenter, network)
    if card.encoder != encoder.identity:
        raise CheckpointError(f"{checkpoint} was trained with {card.encoder}, the losses have {encoder.identity}")
    if segmenter.num_labels != num_labels:
        raise CheckpointError(f"{checkpoint} guesses {segmenter.num_labels} labels, the generator has {num_labels}")
    segmenter.encoder = encoder
    return segmenter
