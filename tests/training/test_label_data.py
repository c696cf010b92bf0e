"""Photos with masks as a run sees them: checks before training, order, alignment, and what is scored."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from styleapp.data.labels import IGNORED, LabelError
from styleapp.data.pairs import centre_crop
from styleapp.data.pictures import read_picture
from styleapp.training.label_data import LabelData, label_record, labels_of_run


@pytest.fixture
def options(label_folder: Path) -> dict[str, Any]:
    sizes = {"crop": 32, "smallest_side": 32, "largest_side": 48, "batch_size": 2, "steps_per_epoch": 5}
    return {"folder": str(label_folder), "score_size": 32, **sizes}


@pytest.fixture
def own_folder(label_folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(label_folder, tmp_path / "own")


def _set_up(options: dict[str, Any], step: int = 0, rank: int = 0, world_size: int = 1) -> LabelData:
    data = LabelData(**options)
    data.trainer = SimpleNamespace(  # type: ignore[assignment]
        global_step=step, accumulate_grad_batches=1, global_rank=rank, world_size=world_size
    )
    data.setup("fit")
    return data


# Checks


@pytest.mark.parametrize("crop", [24, 36, 0])
def test_crop_must_fit(options: dict[str, Any], crop: int) -> None:
    with pytest.raises(ValueError, match=f"crop must be a multiple of 8 and at least 32, got {crop}"):
        LabelData(**{**options, "crop": crop})


@pytest.mark.parametrize("part", ["train", "val"])
def test_wrong_number_is_named_with_file_and_count(options: dict[str, Any], own_folder: Path, part: str) -> None:
    path = own_folder / part / "labels" / "1.png"
    mask = np.array(Image.open(path))
    mask[10:12, :7] = 9
    Image.fromarray(mask).save(path)
    with pytest.raises(LabelError, match=rf"{part}/labels/1\.png has the label 9 \(14 pixels\); known are 0 to 2"):
        _set_up({**options, "folder": str(own_folder)})


def test_no_label_set(options: dict[str, Any]) -> None:
    with pytest.raises(LabelError, match="names.yaml cannot be read"):
        _set_up({**options, "labels": "names.yaml"})


def test_network_must_have_as_many_labels(options: dict[str, Any]) -> None:
    data = _set_up(options)
    trainer: Any = SimpleNamespace(datamodule=data)
    assert labels_of_run(trainer, 3).names == ("sky", "tree", "house")
    with pytest.raises(LabelError, match=r"the network has num_labels 4, but .*classes\.json has 3 classes"):
        labels_of_run(trainer, 4)


# What is trained on


def test_training_batches(options: dict[str, Any]) -> None:
    data = _set_up(options)
    batches = list(data.train_dataloader())
    assert len(batches) == 5
    for photo, mask in batches:
        assert photo.shape == (2, 3, 32, 32) and photo.dtype == torch.float32
        assert mask.shape == (2, 32, 32) and set(mask.unique().tolist()) <= {0, 1, 2, IGNORED}
    assert data.counts.shape == (5, 3) and (data.counts > 0).all()


def test_batches_go_on_where_the_run_is(options: dict[str, Any]) -> None:
    whole, rest = (list(_set_up(options, step).train_dataloader()) for step in (0, 3))
    assert len(rest) == 2
    assert torch.equal(rest[0].photo, whole[3].photo) and torch.equal(rest[0].mask, whole[3].mask)


def test_processes_see_other_samples_but_score_the_same(options: dict[str, Any]) -> None:
    both = [_set_up(options, rank=rank, world_size=2) for rank in range(2)]
    first, second = (next(iter(data.train_dataloader())) for data in both)
    assert not torch.equal(first.photo, second.photo)
    assert [len(data.val_dataloader()) for data in both] == [3, 3]


def test_worker_processes_give_the_same_batches(options: dict[str, Any]) -> None:
    here = list(_set_up(options).train_dataloader())
    there = list(_set_up({**options, "workers": 1}).train_dataloader())
    assert all(torch.equal(one.photo, other.photo) for one, other in zip(here, there, strict=True))


# What is scored


def test_scored_pairs_are_central_squares_of_val(options: dict[str, Any], label_folder: Path) -> None:
    """At their own size: the 48 middle columns of 56."""
    data = _set_up({**options, "score_size": 48})
    batches = list(data.val_dataloader())
    assert len(batches) == 3
    for index, (photo, mask) in enumerate(batches):
        original = read_picture(label_folder / "val" / "images" / f"{index}.png").rgb
        numbers = np.array(Image.open(label_folder / "val" / "labels" / f"{index}.png"))
        assert torch.equal(photo[0], centre_crop(original, 48))
        assert torch.equal(mask[0], torch.from_numpy(numbers[:, 4:52]))


def test_scored_masks_are_shrunk_to_labels(options: dict[str, Any]) -> None:
    data = _set_up({**options, "score_photos": 2})
    assert len(data.scoring) == 2
    photo, mask = data.scoring[1]
    assert photo.shape == (3, 32, 32) and mask.shape == (32, 32)
    assert set(mask.unique().tolist()) <= {0, 1, 2, IGNORED}


# Classes that count as others, and masks that were guessed

MERGED = {"house": "sky"}


def test_blank_corners_without_labels(options: dict[str, Any], own_folder: Path) -> None:
    """In crops and in what is scored, and told in the record."""
    for part in ("train", "val"):
        for path in (own_folder / part / "images").iterdir():
            photo = Image.open(path).convert("RGB")
            photo.paste((0, 0, 0), (0, 0, photo.width // 2, photo.height // 2))
            photo.save(path)
    options = {**options, "folder": str(own_folder)}
    plain, cleared = _set_up(options), _set_up({**options, "unlabelled_corners": True})
    assert label_record(SimpleNamespace(datamodule=cleared), 3)["unlabelled_corners"] is True  # type: ignore[arg-type]
    assert "unlabelled_corners" not in label_record(SimpleNamespace(datamodule=plain), 3)  # type: ignore[arg-type]
    for part in ("training", "scoring"):
        pairs = [(getattr(plain, part)[index], getattr(cleared, part)[index]) for index in range(3)]
        assert all(torch.equal(one.photo, other.photo) for one, other in pairs)
        lost = [(one.mask != other.mask) for one, other in pairs]
        assert all(bool((other.mask[where] == IGNORED).all()) for (_, other), where in zip(pairs, lost, strict=True))
        assert any(where.any() for where in lost)


def test_merged_classes(options: dict[str, Any]) -> None:
    plain, merged = _set_up(options), _set_up({**options, "merged": MERGED})
    assert merged.labels.names == ("sky", "tree")
    sky, tree, house = plain.counts.T
    assert torch.equal(merged.counts, torch.stack([sky + house, tree], dim=1))
    record = label_record(SimpleNamespace(datamodule=merged), 2)  # type: ignore[arg-type]
    assert record == {"labels": merged.labels.record(), "merged": MERGED}
    assert "merged" not in label_record(SimpleNamespace(datamodule=plain), 3)  # type: ignore[arg-type]
    for one, other in zip(plain.val_dataloader(), merged.val_dataloader(), strict=True):
        assert torch.equal(one.photo, other.photo)
        assert torch.equal(torch.where(one.mask == 2, 0, one.mask), other.mask)


@pytest.fixture
def guessed(options: dict[str, Any], label_folder: Path, tmp_path: Path) -> Path:
    """The three photos of ``val`` with masks of nothing but trees, in numbers of the merged label set."""
    shutil.copytree(label_folder / "val" / "images", tmp_path / "guessed" / "images")
    (tmp_path / "guessed" / "labels").mkdir()
    for index in range(3):
        mask = Image.fromarray(np.ones((48, 56), dtype=np.uint8))
        mask.save(tmp_path / "guessed" / "labels" / f"{index}.png")
    record = _set_up({**options, "merged": MERGED}).labels.record()
    (tmp_path / "guessed" / "labels" / "labels.yaml").write_text(json.dumps(record))
    return tmp_path / "guessed"


def test_guessed_masks_are_trained_on(options: dict[str, Any], guessed: Path) -> None:
    data = _set_up({**options, "merged": MERGED, "guessed": str(guessed), "evenness": 0.0})
    assert len(data.counts) == 8 and data.counts[5:].tolist() == [[0, 48 * 56]] * 3
    photos = data.training.photos
    assert (photos.read(6)[1] == 1).all()
    assert photos.read(6)[0] == read_picture(guessed / "images" / "1.png").rgb
    assert len(data.val_dataloader()) == 3


def test_guessed_masks_must_have_the_same_classes(options: dict[str, Any], guessed: Path) -> None:
    with pytest.raises(LabelError, match=r"0\.png is of sky, tree, house; .*0\.png is of sky, tree$"):
        _set_up({**options, "guessed": str(guessed)})
