"""Photos into masks: the network's own labels, sizes, unsure pixels, and what is said of bad input."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from styleapp.checkpoint import Card, CheckpointError, load_network, save_network
from styleapp.data.labels import IGNORED, LabelSet
from styleapp.data.pairs import centre_crop
from styleapp.data.pictures import PictureError
from styleapp.models.segmenter import Segmenter
from styleapp.models.vgg import VGG19
from styleapp.pipelines import segment
from styleapp.pipelines.segment import SegmentPipeline

ENTRIES = [{"index": i, "name": name, "rgb": [i * 60, 200, 90]} for i, name in enumerate(("sky", "tree", "house"))]
LABELS = LabelSet.from_record({"classes": ENTRIES, "ignore_index": 255})


@pytest.fixture(scope="module")
def saved(vgg: VGG19, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained segmenter that is as sure as a trained one."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Segmenter(3, width=8, encoder=vgg)
        network.to_labels.weight.data.mul_(8)
    card = Card("segmenter", network.options(), vgg.identity, record={"labels": LABELS.record()})
    return save_network(tmp_path_factory.mktemp("segmenter") / "s.safetensors", network.state_dict(), card)


@pytest.fixture(scope="module")
def pipe(saved: Path) -> SegmentPipeline:
    return SegmentPipeline.from_checkpoint(saved, device="cpu")


def test_labels_are_those_of_the_scores(pipe: SegmentPipeline, saved: Path, draw_photo: Any) -> None:
    """A square photo at the size of the scores, through the network as the scores use it."""
    photo = draw_photo(256, 256)
    network, _, _ = load_network(saved)
    with torch.inference_mode():
        expected = network(centre_crop(photo, 256)[None]).argmax(1)[0].numpy()
    found = pipe(photo)
    assert found.dtype == np.uint8 and found.shape == (256, 256)
    assert (found == expected).mean() > 0.999
    assert len(np.unique(found)) == 3
    assert pipe.labels == LABELS


@pytest.mark.parametrize("form", ["path", "text", "picture", "array"])
def test_any_form_of_photo(pipe: SegmentPipeline, draw_photo: Any, tmp_path: Path, form: str) -> None:
    photo = draw_photo(60, 40)
    photo.save(tmp_path / "photo.png")
    forms = {
        "path": tmp_path / "photo.png", "text": str(tmp_path / "photo.png"), "picture": photo,
        "array": np.asarray(photo) / 255,
    }  # fmt: skip
    assert np.array_equal(pipe(forms[form]), pipe(Image.open(tmp_path / "photo.png")))


@pytest.mark.parametrize(
    ("photo", "size", "mask"),
    [
        ((60, 40), None, (40, 60)),
        ((60, 40), 90, (60, 90)),
        ((60, 40), 30, (20, 30)),
        ((300, 600), None, (600, 300)),
        ((1, 1), None, (1, 1)),
        ((90, 1), None, (1, 90)),
        ((90, 1), 7, (1, 7)),
    ],
)
def test_sizes(
    pipe: SegmentPipeline, draw_photo: Any, photo: tuple[int, int], size: int | None, mask: tuple[int, int]
) -> None:
    assert pipe(draw_photo(*photo), size=size).shape == mask


def test_a_photo_is_looked_at_at_one_size(pipe: SegmentPipeline, draw_photo: Any) -> None:
    """A larger mask, or a larger copy of the photo, has the same things in the same places."""
    photo = draw_photo(128, 96)
    small = pipe(photo)
    for large in (pipe(photo, size=512), pipe(photo.resize((512, 384), Image.Resampling.BICUBIC))):
        assert large.shape == (384, 512)
        assert (large[2::4, 2::4] == small).mean() > 0.97


def test_long_photos_are_looked_at_at_a_bounded_area() -> None:
    assert segment._as_seen(Image.new("RGB", (600, 300))).size == (512, 256)
    assert segment._as_seen(Image.new("RGB", (1600, 400))).size == (1024, 256)
    width, height = segment._as_seen(Image.new("RGB", (100, 6400))).size
    assert width * height == pytest.approx(1024 * 256, rel=0.01) and height == 64 * width


def test_planes_are_enlarged_one_after_the_other_as_together() -> None:
    probabilities = torch.rand(1, 5, 13, 9).softmax(1)
    best, labels = segment._best(probabilities, (40, 31))
    whole = interpolate(probabilities, size=(40, 31), mode="bilinear", antialias=True)
    expected = whole.max(1)
    torch.testing.assert_close(best, expected.values[0])
    assert torch.equal(labels.long(), expected.indices[0])


def test_unsure_pixels_have_no_label(pipe: SegmentPipeline, draw_photo: Any) -> None:
    photo = draw_photo(256, 200)
    sure = pipe(photo)
    shares = []
    for sureness in (0.34, 0.5, 0.7, 0.9, 1.0):
        found = pipe(photo, sureness=sureness)
        labelled = found != IGNORED
        assert np.array_equal(found[labelled], sure[labelled])
        shares.append(labelled.mean())
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.9 > shares[2] > 0 == shares[-1]


def test_unsure_by_hand(pipe: SegmentPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    odds = torch.tensor([[0.6, 0.3, 0.1], [0.4, 0.35, 0.25]]).log()  # left and right half
    planes = odds.T[None, :, None].expand(1, 3, 256, 2).repeat_interleave(128, dim=3)
    monkeypatch.setattr(pipe.network, "forward", lambda photo: planes)
    found = pipe(Image.new("RGB", (256, 256)), sureness=0.5)
    assert (found[:, :128] == 0).all() and (found[:, 128:] == IGNORED).all()


@pytest.mark.parametrize(
    ("controls", "message"),
    [
        ({"sureness": 1.1}, "sureness must be between 0 and 1, got 1.1"),
        ({"sureness": float("nan")}, "sureness must be between 0 and 1, got nan"),
        ({"size": 0}, "size must be at least 1, got 0"),
    ],
)
def test_controls_out_of_range(pipe: SegmentPipeline, draw_photo: Any, controls: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pipe(draw_photo(20, 20), **controls)


def test_unsure_needs_something_to_call_it(pipe: SegmentPipeline, draw_photo: Any) -> None:
    card = Card("segmenter", record={"labels": {"classes": ENTRIES}})
    strict = SegmentPipeline(pipe.network, card)
    assert strict(draw_photo(20, 20)).max() < 3
    with pytest.raises(ValueError, match="sureness must be 0, got 0.5: the label set has nothing for pixels without"):
        strict(draw_photo(20, 20), sureness=0.5)


def test_photos_that_cannot_be_used(pipe: SegmentPipeline, tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="nothing.jpg does not exist"):
        pipe(tmp_path / "nothing.jpg")
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(PictureError, match="bad.jpg is not a picture"):
        pipe(tmp_path / "bad.jpg")


def test_too_large_for_the_memory(pipe: SegmentPipeline, draw_photo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "free_memory", lambda device: 400 * 300 * segment.BYTES_PER_PIXEL // 4)
    with pytest.raises(ValueError, match="a mask of 400×300 pixels takes about .* a size of at most 200 fits"):
        pipe(draw_photo(40, 30), size=400)
    assert pipe(draw_photo(40, 30), size=200).shape == (150, 200)


def test_checkpoints_that_cannot_be_used(pipe: SegmentPipeline, micro_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="architecture 'micro'; segmenter is needed"):
        SegmentPipeline.from_checkpoint(micro_checkpoint)
    with pytest.raises(CheckpointError, match="does not say what its labels mean"):
        SegmentPipeline(pipe.network, Card("segmenter"))
    with pytest.raises(CheckpointError, match="names 2 labels for 3 planes"):
        SegmentPipeline(pipe.network, Card("segmenter", record={"labels": {"classes": ENTRIES[:2]}}))
