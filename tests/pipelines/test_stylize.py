"""The stylize pipeline around a network of three channels, and once around the real one."""

from collections.abc import Sequence
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from styleapp.checkpoint import Card
from styleapp.data.pictures import PictureError
from styleapp.models.adain import AdaINStylizer
from styleapp.norms import Code, adaptive_instance_norm, style_code
from styleapp.pipelines import stylize as module
from styleapp.pipelines.images import to_image, to_tensor
from styleapp.pipelines.stylize import MAX_STRENGTH, StylizePipeline


class PixelStylizer:
    """AdaIN on the pixels themselves: all that the pipeline needs, in microseconds."""

    stride = 8
    bytes_per_pixel = 100

    def __init__(self) -> None:
        self.encoded: list[Tensor] = []
        self.photos: list[Tensor] = []

    def code(self, style: Tensor) -> Code:
        self.encoded.append(style)
        return style_code(style)

    def render(self, photo: Tensor, code: Code | Sequence[Code], strength: float = 1.0) -> Tensor:
        assert photo.shape[-1] % self.stride == photo.shape[-2] % self.stride == 0
        self.photos.append(photo)
        return photo.lerp(adaptive_instance_norm(photo, code), strength)


@pytest.fixture
def pipe() -> StylizePipeline:
    return StylizePipeline(PixelStylizer(), Card("fake"))


@pytest.fixture
def fake(pipe: StylizePipeline) -> PixelStylizer:
    assert isinstance(pipe.network, PixelStylizer)
    return pipe.network


@pytest.fixture(scope="module")
def photo(draw_photo) -> Image.Image:
    return draw_photo(40, 32)


@pytest.fixture(scope="module")
def styles(draw_style) -> list[Image.Image]:
    return [draw_style(24, 24, seed) for seed in range(3)]


@pytest.fixture(scope="module")
def style(styles: list[Image.Image]) -> Image.Image:
    return styles[0]


def _values(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def _half(size: tuple[int, int], left: bool = True) -> Image.Image:
    mask = Image.new("L", size, 0 if left else 255)
    mask.paste(255 if left else 0, (0, 0, size[0] // 2, size[1]))
    return mask


# Sizes and forms


@pytest.mark.parametrize("width", range(16, 68, 3))
def test_result_has_the_photos_size(pipe: StylizePipeline, draw_photo, style: Image.Image, width: int) -> None:
    for height in (16, 67 - width % 7):
        assert pipe(draw_photo(width, height), style).size == (width, height)


def test_padding_does_not_reach_the_result(pipe: StylizePipeline, draw_photo, style: Image.Image) -> None:
    odd = draw_photo(37, 29)
    assert (_values(pipe(odd, style, strength=0.0)) == _values(odd)).all()


def test_every_form_of_a_photo(pipe: StylizePipeline, photo: Image.Image, style: Image.Image, tmp_path: Path) -> None:
    photo.save(tmp_path / "photo.png")
    expected = _values(pipe(photo, style))
    for form in (tmp_path / "photo.png", str(tmp_path / "photo.png"), np.asarray(photo), np.asarray(photo) / 255.0):
        assert (_values(pipe(form, style)) == expected).all()
        assert (_values(pipe(photo, [style])) == expected).all()


def test_16_bit_photo(pipe: StylizePipeline, style: Image.Image, tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 20 * 30).reshape(20, 30).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    result = pipe(tmp_path / "deep.png", style, strength=0.0)
    assert np.abs(_values(result)[..., 0] - values / 257).max() <= 1


def test_alpha_is_given_back(pipe: StylizePipeline, photo: Image.Image, style: Image.Image) -> None:
    see_through = photo.copy()
    see_through.putalpha(_half(photo.size))
    result = pipe(see_through, style)
    assert result.mode == "RGBA"
    assert (_values(result.getchannel("A")) == _values(_half(photo.size))).all()
    assert pipe(see_through, style, max_side=20).getchannel("A").size == (20, 16)


@pytest.mark.parametrize(
    ("size", "max_side", "expected"),
    [((64, 48), 32, (32, 24)), ((64, 48), 64, (64, 48)), ((64, 48), 500, (64, 48)), ((160, 20), 40, (40, 16))],
)
def test_max_side(
    pipe: StylizePipeline,
    draw_photo,
    style: Image.Image,
    size: tuple[int, int],
    max_side: int,
    expected: tuple[int, int],
) -> None:
    assert pipe(draw_photo(*size), style, max_side=max_side).size == expected


# Controls


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0, MAX_STRENGTH])
def test_strength_reaches_the_network(
    pipe: StylizePipeline, fake: PixelStylizer, photo: Image.Image, style: Image.Image, strength: float
) -> None:
    content = to_tensor(photo)
    expected = fake.render(content, fake.code(_encoded_style(style)), strength)
    assert np.abs(_values(pipe(photo, style, strength=strength)) - _values(to_image(expected))).max() <= 1


def _encoded_style(style: Image.Image, scale: float = 1.0) -> Tensor:
    return module.resized_style(to_tensor(style), scale)


@pytest.mark.parametrize(
    ("controls", "message"),
    [
        ({"strength": -0.01}, r"strength must be between 0 and 1.5, got -0.01"),
        ({"strength": 1.51}, "strength must be between"),
        ({"strength": float("nan")}, "strength must be between"),
        ({"colour": "sepia"}, "colour must be one of style, luminance, match, histogram, got 'sepia'"),
        ({"style_scale": 0.2}, r"style_scale must be between 0.25 and 4.0, got 0.2"),
        ({"style_scale": 4.1}, "style_scale must be between"),
        ({"max_side": 15}, "max_side must be at least 16, got 15"),
        ({"weights": [1, 1]}, "1 styles but 2 weights"),
        ({"weights": [0]}, "sum to 0"),
        ({"weights": [-1]}, "at least 0"),
        ({"regions": []}, "1 styles but 0 regions"),
        ({"weights": [1], "regions": [Image.new("L", (40, 32), 255)]}, "either weights .* or regions"),
        ({"regions": [Image.new("L", (40, 32))]}, "all regions are empty"),
        ({"regions": [Image.new("L", (41, 32), 255)]}, "region 1 is 41×32, the photo 40×32: sizes must be equal"),
    ],
)
def test_controls_out_of_range(
    pipe: StylizePipeline,
    fake: PixelStylizer,
    photo: Image.Image,
    style: Image.Image,
    controls: dict[str, object],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        pipe(photo, style, **controls)
    assert not fake.encoded  # refused before any work is done


def test_no_style_and_pictures_too_small(pipe: StylizePipeline, photo: Image.Image, style: Image.Image) -> None:
    with pytest.raises(ValueError, match="at least one style"):
        pipe(photo, [])
    with pytest.raises(PictureError, match="the photo is 15×32 pixels; at least 16 a side"):
        pipe(photo.resize((15, 32)), style)
    with pytest.raises(PictureError, match="the style picture is 32×15"):
        pipe(photo, style.resize((32, 15)))


def test_small_file_is_named(pipe: StylizePipeline, photo: Image.Image, style: Image.Image, tmp_path: Path) -> None:
    photo.resize((8, 8)).save(tmp_path / "tiny.png")
    with pytest.raises(PictureError, match=r"the photo \(.*tiny\.png\) is 8×8 pixels"):
        pipe(tmp_path / "tiny.png", style)


# Mixtures


def test_weights_mix_codes(pipe: StylizePipeline, photo: Image.Image, styles: list[Image.Image]) -> None:
    alone = [_values(pipe(photo, style)) for style in styles]
    mixed = _values(pipe(photo, styles, weights=[2, 1, 1]))
    inside = np.all([(one > 3) & (one < 252) for one in [*alone, mixed]], axis=0)  # where nothing was clamped
    expected = (2 * alone[0] + alone[1] + alone[2]) / 4
    assert inside.mean() > 0.3
    assert np.abs(mixed - expected)[inside].max() <= 1.5


def test_equal_weights_are_the_default(pipe: StylizePipeline, photo: Image.Image, styles: list[Image.Image]) -> None:
    expected = _values(pipe(photo, styles, weights=[5, 5, 5]))
    assert (_values(pipe(photo, styles)) == expected).all()
    assert (_values(pipe(photo, styles, weights=np.ones(3))) == expected).all()


def test_one_hot_weight_is_that_style(pipe: StylizePipeline, photo: Image.Image, styles: list[Image.Image]) -> None:
    assert (_values(pipe(photo, styles, weights=[0, 1, 0])) == _values(pipe(photo, styles[1]))).all()


def test_weight_of_a_single_style_changes_nothing(
    pipe: StylizePipeline, photo: Image.Image, style: Image.Image
) -> None:
    assert (_values(pipe(photo, style, weights=[0.3])) == _values(pipe(photo, style))).all()


# Regions


def test_outside_a_region_the_photo_is_untouched(pipe: StylizePipeline, draw_photo, style: Image.Image) -> None:
    photo = draw_photo(90, 50)
    result = _values(pipe(photo, style, regions=[_half(photo.size)]))
    assert (result[:, 47:] == _values(photo)[:, 47:]).all()  # the edge is softened over a pixel or two
    assert np.abs(result[:, :42] - _values(photo)[:, :42]).mean() > 5


@pytest.mark.parametrize("colour", ["luminance", "match", "histogram"])
def test_outside_a_region_no_colour_mode_changes_the_photo(
    pipe: StylizePipeline, draw_photo, style: Image.Image, colour: str
) -> None:
    photo = draw_photo(90, 50)
    result = _values(pipe(photo, style, regions=[_half(photo.size)], colour=colour))
    assert (result[:, 47:] == _values(photo)[:, 47:]).all()


def test_white_region_is_no_region(pipe: StylizePipeline, photo: Image.Image, style: Image.Image) -> None:
    everywhere = pipe(photo, style, regions=[Image.new("L", photo.size, 255)])
    assert np.abs(_values(everywhere) - _values(pipe(photo, style))).max() <= 1


def test_each_style_stays_in_its_region(pipe: StylizePipeline, draw_photo, styles: list[Image.Image]) -> None:
    photo = draw_photo(80, 48)
    result = _values(pipe(photo, styles[:2], regions=[_half(photo.size), _half(photo.size, left=False)]))
    other = _values(pipe(photo, [styles[0], styles[2]], regions=[_half(photo.size), _half(photo.size, left=False)]))
    assert (result[:, :38] == other[:, :38]).all()
    assert np.abs(result[:, 42:] - other[:, 42:]).mean() > 5


def test_see_through_part_of_a_region_is_not_painted(
    pipe: StylizePipeline, photo: Image.Image, style: Image.Image
) -> None:
    """A brush layer is white paint on a transparent sheet: composited on white it would cover the whole photo."""
    layer = Image.new("RGBA", photo.size, (255, 255, 255, 0))
    layer.paste((255, 255, 255, 255), (0, 0, photo.width // 2, photo.height))
    expected = pipe(photo, style, regions=[_half(photo.size)])
    assert (_values(pipe(photo, style, regions=[layer])) == _values(expected)).all()


def test_one_empty_region_among_several(pipe: StylizePipeline, photo: Image.Image, styles: list[Image.Image]) -> None:
    empty = Image.new("L", photo.size)
    both = pipe(photo, styles[:2], regions=[_half(photo.size), empty])
    assert (_values(both) == _values(pipe(photo, styles[0], regions=[_half(photo.size)]))).all()


def test_regions_with_odd_sizes_and_max_side(pipe: StylizePipeline, draw_photo, style: Image.Image) -> None:
    photo = draw_photo(61, 43)
    assert pipe(photo, style, regions=[_half(photo.size)]).size == (61, 43)
    assert pipe(photo, style, regions=[_half(photo.size)], max_side=33).size == (33, 23)


# Style codes


def test_code_is_computed_once(
    pipe: StylizePipeline, fake: PixelStylizer, draw_photo, styles: list[Image.Image]
) -> None:
    for seed in range(3):
        pipe(draw_photo(32, 32, seed), styles[:2])
    assert len(fake.encoded) == 2
    pipe(draw_photo(32, 32), styles[0], strength=0.3)
    pipe(draw_photo(32, 32), styles[0].copy(), regions=[Image.new("L", (32, 32), 255)], colour="luminance")
    assert len(fake.encoded) == 2


def test_code_depends_on_scale_and_where_colours_are_matched_on_the_photo(
    pipe: StylizePipeline, fake: PixelStylizer, draw_photo, style: Image.Image
) -> None:
    for scale in (1.0, 0.5, 1.0, 0.5):
        pipe(draw_photo(32, 32), style, style_scale=scale)
    assert len(fake.encoded) == 2
    for seed in (0, 1, 0):
        pipe(draw_photo(32, 32, seed), style, colour="match")
    assert len(fake.encoded) == 4


@pytest.mark.parametrize(("scale", "side"), [(0.25, 128), (1.0, 512), (2.0, 1024)])
def test_style_scale_is_the_size_at_which_a_style_is_encoded(
    pipe: StylizePipeline, fake: PixelStylizer, photo: Image.Image, draw_style, scale: float, side: int
) -> None:
    pipe(photo, draw_style(30, 20), style_scale=scale)
    assert fake.encoded[-1].shape == (1, 3, side, side * 3 // 2)
    assert 0 <= fake.encoded[-1].min() <= fake.encoded[-1].max() <= 1


def test_long_style_does_not_fill_the_memory(
    pipe: StylizePipeline, fake: PixelStylizer, photo: Image.Image, draw_style
) -> None:
    """At a short side of 512 a style of 1600×16 would be encoded at 51,200×512: gigabytes for a scrap of a picture."""
    pipe(photo, draw_style(1600, 16))
    height, width = fake.encoded[-1].shape[-2:]
    assert width == pytest.approx(100 * height, rel=0.02)
    assert height * width == pytest.approx(4 * 512 * 512, rel=0.05)


def test_oldest_codes_are_forgotten(
    pipe: StylizePipeline, fake: PixelStylizer, photo: Image.Image, styles: list[Image.Image], monkeypatch
) -> None:
    monkeypatch.setattr(module, "CACHED_CODES", 2)
    for index in (0, 1, 0, 2, 0, 1):  # 0 is used again and again, so 1 is the one that goes
        pipe(photo, styles[index])
    assert len(fake.encoded) == 4
    assert len(pipe._codes) == 2


def test_several_threads_share_the_codes(
    pipe: StylizePipeline, photo: Image.Image, styles: list[Image.Image], monkeypatch
) -> None:
    monkeypatch.setattr(module, "CACHED_CODES", 1)
    monkeypatch.setattr(module, "STYLE_SIDE", 32)
    expected = [_values(pipe(photo, style)) for style in styles]
    wrong: list[object] = []

    def work(start: int) -> None:
        try:
            for step in range(20):
                index = (start + step) % 3
                if (_values(pipe(photo, styles[index])) != expected[index]).any():
                    wrong.append(index)
        except Exception as error:
            wrong.append(error)

    threads = [Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# Colours


def test_match_recolours_the_style_before(
    pipe: StylizePipeline, fake: PixelStylizer, photo: Image.Image, style: Image.Image
) -> None:
    pipe(photo, style, colour="match")
    torch.testing.assert_close(fake.encoded[-1].mean((0, 2, 3)), to_tensor(photo).mean((0, 2, 3)), rtol=0, atol=0.03)


def test_histogram_gives_the_photos_range(pipe: StylizePipeline, photo: Image.Image, style: Image.Image) -> None:
    result = pipe(photo, style, colour="histogram")
    for ours, theirs in zip(result.getextrema(), photo.getextrema(), strict=True):
        assert theirs[0] <= ours[0] <= ours[1] <= theirs[1]


def test_colour_modes_differ(pipe: StylizePipeline, photo: Image.Image, style: Image.Image) -> None:
    results = [_values(pipe(photo, style, colour=colour)) for colour in ("style", "luminance", "match", "histogram")]
    for index, one in enumerate(results):
        for other in results[index + 1 :]:
            assert np.abs(one - other).mean() > 1


# Stages


def test_stages_rise_to_one_and_end_with_the_picture(
    pipe: StylizePipeline, photo: Image.Image, styles: list[Image.Image]
) -> None:
    stages = list(pipe.stages(photo, styles))
    assert [stage.title for stage in stages] == [
        "reading the photo",
        "looking at style 1 of 3",
        "looking at style 2 of 3",
        "looking at style 3 of 3",
        "painting",
        "done",
    ]
    assert [stage.done for stage in stages] == sorted(stage.done for stage in stages)
    assert stages[-1].done == 1.0
    assert [stage.image is not None for stage in stages] == [False] * 5 + [True]


def test_stopping_in_between_does_no_more_work(
    pipe: StylizePipeline, fake: PixelStylizer, photo: Image.Image, styles: list[Image.Image]
) -> None:
    stages = pipe.stages(photo, styles)
    for _ in range(3):
        next(stages)
    stages.close()
    assert len(fake.encoded) == 1
    assert not fake.photos


@pytest.mark.parametrize("free", [None, 128_000])
def test_a_photo_that_fits_is_painted(
    pipe: StylizePipeline, photo, style, free, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "free_memory", lambda device: free)
    assert pipe(photo, style).size == (40, 32)  # 1,280 pixels of 100 bytes


def test_a_photo_too_large_for_the_memory(pipe: StylizePipeline, photo, style, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "free_memory", lambda device: 32_000)
    with pytest.raises(ValueError, match=r"40×32 pixels takes about .* a longer side \(max_side\) of at most 20 fits"):
        pipe(photo, style)
    assert pipe(photo, style, max_side=20).size == (20, 16)


# The real network


def test_strength_zero_is_the_autoencoded_photo(network: AdaINStylizer, checkpoint: Path, draw_photo, style) -> None:
    photo = draw_photo(48, 32)
    pipe = StylizePipeline.from_checkpoint(checkpoint, device="cpu")
    with torch.inference_mode():
        expected = network.decoder(network.encoder(to_tensor(photo), ("relu4_1",))["relu4_1"])
    result = pipe(photo, style, strength=0.0, style_scale=0.25)
    assert np.abs(_values(result) - _values(to_image(expected))).max() <= 2  # weights in half precision
    assert pipe.card.architecture == "adain"
    assert len(pipe.digest) == 64


@pytest.fixture(params=["checkpoint", "micro_checkpoint"])
def real(request: pytest.FixtureRequest) -> StylizePipeline:
    return StylizePipeline.from_checkpoint(request.getfixturevalue(request.param), device="cpu")


def test_real_network_with_every_control(real: StylizePipeline, draw_photo, styles: list[Image.Image]) -> None:
    photo = draw_photo(45, 35)
    masks = [_half(photo.size), _half(photo.size, left=False)]
    result = real(photo, styles[:2], regions=masks, colour="luminance", strength=1.2, style_scale=0.25)
    assert result.size == (45, 35)
    assert real(photo, styles[:2], weights=[1, 3], colour="histogram", style_scale=0.25).size == (45, 35)


def test_result_is_repeatable(real: StylizePipeline, draw_photo, style: Image.Image) -> None:
    photo = draw_photo(40, 40)
    first = _values(real(photo, style, style_scale=0.25))
    assert (_values(real(photo, style, style_scale=0.25)) == first).all()
