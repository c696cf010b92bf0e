"""Photos and their masks: pairing, checks before training, balance, and crops that stay aligned."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from styleapp.data.labels import IGNORED, LabelError, LabelSet
from styleapp.data.mask_colours import paint_mask
from styleapp.data.mask_pairs import (
    AlignedCropSampler,
    LabelledCrops,
    LabelledPhotos,
    balanced_weights,
    check_masks,
    pair_by_stem,
)
from styleapp.data.pictures import PictureError

NAMES = ("one", "two", "sub/three")


@pytest.fixture
def folders(tmp_path: Path, numbers: np.ndarray, labels: LabelSet) -> tuple[Path, Path]:
    """Three photos with their masks; a photo is its mask in colours, brighter from one to the next."""
    photos, masks = tmp_path / "photos", tmp_path / "masks"
    for place, name in enumerate(NAMES):
        for folder in (photos, masks):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        photo = paint_mask(numbers, labels).astype(int)
        photo[..., 0] = 60 * place
        Image.fromarray(photo.astype(np.uint8)).save(photos / f"{name}.PNG")
        Image.fromarray(numbers).save(masks / f"{name}.png")
    return photos, masks


# Pairing


def test_pairs_by_path_without_suffix(folders: tuple[Path, Path]) -> None:
    photos, masks = folders
    (masks / "two.png").rename(masks / "twos.png")
    pairing = pair_by_stem(photos, masks)
    assert pairing.pairs == tuple((photos / f"{name}.PNG", masks / f"{name}.png") for name in ("one", "sub/three"))
    assert pairing.photos_alone == (photos / "two.PNG",)
    assert pairing.masks_alone == (masks / "twos.png",)


def test_two_files_of_one_stem(folders: tuple[Path, Path]) -> None:
    photos, masks = folders
    (photos / "one.jpg").write_bytes((photos / "one.PNG").read_bytes())
    with pytest.raises(LabelError, match=r"one\.PNG and .*one\.jpg differ in nothing but the suffix"):
        pair_by_stem(photos, masks)


def test_no_folder(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    with pytest.raises(PictureError, match="nowhere is not a folder"):
        pair_by_stem(folders[0], tmp_path / "nowhere")


# Checking


def test_report_lists_the_labels_of_each_mask(folders: tuple[Path, Path], labels: LabelSet) -> None:
    pairs, seen = pair_by_stem(*folders).pairs, []
    report = check_masks(pairs, labels, lambda pairs: (seen.append(pair) or pair for pair in pairs))
    assert seen == list(pairs) and not report.unusable
    assert list(report.labels) == [mask for _, mask in pairs]
    for found in report.labels.values():
        assert list(found) == [0, 1, 2, 3, IGNORED]
        assert found[2] == 81 and sum(found.values()) == 60 * 40


def test_report_says_what_is_wrong(folders: tuple[Path, Path], numbers: np.ndarray, labels: LabelSet) -> None:
    photos, masks = folders
    wrong = {
        "one": (np.where(numbers == 2, 12, numbers), f"{masks}/one.png has the label 12 (81 pixels); known are 0 to 3"),
        "two": (numbers[:30], f"{masks}/two.png is 60×30, but {photos}/two.PNG is 60×40"),
        "sub/three": (np.full_like(numbers, IGNORED), f"{masks}/sub/three.png has no pixel with a label"),
    }
    for name, (mask, _) in wrong.items():
        Image.fromarray(mask.astype(np.uint8)).save(masks / f"{name}.png")
    report = check_masks(pair_by_stem(photos, masks).pairs, labels)
    assert not report.labels
    for name, (_, message) in wrong.items():
        assert report.unusable[masks / f"{name}.png"].startswith(message)


def test_report_names_a_damaged_photo(folders: tuple[Path, Path], labels: LabelSet) -> None:
    photos, masks = folders
    (photos / "one.PNG").write_bytes(b"no photo")
    report = check_masks(pair_by_stem(photos, masks).pairs, labels)
    assert "one.PNG is not a picture that can be read" in report.unusable[masks / "one.png"]


# The pairs of two folders


def test_labelled_photos(folders: tuple[Path, Path], numbers: np.ndarray, labels: LabelSet) -> None:
    photos = LabelledPhotos(*folders, labels)
    assert len(photos) == 3
    assert photos.counts.tolist() == [[(numbers == number).sum() for number in range(4)]] * 3
    photo, mask = photos.read(1)
    assert photo.mode == "RGB" and photo.size == (60, 40)
    assert np.array_equal(mask, numbers)


def test_what_has_no_partner_is_left_out_with_a_warning(
    folders: tuple[Path, Path], labels: LabelSet, caplog: pytest.LogCaptureFixture
) -> None:
    photos, masks = folders
    (masks / "two.png").rename(masks / "twos.png")
    with caplog.at_level(logging.WARNING):
        assert len(LabelledPhotos(photos, masks, labels)) == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"left out 1 files of {photos} without a mask, e.g. two.PNG",
        f"left out 1 files of {masks} without a photo, e.g. twos.png",
    ]


def test_masks_that_cannot_be_used_are_an_error(folders: tuple[Path, Path], labels: LabelSet) -> None:
    photos, masks = folders
    Image.new("L", (60, 40), 77).save(masks / "two.png")
    message = r"1 of 3 masks cannot be used; the first: .*two\.png has the label 77 \(2,400 pixels\); known are 0 to 3"
    with pytest.raises(LabelError, match=message):
        LabelledPhotos(photos, masks, labels)


def test_nothing_to_pair(folders: tuple[Path, Path], labels: LabelSet) -> None:
    photos, masks = folders
    (masks / "sub" / "three.png").rename(masks / "four.png")
    with pytest.raises(LabelError, match="no photo of .*sub has a mask of the same name in"):
        LabelledPhotos(photos / "sub", masks, labels)


# Balance


def test_weights_by_hand() -> None:
    """Class 0 fills both pictures alike, class 1 is in the second alone, class 2 nowhere."""
    counts = torch.tensor([[50, 0, 0], [50, 10, 0]])
    torch.testing.assert_close(balanced_weights(counts, 1.0), torch.tensor([0.25, 0.75]))
    torch.testing.assert_close(balanced_weights(counts, 0.0), torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(balanced_weights(counts, 0.5), torch.tensor([0.375, 0.625]))


def test_balance_evens_the_classes_out() -> None:
    counts = torch.tensor([[100, 0]] * 9 + [[50, 50]])
    seen = [(balanced_weights(counts, evenness) @ counts.float()) for evenness in (0.0, 0.5, 1.0)]
    rare = [float(pixels[1] / pixels.sum()) for pixels in seen]
    assert rare[0] == pytest.approx(0.05) and rare[0] < rare[1] < rare[2] < 0.5


def test_bad_balance() -> None:
    with pytest.raises(ValueError, match="evenness must be 0 to 1, got 2"):
        balanced_weights(torch.ones(2, 2), 2)
    with pytest.raises(ValueError, match="no picture has a pixel with a label"):
        balanced_weights(torch.zeros(2, 2))


# Crops


def _crops(folders: tuple[Path, Path], labels: LabelSet, **options: int) -> LabelledCrops:
    return LabelledCrops(LabelledPhotos(*folders, labels), AlignedCropSampler(24, (24, 40)), **options)


def test_photo_and_mask_stay_aligned(folders: tuple[Path, Path], labels: LabelSet) -> None:
    """Photos are their masks in colours, so that away from edges every pixel tells its label."""
    crops, mirrored = _crops(folders, labels), set()
    for index in range(30):
        photo, mask = crops[index]
        assert photo.shape == (3, 24, 24) and photo.dtype == torch.float32
        assert mask.shape == (24, 24) and mask.dtype == torch.uint8
        assert type(photo) is type(mask) is torch.Tensor
        assert photo.min() >= 0 and photo.max() <= 1
        expected = torch.from_numpy(paint_mask(mask.numpy(), labels)).permute(2, 0, 1)[1:] / 255
        off = (photo[1:] - expected).abs().amax(0) > 0.1
        assert off.float().mean() < 0.15
        assert not (off & _inside(mask)).any()
        mirrored.add(bool((mask[:, :12] == 2).sum() > (mask[:, 12:] == 2).sum()))
    assert mirrored == {True, False}  # the window is on the right


def _inside(mask: torch.Tensor) -> torch.Tensor:
    """Pixels whose 5×5 neighbours all have their label."""
    padded = torch.nn.functional.pad(mask[None, None].float(), (2,) * 4, mode="replicate")
    windows = padded.unfold(2, 5, 1).unfold(3, 5, 1)[0, 0].flatten(2)
    return (windows == mask[..., None]).all(-1)


def test_full_size_crop_is_the_picture(numbers: np.ndarray, labels: LabelSet) -> None:
    square = numbers[:, 10:50]
    photo = Image.fromarray(paint_mask(square, labels))
    crop = AlignedCropSampler(40, (40, 40))(photo, square, torch.Generator().manual_seed(0))
    unmirrored = [torch.from_numpy(part) for part in (np.asarray(photo).copy(), square)]
    first = crop.mask if torch.equal(crop.mask, unmirrored[1]) else crop.mask.flip(-1)
    assert torch.equal(first, unmirrored[1])
    again = crop.photo if first is crop.mask else crop.photo.flip(-1)
    assert torch.equal(again, unmirrored[0].permute(2, 0, 1) / 255)


def test_masks_are_shrunk_to_centres(labels: LabelSet) -> None:
    """Of every three pixels the middle one is kept."""
    columns = np.tile(np.arange(24, dtype=np.uint8) % 3, (24, 1))
    crop = AlignedCropSampler(8, (8, 8))(Image.new("RGB", (24, 24)), columns, torch.Generator().manual_seed(0))
    assert (crop.mask == 1).all()


def test_samples_are_functions_of_seed_and_number(folders: tuple[Path, Path], labels: LabelSet) -> None:
    crops = _crops(folders, labels, seed=5)
    first, _, again = crops[7], crops[8], _crops(folders, labels, seed=5)[7]
    assert torch.equal(first.photo, again.photo) and torch.equal(first.mask, again.mask)
    assert not torch.equal(first.photo, crops[8].photo)
    assert not torch.equal(first.photo, _crops(folders, labels, seed=6)[7].photo)
    assert len(crops) == 2**40


def test_rare_classes_are_drawn_more_often(folders: tuple[Path, Path], numbers: np.ndarray, labels: LabelSet) -> None:
    photos, masks = folders
    for name in NAMES[:2]:
        Image.fromarray(np.where(numbers == 2, 1, numbers).astype(np.uint8)).save(masks / f"{name}.png")
    even, alike = _crops(folders, labels, evenness=1), _crops(folders, labels, evenness=0)
    brightest = [sum(float(crops[i].photo[0].mean()) > 0.4 for i in range(60)) for crops in (even, alike)]
    assert brightest[0] > brightest[1] + 5


def test_crop_larger_than_the_picture() -> None:
    with pytest.raises(ValueError, match="need crop ≤ smallest side ≤ largest side, got 32 and 24…40"):
        AlignedCropSampler(32, (24, 40))
