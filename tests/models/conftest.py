"""A photo and a style for the tests of the networks."""

import pytest
from torch import Tensor

from styleapp.pipelines.images import to_tensor


@pytest.fixture(scope="package")
def photo(draw_photo) -> Tensor:
    return to_tensor(draw_photo(64, 48))


@pytest.fixture(scope="package")
def style(draw_style) -> Tensor:
    return to_tensor(draw_style(40, 56))
