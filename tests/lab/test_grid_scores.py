"""Scores of a cell's network: those of the pipelines, over the unseen pictures of its recipe."""

from pathlib import Path
from typing import Any

import pytest

from styleapp.checkpoint import load_network
from styleapp.data.pictures import held_out, list_pictures
from styleapp.lab.grid import Scoring
from styleapp.lab.grid_scores import scores_of
from styleapp.models.vgg import VGG19
from styleapp.pipelines.evaluate import evaluate


def _recipe(**data: Any) -> dict[str, Any]:
    return {"data": {"init_args": data}}


def test_named_styles(
    named_checkpoint: Path, photo_folder: Path, style_folder: Path, vgg: VGG19, tmp_path: Path
) -> None:
    """Held-out photos × the network's own styles, whatever else the folder has."""
    names = ("wave", "night", "scream")
    pictures = list_pictures(style_folder)
    for name, picture in zip((*names, "other"), pictures, strict=False):
        (tmp_path / f"{name}.png").write_bytes(picture.read_bytes())
    recipe = _recipe(photos=str(photo_folder), styles=str(tmp_path))
    scores = scores_of(named_checkpoint, recipe, Scoring(photos=1, size=48))
    photo = next(path for path in list_pictures(photo_folder) if held_out(path))
    network: Any = load_network(named_checkpoint)[0]
    found = evaluate(network, vgg, [photo], [tmp_path / f"{name}.png" for name in names], size=48)
    assert scores == {
        "style_distance": pytest.approx(found.rows[0].style_distance),
        "content_distance": pytest.approx(found.rows[0].content_distance),
        "photo_itself_style_distance": pytest.approx(found.photo_itself.style_distance),
    }


@pytest.mark.parametrize("segmented", [False, True])
def test_label_maps(
    spade_checkpoint: Path, segmenter_checkpoint: Path, labelled_photos: Path, tmp_path: Path, segmented: bool
) -> None:
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "images").symlink_to(labelled_photos / "photos")
    (tmp_path / "val" / "labels").symlink_to(labelled_photos / "masks")
    scoring = Scoring(photos=1, segmenter=str(segmenter_checkpoint) if segmented else None)
    scores = scores_of(spade_checkpoint, _recipe(folder=str(tmp_path)), scoring)
    agreement = {"pixel_accuracy", "mean_iou"} if segmented else set()
    assert set(scores) == {"statistics_distance", "colour_error"} | agreement


def test_other_architectures_have_no_scores(micro_checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="'micro' is not scored; multistyle, spade, concatenated are"):
        scores_of(micro_checkpoint, _recipe(), Scoring())
