"""Scores against the formulas of their definition, written out anew."""

import pytest
import torch
from torch import Tensor

from styleapp.models.vgg import STYLE_TAPS, VGG19
from styleapp.pipelines.images import to_tensor
from styleapp.scores import score_features, style_moments, stylization_scores


@pytest.fixture(scope="module")
def photo(draw_photo) -> Tensor:
    return to_tensor(draw_photo(64, 64))


@pytest.fixture(scope="module")
def style(draw_style) -> Tensor:
    return to_tensor(draw_style(64, 64))


def _style_distance(output: dict[str, Tensor], style: dict[str, Tensor]) -> float:
    shares = []
    for tap in ("relu1_1", "relu2_1", "relu3_1", "relu4_1"):
        ours, theirs = output[tap].double().flatten(2)[0], style[tap].double().flatten(2)[0]  # C×P
        difference = ((ours.mean(1) - theirs.mean(1)) ** 2).sum()
        difference += ((ours.std(1, correction=0) - theirs.std(1, correction=0)) ** 2).sum()
        size = (theirs.mean(1) ** 2).sum() + (theirs.std(1, correction=0) ** 2).sum()
        shares.append((difference / size).item())
    return sum(shares) / 4


def _content_distance(output: Tensor, photo: Tensor) -> float:
    def standardized(features: Tensor) -> Tensor:
        flat = features.double().flatten(2)[0]
        return (flat - flat.mean(1, keepdim=True)) / (flat.var(1, correction=0, keepdim=True) + 1e-5).sqrt()

    return ((standardized(output) - standardized(photo)) ** 2).mean().item()


def test_equals_the_definition(vgg: VGG19, photo: Tensor, style: Tensor) -> None:
    output = (0.7 * photo + 0.3 * style).clamp(0, 1)
    with torch.inference_mode():
        ours, photos, styles = (vgg(image, STYLE_TAPS) for image in (output, photo, style))
    scores = stylization_scores(vgg, output, photo, style)
    assert scores.style_distance == pytest.approx(_style_distance(ours, styles), rel=1e-4)
    assert scores.content_distance == pytest.approx(_content_distance(ours["relu4_1"], photos["relu4_1"]), rel=1e-4)


def test_photo_itself_and_style_itself(vgg: VGG19, photo: Tensor, style: Tensor) -> None:
    itself, painting = stylization_scores(vgg, photo, photo, style), stylization_scores(vgg, style, photo, style)
    assert itself.content_distance == pytest.approx(0, abs=1e-6)
    assert painting.style_distance == pytest.approx(0, abs=1e-6)
    assert itself.style_distance > 0.1
    assert painting.content_distance > 0.5


def test_same_from_features(vgg: VGG19, photo: Tensor, style: Tensor) -> None:
    output = photo.flip(-1)
    with torch.inference_mode():
        moments = style_moments(vgg(style, STYLE_TAPS))
        scores = score_features(vgg(output, STYLE_TAPS), vgg(photo, STYLE_TAPS)["relu4_1"], moments)
    assert scores == pytest.approx(stylization_scores(vgg, output, photo, style))


def test_moments_are_of_all_four_taps_shallowest_first(vgg: VGG19, style: Tensor) -> None:
    with torch.inference_mode():
        moments = style_moments(vgg(style, STYLE_TAPS))
    assert [part.mean.shape[1] for part in moments] == [64, 128, 256, 512]
