"""Means and deviations against torch, cut-outs and numbers computed by hand."""

import pytest
import torch
from torch import Tensor

from styleapp.norms import mean_deviation


@pytest.fixture
def features() -> Tensor:
    return torch.randn(2, 5, 7, 9, generator=torch.Generator().manual_seed(1)) * 3 + 2


def test_numbers_by_hand() -> None:
    moments = mean_deviation(torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 2, 2))
    assert moments.mean.item() == 2.5
    assert moments.deviation.item() == pytest.approx(1.25**0.5)


def test_eps_is_added_inside_the_root() -> None:
    moments = mean_deviation(torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 2, 2), eps=1.0)
    assert moments.deviation.item() == pytest.approx(1.5)


def test_equals_torch(features: Tensor) -> None:
    moments = mean_deviation(features)
    torch.testing.assert_close(moments.mean, features.mean((2, 3), keepdim=True))
    torch.testing.assert_close(moments.deviation, features.std((2, 3), keepdim=True, correction=0))


@pytest.mark.parametrize("weight", [1.0, 0.25, 7.0])
def test_constant_region_is_no_region(features: Tensor, weight: float) -> None:
    everywhere, region = mean_deviation(features), mean_deviation(features, torch.full((2, 1, 7, 9), weight))
    torch.testing.assert_close(region.mean, everywhere.mean)
    torch.testing.assert_close(region.deviation, everywhere.deviation)


def test_binary_region_is_the_cut_out(features: Tensor) -> None:
    region = torch.zeros(2, 1, 7, 9)
    region[:, :, 2:5, 3:8] = 1
    inside, cut = mean_deviation(features, region, eps=1e-5), mean_deviation(features[..., 2:5, 3:8], eps=1e-5)
    torch.testing.assert_close(inside.mean, cut.mean)
    torch.testing.assert_close(inside.deviation, cut.deviation)


def test_one_region_serves_a_batch(features: Tensor) -> None:
    region = torch.rand(1, 1, 7, 9, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(mean_deviation(features, region), mean_deviation(features, region.expand(2, 1, 7, 9)))


def test_region_weights_count_as_repeated_pixels() -> None:
    row = torch.tensor([1.0, 5.0]).view(1, 1, 1, 2)
    repeated = torch.tensor([1.0, 5.0, 5.0, 5.0]).view(1, 1, 1, 4)
    torch.testing.assert_close(mean_deviation(row, torch.tensor([1.0, 3.0]).view(1, 1, 1, 2)), mean_deviation(repeated))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(features: Tensor, dtype: torch.dtype) -> None:
    # In half precision the squares of features of size 1000 overflow.
    big = (features * 300).to(dtype)
    moments = mean_deviation(big)
    assert moments.deviation.dtype == torch.float32
    torch.testing.assert_close(moments, mean_deviation(big.float()), rtol=0, atol=0)


def test_double_stays_double(features: Tensor) -> None:
    assert mean_deviation(features.double()).mean.dtype == torch.float64


@pytest.mark.parametrize("which", ["both", "second"])
def test_empty_region_is_an_error(features: Tensor, which: str) -> None:
    region = torch.zeros(2, 1, 7, 9)
    if which == "second":
        region[0] = 1
    with pytest.raises(ValueError, match="region is empty"):
        mean_deviation(features, region)
