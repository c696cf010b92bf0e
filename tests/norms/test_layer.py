"""Building layers from names, and what a wrong name, option or shape is told."""

import pytest
import torch
import yaml

from styleapp.norms import MODULATORS, NORMALIZERS, NormConfig, NormLayer, build_norm
from styleapp.norms.modulators import AffineModulator
from styleapp.norms.normalizers import BatchNormalizer


def test_names_of_the_design() -> None:
    assert list(NORMALIZERS) == [
        "none",
        "batch",
        "sync_batch",
        "layer",
        "instance",
        "group",
        "l1_batch",
        "linf_batch",
        "topk_batch",
        "revisited_batch",
        "moving_batch",
        "power",
        "memorized_batch",
        "unified_batch",
        "adaptive_batch",
    ]
    assert list(MODULATORS) == ["none", "affine", "styles", "image", "mask"]


def test_examples_of_the_design() -> None:
    x = torch.randn(2, 64, 8, 8)
    assert build_norm("group", 64, groups=8)(x).shape == x.shape
    assert build_norm("instance", 64, modulator="styles", num_styles=16)(x, torch.rand(2, 16)).shape == x.shape
    assert build_norm("instance", 64, modulator="styles", num_styles=16)(x, torch.tensor([3, 5])).shape == x.shape
    assert build_norm("instance", 64, modulator="image")(x, torch.randn(2, 64, 5, 5)).shape == x.shape
    assert build_norm("batch", 64, modulator="mask", num_labels=8)(x, torch.rand(2, 8, 16, 16)).shape == x.shape


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (("grop", "affine"), {}, "unknown normalizer 'grop'; known are none, batch, sync_batch"),
        (("batch", "afine"), {}, "unknown modulator 'afine'; known are none, affine, styles, image, mask"),
        (("batch", "affine"), {"groups": 2}, "unknown option groups: normalizer batch has eps, momentum, .*affine has"),
        (("batch", "affine"), {"num_features": 2}, "unknown option num_features|multiple values"),
        (("instance", "image"), {"stats": "lisp"}, "unknown stats 'lisp'; known are lua, torch"),
    ],
)
def test_bad_names(names: tuple[str, str], options: dict[str, object], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        build_norm(names[0], 8, modulator=names[1], **options)  # type: ignore[arg-type]


def test_option_claimed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    class Claiming(AffineModulator):
        def __init__(self, num_features: int, *, eps: float = 0.0) -> None:
            super().__init__(num_features)

    monkeypatch.setitem(MODULATORS, "affine", Claiming)
    with pytest.raises(ValueError, match="eps is claimed by both normalizer batch and modulator affine"):
        build_norm("batch", 8, eps=1e-3)


def test_options_reach_their_constructor_and_win_over_the_preset() -> None:
    norm = build_norm("instance", 8, modulator="image", stats="torch", eps=1e-3)
    assert (norm.normalizer.eps, norm.normalizer.unbiased) == (1e-3, True)
    assert (norm.modulator.style_eps, norm.modulator.style_unbiased) == (1e-5, True)


def test_config_from_a_recipe() -> None:
    text = "{normalizer: group, modulator: mask, options: {groups: 4, hidden: 16}}"
    config = NormConfig(**yaml.safe_load(text))
    norm = config.build(8, num_labels=5)
    assert norm.normalizer.groups == 4
    assert norm.modulator.num_labels == 5
    assert norm.modulator.shared.out_channels == 16  # type: ignore[union-attr]


def test_config_is_checked_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="unknown option groups"):
        NormConfig("batch", options={"groups": 4})


def test_parts_must_agree() -> None:
    with pytest.raises(ValueError, match="for 8 features, the modulator for 4"):
        NormLayer(BatchNormalizer(8), AffineModulator(4))


@pytest.mark.parametrize("shape", [(2, 7, 4, 4), (8, 4, 4), (2, 8, 16)])
def test_wrong_features(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="features must be N×8×H×W, got"):
        build_norm("batch", 8)(torch.ones(shape))


def test_what_a_layer_prints() -> None:
    printed = str(build_norm("group", 8, groups=2))
    assert "GroupNormalizer(8, groups=2, eps=1e-05)" in printed
    assert "AffineModulator(8)" in printed
