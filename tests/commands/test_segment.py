"""``styleapp segment``: masks that training finds, going on, and what is never overwritten."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from styleapp.checkpoint import Card, save_network
from styleapp.cli import main
from styleapp.data.labels import IGNORED, LabelSet
from styleapp.data.mask_pairs import LabelledPhotos, check_masks, pair_by_stem
from styleapp.data.masks import read_mask
from styleapp.models.segmenter import Segmenter
from styleapp.models.vgg import VGG19
from styleapp.pipelines.segment import SegmentPipeline

ENTRIES = [{"index": i, "name": name, "rgb": [i * 60, 200, 90]} for i, name in enumerate(("sky", "tree", "house"))]
LABELS = LabelSet.from_record({"classes": ENTRIES, "ignore_index": 255})


@pytest.fixture(scope="module")
def network(vgg: VGG19, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        built = Segmenter(3, width=8, encoder=vgg)
        built.to_labels.weight.data.mul_(8)
    card = Card("segmenter", built.options(), vgg.identity, record={"labels": LABELS.record()})
    return save_network(tmp_path_factory.mktemp("segmenter") / "s.safetensors", built.state_dict(), card)


@pytest.fixture
def album(desk: Path, draw_photo: Any) -> Path:
    """Photos in a folder and its sub-folder."""
    (desk / "album" / "town").mkdir(parents=True)
    for seed, name in enumerate(("a.jpg", "b.v2.png", "town/a.webp")):
        draw_photo(40 + seed, 30, seed).save(desk / "album" / name)
    return desk / "album"


@pytest.fixture(autouse=True)
def no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is: a progress bar would come between the messages."""
    monkeypatch.setattr("styleapp.commands.console.PATIENCE", 3600.0)


def _files(folder: str | Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def test_one_photo(desk: Path, network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["segment", "photo.png", "--checkpoint", str(network)]) == 0
    assert capsys.readouterr().out.startswith("masks/photo.png  40×32  100% labelled  ")
    assert _files("masks") == ["labels.yaml", "photo.png"]
    pipe = SegmentPipeline.from_checkpoint(network, device="cpu")
    assert LabelSet.load("masks/labels.yaml") == LABELS
    assert np.array_equal(read_mask("masks/photo.png", LABELS), pipe("photo.png"))


def test_a_folder_gives_masks_that_training_takes(album: Path, network: Path, document: Callable[[], Any]) -> None:
    words = ["segment", "album", "-o", "masks", "--sureness", "0.5", "--json", "--checkpoint", str(network)]
    assert main(words) == 0
    assert _files("masks") == ["a.png", "b.v2.png", "labels.yaml", "town/a.png"]
    pairing = pair_by_stem(album, "masks")
    assert len(pairing.pairs) == 3 and not pairing.photos_alone and not pairing.masks_alone
    assert not check_masks(pairing.pairs, LABELS).unusable
    assert len(LabelledPhotos(album, "masks", LabelSet.load("masks/labels.yaml"))) == 3
    report = document()
    assert report["legend"] == "masks/labels.yaml" and report["problems"] == []
    for record in report["masks"]:
        assert set(record) == {"input", "output", "seconds", "size", "labelled"}
        numbers = read_mask(record["output"], LABELS)
        assert record["labelled"] == pytest.approx((numbers != IGNORED).mean(), abs=1e-4)
        assert record["size"] == [numbers.shape[1], numbers.shape[0]]


def test_goes_on_after_a_bad_photo(desk: Path, network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["segment", "bad.jpg", "missing.png", "empty", "photo.png", "--checkpoint", str(network)]
    (desk / "empty").mkdir()
    assert main(words) == 1
    err = capsys.readouterr().err
    assert "bad.jpg is not a picture" in err and "missing.png does not exist" in err
    assert "empty holds no picture" in err and "1 of 3 masks were made" in err
    assert _files("masks") == ["labels.yaml", "photo.png"]


def test_one_file_with_its_legend(desk: Path, network: Path) -> None:
    assert main(["segment", "photo.png", "-o", "new/m.png", "--size", "20", "--checkpoint", str(network)]) == 0
    assert _files("new") == ["labels.yaml", "m.png"]
    with Image.open("new/m.png") as image:
        assert image.size == (20, 16) and image.mode == "P"


def test_resume_makes_what_is_missing(album: Path, network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["segment", "album", "-o", "masks", "--checkpoint", str(network)]
    assert main(words) == 0
    made = {name: (Path("masks") / name).read_bytes() for name in _files("masks")}
    Path("masks/town/a.png").unlink()
    Path("masks/a.png").write_bytes(b"stays as it is")
    capsys.readouterr()
    assert main([*words, "--resume"]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1 and out.startswith("masks/town/a.png")
    assert "2 masks were there already" in err
    assert Path("masks/town/a.png").read_bytes() == made["town/a.png"]
    assert Path("masks/a.png").read_bytes() == b"stays as it is"
    assert main([*words, "--resume"]) == 0
    assert main(words) == 0  # without it they are made again
    assert {name: (Path("masks") / name).read_bytes() for name in _files("masks")} == made


def test_photos_of_one_stem(album: Path, draw_photo: Any, network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_photo(30, 30, 9).save(album / "a.png")
    assert main(["segment", "album", "-o", "masks", "--checkpoint", str(network)]) == 1
    assert "album/a.png has no mask of its own: masks/a.png is that of album/a.jpg" in capsys.readouterr().err
    assert read_mask("masks/a.png", LABELS).shape == (30, 40)


def test_masks_inside_the_album_are_no_photos(album: Path, network: Path) -> None:
    words = ["segment", "album", "-o", "album/masks", "--checkpoint", str(network)]
    assert main(words) == 0
    assert main(words) == 0
    assert _files("album/masks") == ["a.png", "b.v2.png", "labels.yaml", "town/a.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("segment album -o album", "read from and written to"),
        ("segment album -o one.png", "one.png is one file, but there are 3 masks"),
        ("segment photo.png -o .", "photo.png is one of the photos and would be overwritten"),
        ("segment photo.png -o photo.png", "photo.png is the photo and would be overwritten"),
        ("segment photo.png -o mask.jpg", "mask.jpg cannot be written: a mask ends with .png"),
        ("segment bad.jpg", "bad.jpg is not a picture"),
        ("segment empty", "empty holds no picture"),
        ("segment photo.png --sureness 2", "sureness must be between 0 and 1, got 2.0"),
        ("segment photo.png --size 0", "size must be at least 1, got 0"),
        ("segment photo.png -o other", "labels.yaml is the legend of another label set"),
        ("segment", "required: PHOTO"),
    ],
)
def test_refuses_bad_input(words: str, said: str, album: Path, network: Path, refused: Callable[..., str]) -> None:
    Path("empty").mkdir()
    LabelSet.from_record({"classes": ENTRIES[:2]}).save("other/labels.yaml")
    before = _files(".")
    assert said in refused(*words.split(), "--checkpoint", network)
    assert _files(".") == before


def test_refuses_another_network(desk: Path, micro_checkpoint: Path, refused: Callable[..., str]) -> None:
    message = refused("segment", "photo.png", "--checkpoint", micro_checkpoint)
    assert "holds a network of architecture 'micro'; segmenter is needed" in message


def test_a_full_disk_ends_it_and_leaves_nothing(
    album: Path, network: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("styleapp.data.masks.write_whole", full)
    message = refused("segment", "album", "-o", "masks", "--checkpoint", network)
    assert message.count("No space left on device") == 1
    assert _files("masks") == ["labels.yaml"]
