"""Scores of pictures from masks against their definitions, and where they must be 0 or 1."""

import pytest
import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_jaccard_index

from styleapp.data.labels import IGNORED
from styleapp.models.segmenter import Segmenter
from styleapp.models.vgg import VGG19
from styleapp.pipelines.images import to_tensor
from styleapp.scores import (
    STATISTICS_TAPS,
    SynthesisJudge,
    class_overlaps,
    confusion_matrix,
    flat_pictures,
    join_tallies,
    label_agreement,
    statistics_distance,
    tally,
)

LABELS = 3


@pytest.fixture(scope="module")
def photos(draw_photo) -> Tensor:
    return torch.cat([to_tensor(draw_photo(32, 32, seed)) for seed in range(4)])


@pytest.fixture(scope="module")
def masks() -> Tensor:
    random = torch.Generator().manual_seed(0)
    masks = torch.randint(LABELS, (4, 8, 8), generator=random).repeat_interleave(4, 1).repeat_interleave(4, 2)
    masks[:, :4, :4] = IGNORED
    return masks.to(torch.uint8)


@pytest.fixture(scope="module")
def segmenter(vgg: VGG19) -> Segmenter:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Segmenter(LABELS, 8, vgg).eval().requires_grad_(False)


# Label agreement


def test_confusion_by_hand() -> None:
    mask = torch.tensor([[0, 0, 1], [2, IGNORED, 1]], dtype=torch.uint8)
    predicted = torch.tensor([[0, 1, 1], [0, 2, 1]])
    assert confusion_matrix(predicted, mask, 3).tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    agreement = label_agreement(confusion_matrix(predicted, mask, 3))
    assert agreement.pixel_accuracy == pytest.approx(3 / 5)
    assert agreement.mean_iou == pytest.approx((1 / 3 + 2 / 3 + 0) / 3)


@pytest.mark.parametrize("seed", range(3))
def test_agreement_equals_torchmetrics(masks: Tensor, seed: int) -> None:
    predicted = torch.randint(LABELS, masks.shape, generator=torch.Generator().manual_seed(seed))
    agreement = label_agreement(confusion_matrix(predicted, masks, LABELS))
    options = {"num_classes": LABELS, "ignore_index": IGNORED}
    accuracy = multiclass_accuracy(predicted, masks.long(), average="micro", **options)
    assert agreement.pixel_accuracy == pytest.approx(accuracy.item(), rel=1e-5)
    assert agreement.mean_iou == pytest.approx(
        multiclass_jaccard_index(predicted, masks.long(), **options).item(), rel=1e-5
    )


def test_classes_that_nobody_has_do_not_count() -> None:
    mask = torch.tensor([0, 0, 1, 1])
    assert label_agreement(confusion_matrix(mask, mask, 5)) == (1, 1)


def test_overlap_of_each_class() -> None:
    """Of class 0 one pixel of three, of class 1 two of three, none of class 2; class 3 is neither there nor guessed."""
    confusion = torch.tensor([[1, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    expected = torch.tensor([1 / 3, 2 / 3, 0, torch.nan], dtype=torch.double)
    torch.testing.assert_close(class_overlaps(confusion), expected, equal_nan=True)


# Statistics


def test_tally_by_its_definition(vgg: VGG19, photos: Tensor, masks: Tensor, segmenter: Segmenter) -> None:
    found = tally(photos, masks, LABELS, vgg, segmenter)
    features = vgg(photos, STATISTICS_TAPS)
    for tap, statistics in zip(STATISTICS_TAPS, found.statistics, strict=True):
        flat = features[tap].flatten(2)
        expected = torch.cat([flat.mean(2), flat.std(2, correction=0)], 1)
        torch.testing.assert_close(statistics, expected, rtol=1e-3, atol=1e-3)
    for label in range(LABELS):
        pixels = photos.permute(0, 2, 3, 1)[masks == label].double()
        assert found.pixels[label] == len(pixels)
        torch.testing.assert_close(found.colours[label], pixels.sum(0))
    assert torch.equal(found.confusion, confusion_matrix(segmenter(photos).argmax(1), masks, LABELS))


def test_joined_tallies_are_those_of_all(vgg: VGG19, photos: Tensor, masks: Tensor, segmenter: Segmenter) -> None:
    parts = [tally(photos[rows], masks[rows], LABELS, vgg, segmenter) for rows in (slice(1), slice(1, 4))]
    whole = tally(photos, masks, LABELS, vgg, segmenter)
    torch.testing.assert_close(join_tallies(parts), whole, rtol=1e-3, atol=1e-3)


def test_statistics_distance_by_hand() -> None:
    """Means (1, 2) against (3, 2) and deviations (1, 0) against (0, 0), over 3² + 2²; twice, for two taps."""
    generated, real = torch.tensor([[0.0, 2.0], [2.0, 2.0]]), torch.tensor([[3.0, 2.0], [3.0, 2.0]])
    assert statistics_distance([generated], [real]) == pytest.approx((4 + 1) / 13)
    assert statistics_distance([generated] * 2, [real] * 2) == pytest.approx(10 / 13)
    assert statistics_distance([real], [real]) == 0


def test_flat_pictures_by_hand() -> None:
    masks = torch.tensor([[[0, 1], [2, IGNORED]]], dtype=torch.uint8)
    colours = torch.tensor([[2.0, 4.0, 6.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]], dtype=torch.double)
    flat = flat_pictures(masks, colours, torch.tensor([4.0, 2.0, 0.0], dtype=torch.double))
    expected = [[[0.5, 1.0, 1.5], [0.5, 0.5, 0.5]], [[0, 0, 0], [3 / 6, 5 / 6, 7 / 6]]]
    torch.testing.assert_close(flat, torch.tensor([expected]).permute(0, 3, 1, 2))


# All together


def _scored(judge: SynthesisJudge, pictures: Tensor, photos: Tensor, masks: Tensor) -> dict[str, float]:
    for index in range(len(photos)):
        judge.add(*(part[index : index + 1] for part in (pictures, photos, masks)))
    return judge.scores()


def test_photos_themselves_and_flat_pictures(vgg: VGG19, photos: Tensor, masks: Tensor, segmenter: Segmenter) -> None:
    judge = SynthesisJudge(LABELS, vgg, segmenter)
    itself = _scored(judge, photos, photos, masks)
    assert itself["statistics_distance"] == pytest.approx(0, abs=1e-9)
    assert itself["colour_error"] == 0
    assert itself["pixel_accuracy"] == itself["photo_pixel_accuracy"] > 0
    real = join_tallies(judge.photos)
    flat = _scored(judge, flat_pictures(masks, real.colours, real.pixels), photos, masks)
    assert flat["statistics_distance"] == pytest.approx(1)
    assert flat["colour_error"] == pytest.approx(0, abs=1e-6)
    assert flat["photo_mean_iou"] == itself["mean_iou"]


def test_references(vgg: VGG19, photos: Tensor, masks: Tensor, segmenter: Segmenter) -> None:
    """Those of photos and flat pictures are what these get as outputs; other photos are a half and the other one."""
    judge = SynthesisJudge(LABELS, vgg, segmenter)
    _scored(judge, photos.flip(-1), photos, masks)
    found = judge.references()
    real = join_tallies(judge.photos)
    flats = flat_pictures(masks, real.colours, real.pixels)
    for kind, pictures in (("photos", photos), ("flat", flats)):
        scores = _scored(SynthesisJudge(LABELS, vgg, segmenter), pictures, photos, masks)
        assert found[kind] == pytest.approx({name: scores[name] for name in found[kind]})
        assert set(found[kind]) == {"statistics_distance", "colour_error", "pixel_accuracy", "mean_iou"}
    of_photos, of_flats = (tally(pictures, masks, LABELS, vgg).statistics for pictures in (photos, flats))
    ways = []
    for half, other in ((slice(0, None, 2), slice(1, None, 2)), (slice(1, None, 2), slice(0, None, 2))):
        against = [one[other] for one in of_photos]
        distance = statistics_distance([one[half] for one in of_photos], against)
        ways.append(distance / statistics_distance([one[other] for one in of_flats], against))
    assert found["other_photos"] == {"statistics_distance": pytest.approx(sum(ways) / 2, rel=1e-4)}


def test_one_photo_has_no_halves(vgg: VGG19, photos: Tensor, masks: Tensor) -> None:
    judge = SynthesisJudge(LABELS, vgg)
    _scored(judge, photos[1:2], photos[:1], masks[:1])
    assert list(judge.references()) == ["photos", "flat"]


def test_noise_is_between_or_beyond_and_named(vgg: VGG19, photos: Tensor, masks: Tensor) -> None:
    judge = SynthesisJudge(LABELS, vgg)
    scores = _scored(judge, (photos + 0.2).clamp(0, 1), photos, masks)
    assert set(scores) == {"statistics_distance", "colour_error"}
    assert 0 < scores["colour_error"] <= 0.2 * 3**0.5 + 1e-6
    assert judge.scores() == {}  # a round without pictures, as in a check before training


def test_a_shorter_round_before(vgg: VGG19, photos: Tensor, masks: Tensor) -> None:
    """A trainer's sanity check sees the first pictures only."""
    judge, other = SynthesisJudge(LABELS, vgg), SynthesisJudge(LABELS, vgg)
    _scored(judge, photos[:2].flip(-1), photos[:2], masks[:2])
    pictures = photos.flip(-2)
    assert _scored(judge, pictures, photos, masks) == pytest.approx(_scored(other, pictures, photos, masks))
