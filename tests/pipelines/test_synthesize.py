"""Masks into pictures: any form of mask, seeds and styles, sizes, and what is said of bad input."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import styleapp
from styleapp.checkpoint import Card, CheckpointError, load_network, save_network
from styleapp.data.labels import IGNORED, LabelError, LabelSet
from styleapp.data.mask_colours import paint_mask
from styleapp.data.pictures import PictureError
from styleapp.models.spade import SpadeGenerator
from styleapp.pipelines import synthesize
from styleapp.pipelines.images import to_image, to_tensor
from styleapp.pipelines.stylize import StylizePipeline
from styleapp.pipelines.synthesize import SynthesizePipeline

COLOURS = {"sky": (90, 150, 220), "tree": (30, 90, 40), "house": (180, 120, 80)}
ENTRIES = [{"index": index, "name": name, "rgb": list(rgb)} for index, (name, rgb) in enumerate(COLOURS.items())]
RECORD = {"labels": {"classes": [*ENTRIES, {"index": 255, "name": "none", "rgb": [0, 0, 0], "ignore": True}]}}

Saved = Callable[..., Path]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """Writes a small untrained generator: ``saved(record, latent=…)``."""

    def save(record: dict[str, Any] | None = None, **options: Any) -> Path:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            small = {"hidden": 4, "latent": 4, "style_planes": 2, "style_widths": (6,), "weight_norm": "none"}
            network = SpadeGenerator(3, ((8,), (8,), (6,)), **{**small, **options})  # type: ignore[arg-type]
            for name, parameter in network.named_parameters():
                if "modulator" in name or "to_rgb" in name or "style_encoder" in name:
                    parameter.data.add_(torch.randn_like(parameter))  # as if trained: map and style are seen
        card = Card("spade", network.options(), record=RECORD if record is None else record)
        path = tmp_path_factory.mktemp("spade") / "spade.safetensors"
        return save_network(path, network.state_dict(), card)

    return save


@pytest.fixture(scope="module")
def pipe(saved: Saved) -> SynthesizePipeline:
    return SynthesizePipeline.from_checkpoint(saved(), device="cpu")


@pytest.fixture
def numbers() -> np.ndarray:
    """A house under the sky, 40×32, with a corner without label."""
    mask = np.zeros((32, 40), dtype=np.uint8)
    mask[20:] = 1
    mask[12:26, 10:30] = 2
    mask[:3, :3] = IGNORED
    return mask


def _same(one: Image.Image, other: Image.Image) -> bool:
    return np.array_equal(np.asarray(one), np.asarray(other))


# What it makes


def test_it_is_found_at_the_top(pipe: SynthesizePipeline) -> None:
    assert styleapp.SynthesizePipeline is SynthesizePipeline
    assert "SynthesizePipeline" in styleapp.__all__
    assert pipe.labels.names == ("sky", "tree", "house")


def test_picture_is_that_of_the_network(saved: Saved, numbers: np.ndarray) -> None:
    path = saved()
    network, _, _ = load_network(path)
    planes = torch.from_numpy(np.stack([numbers == label for label in range(3)])).float()[None]
    z = torch.randn(1, 4, generator=torch.Generator().manual_seed(7))
    with torch.inference_mode():
        expected = to_image(network(planes, z))
    picture = SynthesizePipeline.from_checkpoint(path, device="cpu")(numbers, seed=7)
    assert picture.size == (40, 32) and picture.mode == "RGB"
    assert np.abs(np.asarray(picture).astype(int) - np.asarray(expected)).max() <= 1


@pytest.mark.parametrize("form", ["file", "picture", "wide", "colours", "colour file", "palette", "transparent"])
def test_any_form_of_mask(pipe: SynthesizePipeline, numbers: np.ndarray, form: str, tmp_path: Path) -> None:
    colours = paint_mask(numbers, pipe.labels)
    seen_through = np.dstack([colours, np.where(numbers == IGNORED, 0, 255).astype(np.uint8)])
    indexed = Image.fromarray(numbers)
    Image.fromarray(colours).save(tmp_path / "colours.png")
    indexed.save(tmp_path / "numbers.png")
    forms: dict[str, Any] = {
        "file": tmp_path / "numbers.png",
        "picture": indexed,
        "wide": numbers.astype(np.int64),
        "colours": colours,
        "colour file": str(tmp_path / "colours.png"),
        "palette": Image.fromarray(colours).convert("P", palette=Image.Palette.ADAPTIVE, colors=8),
        "transparent": Image.fromarray(seen_through),
    }
    assert _same(pipe(forms[form]), pipe(numbers))


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (33, 17), (64, 64)])
def test_picture_has_the_size_of_the_mask(pipe: SynthesizePipeline, size: tuple[int, int]) -> None:
    assert pipe(np.zeros(size, dtype=np.uint8)).size == size[::-1]


def test_every_label_shows(pipe: SynthesizePipeline, numbers: np.ndarray) -> None:
    other = np.where(numbers == 2, 1, numbers)
    change = np.abs(np.asarray(pipe(numbers)).astype(int) - np.asarray(pipe(other)))
    assert change.max() > 3


# Seeds and styles


def test_seed_draws_the_style(pipe: SynthesizePipeline, numbers: np.ndarray) -> None:
    assert _same(pipe(numbers, seed=1), pipe(numbers, seed=1))
    assert not _same(pipe(numbers, seed=1), pipe(numbers, seed=2))
    assert _same(pipe(numbers), pipe(numbers, seed=0))


def test_style_picture(pipe: SynthesizePipeline, numbers: np.ndarray, draw_photo: Any, draw_style: Any) -> None:
    one, other = draw_photo(50, 30), draw_style(30, 40)
    assert not _same(pipe(numbers, style=one), pipe(numbers, style=other))
    assert _same(pipe(numbers, seed=1, style=one), pipe(numbers, seed=2, style=one))  # of the picture alone
    assert _same(pipe(numbers, seed=3, style=one, style_strength=0), pipe(numbers, seed=3))


def test_strength_mixes(pipe: SynthesizePipeline, draw_photo: Any) -> None:
    photo = draw_photo(50, 30)
    ends = [pipe.style(5), pipe.style(5, photo)]
    assert pipe.network.style_encoder is not None
    torch.testing.assert_close(ends[1], pipe.network.style_encoder(to_tensor(photo))[0])
    torch.testing.assert_close(pipe.style(5, photo, 0.25), 0.75 * ends[0] + 0.25 * ends[1])


def test_network_without_a_style(saved: Saved, numbers: np.ndarray, draw_photo: Any) -> None:
    plain = SynthesizePipeline.from_checkpoint(saved(latent=0, style_widths=()), device="cpu")
    assert plain.style(3) is None and not plain.takes_styles
    assert _same(plain(numbers, seed=1), plain(numbers, seed=2))
    with pytest.raises(ValueError, match="no style encoder: it takes a seed, but no style picture"):
        plain(numbers, style=draw_photo(32, 32))


# Sizes


@pytest.mark.parametrize(("size", "expected"), [(20, (20, 16)), (80, (80, 64)), (40, (40, 32))])
def test_size_is_the_longer_side(
    pipe: SynthesizePipeline, numbers: np.ndarray, size: int, expected: tuple[int, int]
) -> None:
    assert pipe(numbers, size=size).size == expected
    if size == 80:
        assert _same(pipe(numbers, size=80), pipe(numbers.repeat(2, 0).repeat(2, 1)))


def test_sizes_far_from_those_trained_on_are_told(
    saved: Saved, numbers: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    trained = SynthesizePipeline.from_checkpoint(saved({**RECORD, "sides": [24, 32]}), device="cpu")
    with caplog.at_level(logging.WARNING):
        for size in (30, 40, 60):  # short sides 24, 32 and 48
            trained(numbers, size=size)
        assert not caplog.records
        trained(numbers, size=64)
        trained(numbers, size=18)
    assert [record.getMessage().split(",")[0] for record in caplog.records] == [
        "the mask's short side is 51 pixels",
        "the mask's short side is 14 pixels",
    ]
    assert "trained on 24 to 32" in caplog.records[0].getMessage()


def test_too_large_for_the_memory(
    pipe: SynthesizePipeline, numbers: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = numbers.size * pipe.network.bytes_per_pixel
    monkeypatch.setattr(synthesize, "free_memory", lambda device: needed // 4)
    with pytest.raises(ValueError, match=r"painting 40×32 pixels takes about .* a size of at most (19|20) fits"):
        pipe(numbers)
    assert pipe(numbers, size=19).size == (19, 15)


def test_memory_of_the_default_network() -> None:
    """Measured: 1,130 to 1,340 bytes a pixel."""
    with torch.device("meta"):
        assert 1130 <= SpadeGenerator(12, weight_norm="none").bytes_per_pixel <= 1340


# Bad input


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.full((4, 4), 3, dtype=np.uint8), r"the mask has the label 3 \(16 pixels\); known are 0 to 2 and 255"),
        (np.full((4, 4), -1), r"the mask has the label -1 \(16 pixels\)"),
        (np.zeros((0, 4), dtype=np.uint8), "the mask has no pixel: it is 4×0"),
        (np.zeros((4, 4)), "values of type float64: label numbers and colours are whole numbers"),
        (np.full((4, 4), IGNORED, dtype=np.uint8), "the mask has no pixel with a label: there is nothing to paint"),
        (np.full((8, 8, 3), 255, dtype=np.uint8), r"255.*sky"),
        (np.zeros((2, 4, 4, 3), dtype=np.uint8), "must be H×W numbers or H×W×3 colours"),
    ],
    ids=["beyond", "negative", "empty", "fractions", "ignored", "white", "batch"],
)
def test_masks_that_cannot_be_used(pipe: SynthesizePipeline, mask: np.ndarray, message: str) -> None:
    with pytest.raises(LabelError, match=message) as caught:
        pipe(mask)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_used(pipe: SynthesizePipeline, numbers: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="nothing.png does not exist"):
        pipe(tmp_path / "nothing.png")
    with pytest.raises(PictureError, match="nothing.jpg does not exist"):
        pipe(numbers, style=tmp_path / "nothing.jpg")
    Image.fromarray(np.full((4, 4), IGNORED, dtype=np.uint8)).save(tmp_path / "void.png")
    with pytest.raises(LabelError, match=r"void\.png has no pixel with a label"):
        pipe(tmp_path / "void.png")


@pytest.mark.parametrize(
    ("controls", "message"),
    [
        ({"seed": -1}, "seed must be a whole number from 0 to .*, got -1"),
        ({"seed": 0.5}, "seed must be a whole number"),
        ({"seed": 2**63}, "seed must be a whole number"),
        ({"style_strength": 1.1}, "style_strength must be between 0 and 1, got 1.1"),
        ({"size": 0}, "size must be at least 1, got 0"),
    ],
)
def test_controls_out_of_range(
    pipe: SynthesizePipeline, numbers: np.ndarray, controls: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        pipe(numbers, **controls)


def test_checkpoints_that_cannot_be_used(saved: Saved, micro_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="holds a network of architecture 'micro'; spade is needed"):
        SynthesizePipeline.from_checkpoint(micro_checkpoint)
    with pytest.raises(CheckpointError, match="does not say what its labels mean"):
        SynthesizePipeline.from_checkpoint(saved({"steps": 3}))
    two = LabelSet.from_record({"classes": ENTRIES[:2]}).record()
    with pytest.raises(CheckpointError, match="names 2 labels for 3 planes"):
        SynthesizePipeline.from_checkpoint(saved({"labels": two}))


def test_generators_are_no_stylizers(saved: Saved) -> None:
    with pytest.raises(CheckpointError, match="architecture 'spade': no stylizer"):
        StylizePipeline.from_checkpoint(saved(), device="cpu")
