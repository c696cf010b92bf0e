"""The stylize pipeline around a network whose styles have names."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from styleapp.checkpoint import Card
from styleapp.models.micro import MicroStylizer
from styleapp.models.multistyle import MultiStyleNetwork
from styleapp.pipelines.style_bank import StyleBank
from styleapp.pipelines.stylize import StylizePipeline


def _values(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def _half(size: tuple[int, int], left: bool = True) -> Image.Image:
    mask = Image.new("L", size, 0 if left else 255)
    mask.paste(255 if left else 0, (0, 0, size[0] // 2, size[1]))
    return mask


@pytest.fixture
def named(named_checkpoint: Path) -> StylizePipeline:
    return StylizePipeline.from_checkpoint(named_checkpoint, device="cpu")


def test_style_by_name_and_by_mixture(named: StylizePipeline, draw_photo) -> None:
    photo = draw_photo(45, 35)
    assert named.styles == ("wave", "night", "scream")
    wave, night = named(photo, "wave"), named(photo, "night")
    assert wave.size == (45, 35)
    assert (_values(wave) != _values(night)).any()
    assert (_values(named(photo, {"wave": 2.0, "night": 0.0})) == _values(wave)).all()
    mixed = _values(named(photo, {"wave": 0.5, "night": 0.5}))
    assert (_values(named(photo, ["wave", "night"])) == mixed).all()
    assert (_values(named(photo, "wave", strength=0.0)) == _values(named(photo, "night", strength=0.0))).all()


def test_named_styles_in_regions(named: StylizePipeline, draw_photo) -> None:
    photo = draw_photo(128, 32)
    masks = [_half(photo.size), _half(photo.size, left=False)]
    result = _values(named(photo, ["wave", "night"], regions=masks, colour="luminance", max_side=64))
    assert result.shape == (16, 64, 3)


@pytest.mark.parametrize(
    ("style", "controls", "sentence"),
    [
        ("dawn", {}, "unknown style 'dawn'; known are wave, night, scream"),
        ("wave", {"colour": "match"}, "colour 'match' recolours the style picture"),
        ("wave", {"style_scale": 2.0}, "style_scale resizes the style picture"),
    ],
)
def test_what_named_styles_cannot_do(named: StylizePipeline, draw_photo, style, controls, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        named(draw_photo(45, 35), style, **controls)


def test_any_style_networks_have_no_names() -> None:
    assert StylizePipeline(MicroStylizer(width=8, blocks=1, style_widths=(8,)), Card("micro")).styles == ()


def test_styles_of_the_bank_are_there_too(
    named: StylizePipeline, named_checkpoint: Path, draw_photo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """After a restart, too; one that another network learned says so when it is asked for."""
    monkeypatch.setenv("STYLEAPP_STYLES", str(tmp_path))
    photo, other = draw_photo(45, 35), MultiStyleNetwork(["one"], width=8, blocks=1)
    bank = StyleBank()
    bank.save("dawn", named.network.code({"wave": 1, "night": 1}), named.network)  # type: ignore[arg-type]
    bank.save("dusk", other.code("one"), other)
    again = StylizePipeline.from_checkpoint(named_checkpoint, device="cpu")
    assert again.styles == ("wave", "night", "scream", "dawn")
    assert (_values(again(photo, "dawn")) == _values(again(photo, {"wave": 1, "night": 1}))).all()
    assert again(photo, {"dawn": 1, "wave": 1}).size == (45, 35)
    for asked in ("dusk", {"dusk": 1.0, "wave": 1.0}):
        with pytest.raises(ValueError, match="'dusk' was learned for another network"):
            again(photo, asked)


def test_a_name_of_the_network_stays_its_own(named: StylizePipeline, draw_photo, tmp_path: Path) -> None:
    """A bank may hold a style of another network that is called like one of this network."""
    before = _values(named(draw_photo(45, 35), "wave"))
    bank = StyleBank(tmp_path)
    (tmp_path / "wave.safetensors").write_bytes(b"of another network, or damaged")
    assert (_values(named.with_bank(bank)(draw_photo(45, 35), "wave")) == before).all()
