"""A new style for a network that has named ones: only a row of scales and shifts is learned, from one picture.

Dumoulin et al., *A Learned Representation for Artistic Style*, ICLR 2017, section 3.2. This is the only training loop
outside of Lightning, because a visitor waits for it and wants to see the picture emerge and to be able to stop.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import interpolate

from styleapp.data.pairs import CropSampler, centre_crop, sample_generator
from styleapp.data.pictures import evenly
from styleapp.losses import content_loss, gram_loss, gram_matrix, style_loss
from styleapp.models.multistyle import NamedStylizer
from styleapp.models.vgg import STYLE_TAPS, VGG19
from styleapp.norms import Code, Moments
from styleapp.pipelines.images import ImageSource, load_picture, to_image
from styleapp.pipelines.samples import sample_photos
from styleapp.scores import SCORE_SIZE, style_moments

__all__ = ["Learning", "learn_style", "nearest_mixture"]

DEEPEST = STYLE_TAPS[-1]
CROP, BATCH = 128, 4
PRACTICE = 48
"""Crops of photos that are encoded once and then practised on again and again."""

STYLE_WEIGHT, GRAM_WEIGHT, CONTENT_EPS = 30.0, 6.0, 400.0  # content weighs 1; a row alone moves less than a network
PREVIEW_SIDE = 256
MIXTURE_SIDE = 128
"""Side at which the known styles are looked at for the nearest mixture: all of them are painted for it."""


@dataclass(frozen=True)
class Learning:
    """How far a style has been learned.

    Attributes:
        step, steps: steps that are done, and how many there will be.
        style_distance: of the last batch to the style, as :func:`styleapp.losses.style_loss` has it.
        code: the row so far: all norms one behind the other, 1×ΣC×1×1.
        preview: a photo in the style so far, every now and then.
    """

    step: int
    steps: int
    style_distance: float
    code: Code
    preview: Image.Image | None = None


def learn_style(
    network: NamedStylizer,
    encoder: VGG19,
    picture: ImageSource,
    photos: Sequence[ImageSource] = (),
    *,
    steps: int = 200,
    learning_rate: float = 0.02,
    from_mixture: bool = True,
    preview_every: int = 20,
    seed: int = 0,
) -> Iterator[Learning]:
    """Learns scales and shifts for a picture; the network and its other styles stay as they are.

    A generator: stop asking for more, and the last code is what there is.

    Args:
        network: on the device of ``encoder``, whose VGG-19 the losses use (to relu4_1).
        picture: the style.
        photos: to practise on, 48 of them spread evenly; without any, our sample photos.
        steps: Adam steps of four crops each.
        learning_rate: at the beginning; falls linearly to a tenth.
        from_mixture: begin with :func:`nearest_mixture`; else with scales of 1 and shifts of 0.
        preview_every: steps between two previews; the first and the last state have one, too.

    Yields:
        The state before the first step and after each one.

    Raises:
        PictureError: a picture cannot be used.
        ValueError: there is nothing to practise on, or ``steps`` is below 1.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    device = next(encoder.parameters()).device
    sources = evenly(photos or _samples(), PRACTICE)
    style = centre_crop(load_picture(picture, "the style picture").rgb, SCORE_SIZE)[None].to(device)
    shown = centre_crop(_photo(sources[0]), PREVIEW_SIDE)[None].to(device)
    lesson = _Lesson(network, encoder, style, learning_rate, steps)
    if from_mixture:
        small = interpolate(shown, size=(MIXTURE_SIDE, MIXTURE_SIDE), mode="bilinear", antialias=True)
        lesson.begin_with(nearest_mixture(network, encoder, small, style))
    crops, features = _practice(sources, encoder, seed)
    yield Learning(0, steps, lesson.distance, lesson.code, lesson.painted(shown))
    for step in range(1, steps + 1):
        chosen = torch.randint(len(crops), (BATCH,), generator=sample_generator(seed, step))
        lesson.take_step(crops[chosen], features[chosen])
        preview = lesson.painted(shown) if step % preview_every == 0 or step == steps else None
        yield Learning(step, steps, lesson.distance, lesson.code, preview)


@torch.no_grad()
def nearest_mixture(network: NamedStylizer, encoder: VGG19, photo: Tensor, style: Tensor) -> dict[str, float]:
    """Weights of the network's styles whose pictures of a photo together are nearest to a style.

    Nearest in the moments of VGG features: least squares over weights that are not negative and sum to 1, by
    multiplicative steps.

    Args:
        photo, style: 1×3×H×W, RGB in [0, 1].
    """
    wanted = _signature(style_moments(encoder(style, STYLE_TAPS)))
    outputs = [network.render(photo, network.code(name)).clamp(0, 1) for name in network.styles]
    known = torch.stack([_signature(style_moments(encoder(output, STYLE_TAPS))) for output in outputs])  # S×L
    weights = torch.full((len(known),), 1 / len(known), device=known.device)
    for _ in range(500):
        slope = known @ (weights @ known - wanted)
        weights = weights * torch.exp(-slope / slope.abs().max().clamp_min(1e-12) * 0.2)
        weights = weights / weights.sum()
    return dict(zip(network.styles, weights.tolist(), strict=True))


def _signature(moments: Sequence[Moments]) -> Tensor:
    """Means and deviations of all taps as one vector (L), each tap of length about 1."""
    taps = [torch.cat([one.mean.flatten(), one.deviation.flatten()]) for one in moments]
    return torch.cat([tap / tap.norm() for tap in taps])


class _Lesson:
    """A row on its way to a style.

    Attributes:
        distance: of the last batch to the style; not a number before the first step.
    """

    def __init__(self, network: NamedStylizer, encoder: VGG19, style: Tensor, learning_rate: float, steps: int) -> None:
        self.network, self.encoder = network, encoder
        with torch.no_grad():
            encoded = encoder(style, STYLE_TAPS)
            self.moments = style_moments(encoded)
            self.grams = [gram_matrix(encoded[tap]) for tap in STYLE_TAPS]
        width = sum(norm.num_features for norm in network.norms)
        self.gamma = nn.Parameter(torch.ones(1, width, 1, 1, device=style.device))
        self.beta = nn.Parameter(torch.zeros(1, width, 1, 1, device=style.device))
        self.optimizer = torch.optim.Adam([self.gamma, self.beta], lr=learning_rate, betas=(0.9, 0.99))
        self.schedule = torch.optim.lr_scheduler.LinearLR(self.optimizer, 1.0, 0.1, total_iters=steps)
        self.distance = float("nan")

    @torch.no_grad()
    def begin_with(self, mixture: dict[str, float]) -> None:
        code = self.network.code(mixture)
        self.gamma.copy_(code.gamma)
        self.beta.copy_(code.beta)

    @property
    def code(self) -> Code:
        """A copy of the row."""
        return Code(self.gamma.detach().clone(), self.beta.detach().clone())

    @torch.inference_mode()
    def painted(self, photo: Tensor) -> Image.Image:
        return to_image(self.network.render(photo, Code(self.gamma, self.beta)))

    def take_step(self, crops: Tensor, features: Tensor) -> None:
        """Adam on the row alone: the network's own parameters are not asked for gradients."""
        output = self.network.paint(crops, Code(self.gamma, self.beta))  # N×3×S×S
        encoded = self.encoder(output, STYLE_TAPS)
        theirs = [Moments(*(part.expand(len(crops), -1, -1, -1) for part in one)) for one in self.moments]
        style = style_loss(style_moments(encoded), theirs)
        gram = gram_loss(
            [gram_matrix(encoded[tap]) for tap in STYLE_TAPS], [one.expand(len(crops), -1, -1) for one in self.grams]
        )
        loss = content_loss(encoded[DEEPEST], features, CONTENT_EPS) + STYLE_WEIGHT * style + GRAM_WEIGHT * gram
        gradients = torch.autograd.grad(loss, [self.gamma, self.beta])
        self.gamma.grad, self.beta.grad = gradients
        self.optimizer.step()
        self.schedule.step()
        self.distance = style.item()


def _photo(source: ImageSource) -> Image.Image:
    return load_picture(source, "a photo to practise on").rgb


def _samples() -> list[Path]:
    found = [sample.path for sample in sample_photos()]
    if not found:
        raise ValueError("there is no photo to practise on: give some, because the sample photos are not installed")
    return found


@torch.no_grad()
def _practice(sources: Sequence[ImageSource], encoder: VGG19, seed: int) -> tuple[Tensor, Tensor]:
    """Random crops (M×3×S×S) of photos, one of which is held at a time, and their features at relu4_1."""
    device, crop = next(encoder.parameters()).device, CropSampler(CROP, (CROP, 2 * CROP))
    drawn: dict[int, Tensor] = {}
    for first, source in enumerate(sources):
        photo = _photo(source)
        for index in range(first, PRACTICE, len(sources)):
            drawn[index] = crop(photo, sample_generator(seed, -1 - index))
    ordered = torch.stack([drawn[index] for index in range(PRACTICE)])
    crops = ordered.to(device).float().div(255).contiguous(memory_format=torch.channels_last)
    return crops, torch.cat([encoder(part, (DEEPEST,))[DEEPEST] for part in crops.split(BATCH)])
