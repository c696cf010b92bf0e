"""Training of a network that stylizes any photo with any picture."""

from functools import partial
from math import cos, pi
from typing import Any

import pytorch_lightning as pl
import torch
from kornia.losses import total_variation
from torch import Tensor
from torch.nn.functional import mse_loss

from styleapp.checkpoint import CheckpointError, load_network
from styleapp.data.pairs import PicturePair
from styleapp.losses import content_loss, feature_loss, style_loss
from styleapp.models.adain import AdaINStylizer
from styleapp.models.vgg import STYLE_TAPS
from styleapp.norms import Code, Moments, mean_deviation
from styleapp.scores import score_features, style_moments
from styleapp.training.cache import EncodedPair

__all__ = ["StylizerTraining"]

DEEPEST = STYLE_TAPS[-1]


class StylizerTraining(pl.LightningModule):
    """Trains the decoder of an AdaIN stylizer; the encoder stays frozen and out of the checkpoints.

    Of each batch the first ``identity_share`` is not stylized but reconstructed, so that strength 0 gives back the
    photo. All logged losses are already multiplied by their weights.

    Args:
        network: what is trained.
        content_weight: of :func:`styleapp.losses.content_loss`.
        style_weight: of :func:`styleapp.losses.style_loss`.
        pixel_weight: of the squared pixel error of reconstructions.
        feature_weight: of :func:`styleapp.losses.feature_loss` of reconstructions.
        smoothness_weight: of the total variation per pixel, against speckles.
        content_eps: added to variances in the content loss; features have a root mean square of about 880.
        identity_share: part of a batch that is reconstructed, 0 to 1.
        learning_rate: of Adam, at the end of the warm-up; falls as a cosine to 0 at the last step.
        warmup_steps: the learning rate rises linearly over these.
        start_from: a checkpoint by name or path whose decoder training begins with, instead of a random one.

    Raises:
        CheckpointError: ``start_from`` cannot be loaded, or was trained with another encoder than the network has.
    """

    def __init__(
        self,
        network: AdaINStylizer,
        content_weight: float = 1.0,
        style_weight: float = 10.0,
        pixel_weight: float = 20.0,
        feature_weight: float = 0.5,
        smoothness_weight: float = 0.1,
        content_eps: float = 400.0,
        identity_share: float = 0.25,
        learning_rate: float = 5e-4,
        warmup_steps: int = 100,
        start_from: str | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= identity_share <= 1:
            raise ValueError(f"identity_share must be between 0 and 1, got {identity_share}")
        self.save_hyperparameters(ignore=["network"])
        self.network = network.to(memory_format=torch.channels_last)
        if start_from is not None:
            _copy_decoder(start_from, network)
        self.weights = {
            "content": content_weight,
            "style": style_weight,
            "pixel": pixel_weight,
            "feature": feature_weight,
            "smoothness": smoothness_weight,
        }
        self.content_eps = content_eps
        self.identity_share = identity_share
        self.learning_rate, self.warmup_steps = learning_rate, warmup_steps

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
        features = self.network.encoder(photo, (DEEPEST,))[DEEPEST]
        return EncodedPair(photo, features, style_moments(self.network.encoder(style, STYLE_TAPS)))

    def losses(self, batch: EncodedPair) -> dict[str, Tensor]:
        """Each loss of a batch, multiplied by its weight."""
        photo, features, style = batch
        identity = round(self.identity_share * len(photo))
        code = self._code(features, style[-1], identity)
        output = self.network.decoder(self.network.transfer(features, code))  # N×3×H×W
        encoded = self.network.encoder(output, STYLE_TAPS)
        losses = {
            "smoothness": total_variation(output, reduction="mean").mean(),
            "content": content_loss(encoded[DEEPEST], features, self.content_eps),
        }
        if identity > 0:
            losses["pixel"] = mse_loss(output[:identity], photo[:identity])
            losses["feature"] = feature_loss(encoded[DEEPEST][:identity], features[:identity])
        if identity < len(photo):
            ours = [Moments(*(part[identity:] for part in moments)) for moments in style_moments(encoded)]
            theirs = [Moments(*(part[identity:] for part in moments)) for moments in style]
            losses["style"] = style_loss(ours, theirs)
        return {name: self.weights[name] * value for name, value in losses.items()}

    def _code(self, features: Tensor, style: Moments, identity: int) -> Code:
        if identity == 0:
            return Code(gamma=style.deviation, beta=style.mean)
        own = mean_deviation(features[:identity])
        return Code(
            gamma=torch.cat([own.deviation, style.deviation[identity:]]),
            beta=torch.cat([own.mean, style.mean[identity:]]),
        )

    def validation_step(self, batch: PicturePair, batch_idx: int) -> Tensor:
        photo, style = batch
        encoder = self.network.encoder
        features = encoder(photo, (DEEPEST,))[DEEPEST]
        encoded = encoder(style, STYLE_TAPS)
        moments = style_moments(encoded)
        code = Code(gamma=moments[-1].deviation, beta=moments[-1].mean)
        output = self.network.decoder(self.network.transfer(features, code)).clamp(0, 1)
        scores = score_features(encoder(output, STYLE_TAPS), features, moments)
        named = {f"score/{name}": value for name, value in scores._asdict().items()}
        self.log_dict(named, prog_bar=True, on_epoch=True, sync_dist=True)
        return output

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.network.decoder.parameters(), lr=self.learning_rate)
        total = int(self.trainer.estimated_stepping_batches)
        warmup = min(self.warmup_steps, total // 2)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(warmup_cosine, warmup=warmup, total=total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leaves the frozen encoder out: it is 13 MB that every installation has."""
        for name in ("state_dict", "current_model_state"):
            if name in checkpoint:
                state = checkpoint[name]
                checkpoint[name] = {key: value for key, value in state.items() if not _of_encoder(key)}
        checkpoint["architecture"] = {"name": "adain", "options": self.network.options()}
        checkpoint["encoder"] = vars(self.network.encoder.identity) if self.network.encoder.identity else None

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Puts the encoder's own tensors where the checkpoint lacks them, so that strict loading still holds."""
        encoder = {key: value for key, value in self.state_dict().items() if _of_encoder(key)}
        for name in ("state_dict", "current_model_state"):
            if name in checkpoint:
                checkpoint[name] = {**checkpoint[name], **encoder}


def _copy_decoder(checkpoint: str, network: AdaINStylizer) -> None:
    trained, card, _ = load_network(checkpoint, architecture="adain")
    if card.encoder != network.encoder.identity:
        raise CheckpointError(
            f"{checkpoint} was trained with {card.encoder}, the network has {network.encoder.identity}"
        )
    network.decoder.load_state_dict(trained.get_submodule("decoder").state_dict())


def _of_encoder(key: str) -> bool:
    return key.startswith("network.encoder.")


def warmup_cosine(step: int, warmup: int, total: int) -> float:
    """Share of the full learning rate at a step: rises linearly during the warm-up, then falls as a cosine to 0."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + cos(pi * min(1.0, (step - warmup) / max(1, total - warmup))))
