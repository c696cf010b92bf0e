"""Layers, conditions and features that the tests of the norms room share."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from styleapp.norms import NormLayer, build_norm, pieces

CHANNELS, STYLES, LABELS = 8, 3, 4
NORMALIZER_OPTIONS: dict[str, dict[str, Any]] = {"group": {"groups": 2}}
MODULATOR_OPTIONS: dict[str, dict[str, Any]] = {
    "styles": {"num_styles": STYLES},
    "mask": {"num_labels": LABELS, "hidden": 5},
}
Draw = Callable[..., Tensor]
Build = Callable[..., NormLayer]


def _build_pair(normalizer: str, modulator: str, seed: int = 0, **options: Any) -> NormLayer:
    given = {**NORMALIZER_OPTIONS.get(normalizer, {}), **MODULATOR_OPTIONS.get(modulator, {}), **options}
    layer = build_norm(normalizer, CHANNELS, modulator=modulator, **given)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in layer.modulator.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=random)
    return layer


@pytest.fixture
def build_pair() -> Build:
    """A layer of 8 features whose scales and shifts are not at their trivial start: ``build_pair(name, name)``."""
    return _build_pair


def _condition_for(modulator: str, x: Tensor, seed: int = 1) -> Any:
    random = torch.Generator().manual_seed(seed)
    count = x.shape[0]
    made: dict[str, Callable[[], Any]] = {
        "none": lambda: None,
        "affine": lambda: None,
        "styles": lambda: torch.rand(count, STYLES, generator=random).to(x.dtype),
        "image": lambda: torch.randn(count, CHANNELS, 5, 7, generator=random).to(x.dtype) * 2 + 1,
        "mask": lambda: torch.randint(LABELS, (count, 6, 6), generator=random),
    }
    return made[modulator]()


@pytest.fixture
def condition_for() -> Callable[..., Any]:
    """What a modulator takes, another one for each sample of a batch: ``condition_for(name, x)``."""
    return _condition_for


@pytest.fixture
def draw() -> Draw:
    """Normal features from one seed: ``draw(N, C, H, W, scale=1, shift=0, dtype=float64)``."""
    random = torch.Generator().manual_seed(3)

    def features(*shape: int, scale: float = 1.0, shift: float = 0.0, dtype: torch.dtype = torch.float64) -> Tensor:
        return (torch.randn(*shape, generator=random, dtype=torch.float64) * scale + shift).to(dtype)

    return features


@pytest.fixture(params=[1, 600, None], ids=["plane by plane", "few planes", "all at once"])
def piece(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How large the pieces are that the kernels compute on."""
    if request.param is not None:
        monkeypatch.setattr(pieces, "PIECE", request.param)
