"""Colour modes: what they promise about means, covariances, lightness and histograms, checked with numpy."""

import numpy as np
import pytest
import torch
from kornia.color import rgb_to_lab
from torch import Tensor

from styleapp.pipelines import colour
from styleapp.pipelines.colour import COLOURS, keep_luminance_only, match_covariance, match_histogram
from styleapp.pipelines.images import to_tensor


def _soft(tensor: Tensor) -> Tensor:
    """Towards mid grey, so that no linear map leaves [0, 1]."""
    return 0.35 + 0.3 * tensor


@pytest.fixture(scope="module")
def photo(draw_photo) -> Tensor:
    return _soft(to_tensor(draw_photo(64, 48, 3)))


@pytest.fixture(scope="module")
def style(draw_style) -> Tensor:
    return _soft(to_tensor(draw_style(40, 56, 1)))


def _moments(tensor: Tensor) -> tuple[np.ndarray, np.ndarray]:
    pixels = tensor[0].flatten(1).double().numpy()
    return pixels.mean(1), np.cov(pixels)


def test_modes_have_titles_and_the_first_does_nothing() -> None:
    assert list(COLOURS) == ["style", "luminance", "match", "histogram"]
    assert COLOURS["style"].prepare is COLOURS["style"].finish is None
    assert all(mode.title for mode in COLOURS.values())


def _coloured(seed: int, height: int, width: int) -> Tensor:
    """Correlated channels of very different deviations, within [0, 1]."""
    random = torch.Generator().manual_seed(seed)
    mixing = torch.linalg.qr(torch.randn(3, 3, generator=random)).Q @ torch.diag(torch.tensor([0.2, 0.1, 0.05]))
    noise = torch.rand(3, height * width, generator=random) * 2 - 1
    return (0.5 + mixing @ noise).view(1, 3, height, width)


@pytest.mark.parametrize(("ridge", "tolerance"), [(1e-9, 1e-6), (colour.RIDGE, 5e-4)])
def test_covariance_reaches_mean_and_covariance(
    ridge: float, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly but for the ridge, which keeps pictures of one colour invertible."""
    monkeypatch.setattr(colour, "RIDGE", ridge)
    picture, reference = _coloured(1, 40, 56), _coloured(2, 64, 48)
    (mean, covariance), (wanted_mean, wanted) = _moments(match_covariance(picture, reference)), _moments(reference)
    np.testing.assert_allclose(mean, wanted_mean, atol=1e-6)
    np.testing.assert_allclose(covariance, wanted, atol=tolerance)
    assert np.abs(_moments(picture)[1] - wanted).max() > 1e-3


def test_mean_is_reached_whatever_the_covariances(photo: Tensor, style: Tensor) -> None:
    np.testing.assert_allclose(_moments(match_covariance(style, photo))[0], _moments(photo)[0], atol=1e-6)


def test_covariance_of_other_pixel_counts_is_the_same(photo: Tensor, style: Tensor) -> None:
    # The authors' code uses sums over pixels, which makes the result's spread depend on the sizes.
    expected = match_covariance(style, photo)
    torch.testing.assert_close(match_covariance(style, photo.repeat(1, 1, 2, 3)), expected, rtol=0, atol=1e-4)


def test_covariance_onto_itself_changes_nothing(photo: Tensor) -> None:
    torch.testing.assert_close(match_covariance(photo, photo), photo, rtol=0, atol=1e-6)


def test_covariance_of_one_colour_pictures(photo: Tensor) -> None:
    red = torch.tensor([0.8, 0.2, 0.1]).view(1, 3, 1, 1).expand(1, 3, 20, 30)
    onto_red = match_covariance(photo, red)
    np.testing.assert_allclose(_moments(onto_red)[0], [0.8, 0.2, 0.1], atol=1e-6)
    assert onto_red.std((2, 3)).max() < 0.02
    from_red = match_covariance(red, photo)
    assert from_red.isfinite().all()
    np.testing.assert_allclose(_moments(from_red)[0], _moments(photo)[0], atol=1e-6)


def test_covariance_stays_in_range(draw_photo, draw_style) -> None:
    result = match_covariance(to_tensor(draw_style(40, 40, 2)), to_tensor(draw_photo(40, 40, 1)))
    assert result.dtype == torch.float32
    assert 0 <= result.min() <= result.max() <= 1


def test_luminance_keeps_the_photos_a_and_b(photo: Tensor) -> None:
    result = (photo.flip(-1).mean(1, keepdim=True) * 0.4 + photo * 0.6).clamp(0, 1)
    finished = rgb_to_lab(keep_luminance_only(result, photo))
    torch.testing.assert_close(finished[:, :1], rgb_to_lab(result)[:, :1], rtol=0, atol=0.05)
    torch.testing.assert_close(finished[:, 1:], rgb_to_lab(photo)[:, 1:], rtol=0, atol=0.05)


def test_luminance_of_the_photo_is_the_photo(photo: Tensor) -> None:
    torch.testing.assert_close(keep_luminance_only(photo, photo), photo, rtol=0, atol=1e-3)


def test_luminance_of_a_grey_photo_is_grey(style: Tensor) -> None:
    grey = torch.full_like(style, 0.5)
    result = keep_luminance_only(style * 3 - 1, grey)  # out of range, as a network's output may be
    assert result.isfinite().all()
    assert (result.amax(1) - result.amin(1)).max() < 2e-3


def test_histogram_is_the_photos(draw_photo) -> None:
    random = torch.Generator().manual_seed(1)
    result = torch.rand(1, 3, 48, 64, generator=random) * 1.2 - 0.1
    photo = torch.rand(1, 3, 48, 64, generator=random).square()
    finished = match_histogram(result, photo)
    for channel in range(3):
        ours, theirs = (tensor[0, channel].flatten().sort().values for tensor in (finished, photo))
        # Values clamped to 0 or 1 are ties, which one value cannot spread over the photo's.
        inside = slice(len(ours) // 8, -len(ours) // 8)
        torch.testing.assert_close(ours[inside], theirs[inside], rtol=0, atol=2e-3)


def test_histogram_keeps_the_order_of_values(photo: Tensor, style: Tensor) -> None:
    result = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(2))
    finished = match_histogram(result, photo)
    order = result[0, 0].flatten().argsort()
    assert (finished[0, 0].flatten()[order].diff() >= 0).all()
    assert photo.min() - 1e-6 <= finished.min() <= finished.max() <= photo.max() + 1e-6


def test_histogram_of_one_colour(photo: Tensor) -> None:
    flat = torch.full_like(photo, 0.3)
    assert match_histogram(flat, photo).isfinite().all()
    torch.testing.assert_close(match_histogram(photo, flat), flat)
