"""The data module apart from a run: its checks, its parts, and that no picture is both trained on and scored."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from styleapp.data.folder import PictureFolder
from styleapp.data.pairs import TrainingPairs, centre_crop
from styleapp.models.vgg import load_vgg19
from styleapp.training.cache import CachedPairs
from styleapp.training.data import StylizationData


@pytest.fixture
def options(photo_folder: Path, style_folder: Path) -> dict[str, Any]:
    return {
        "photos": str(photo_folder),
        "styles": str(style_folder),
        "crop": 32,
        "smallest_side": 32,
        "largest_side": 48,
        "batch_size": 2,
        "steps_per_epoch": 5,
        "score_size": 32,
    }


def _set_up(options: dict[str, Any], step: int = 0, rank: int = 0, world_size: int = 1) -> StylizationData:
    data = StylizationData(**options)
    module = SimpleNamespace(encoder=load_vgg19(last="relu4_1"))
    data.trainer = SimpleNamespace(  # type: ignore[assignment]
        global_step=step, accumulate_grad_batches=1, global_rank=rank, world_size=world_size, lightning_module=module
    )
    data.prepare_data()
    data.setup("fit")
    return data


@pytest.mark.parametrize("crop", [24, 36, 0])
def test_crop_must_fit_the_encoder(options: dict[str, Any], crop: int) -> None:
    with pytest.raises(ValueError, match=f"crop must be a multiple of 8 and at least 32, got {crop}"):
        StylizationData(**{**options, "crop": crop})


def test_crop_larger_than_the_side(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need crop ≤ smallest side"):
        StylizationData(**{**options, "crop": 64})


def test_training_batches(options: dict[str, Any]) -> None:
    batches = list(_set_up(options).train_dataloader())
    assert len(batches) == 5
    assert all(batch.photo.shape == batch.style.shape == (2, 3, 32, 32) for batch in batches)


def test_batches_go_on_where_the_run_is(options: dict[str, Any]) -> None:
    whole, rest = (list(_set_up(options, step).train_dataloader()) for step in (0, 3))
    assert len(rest) == 2
    assert torch.equal(rest[0].photo, whole[3].photo)


def test_accumulated_batches_count(options: dict[str, Any]) -> None:
    whole, data = list(_set_up(options).train_dataloader()), _set_up(options, step=2)
    data.trainer.accumulate_grad_batches = 2  # type: ignore[union-attr]
    (last,) = data.train_dataloader()
    assert torch.equal(last.photo, whole[4].photo)


def test_processes_see_other_samples(options: dict[str, Any]) -> None:
    first, second = (next(iter(_set_up(options, rank=rank, world_size=2).train_dataloader())) for rank in range(2))
    assert not torch.equal(first.photo, second.photo)


def test_worker_processes_give_the_same_batches(options: dict[str, Any]) -> None:
    here = list(_set_up(options).train_dataloader())
    there = list(_set_up({**options, "workers": 1}).train_dataloader())
    assert all(torch.equal(one.photo, other.photo) for one, other in zip(here, there, strict=True))


def test_scored_pictures_are_not_trained_on(options: dict[str, Any]) -> None:
    data = _set_up(options)
    (pairs,) = data.training.parts
    assert isinstance(pairs, TrainingPairs)
    kept_out = PictureFolder(options["photos"], "held_out")
    assert len(data.val_dataloader()) == 4
    first = next(iter(data.val_dataloader()))
    assert torch.equal(first.photo[0], centre_crop(kept_out.read(0), 32))
    assert not set(kept_out.paths) & set(pairs.photos.paths)


def test_cache_is_built_once_and_used(options: dict[str, Any], tmp_path: Path) -> None:
    options |= {"cache": str(tmp_path), "crops_per_photo": 1}
    data = _set_up(options)
    assert isinstance(data.training.parts[0], CachedPairs)
    (folder,) = (path for path in tmp_path.glob("photos-*") if path.is_dir())
    written = (folder / "features.npy").stat().st_mtime_ns
    batch = next(iter(_set_up(options).train_dataloader()))
    assert (folder / "features.npy").stat().st_mtime_ns == written
    assert batch.features.shape == (2, 512, 4, 4)
    assert [moments.mean.shape[1] for moments in batch.moments] == [64, 128, 256, 512]


def test_folder_too_small_for_held_out_pictures(
    options: dict[str, Any], tmp_path: Path, draw_photo: Any, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "few").mkdir()
    draw_photo(40, 40).save(tmp_path / "few" / "photo1.png")
    data = _set_up({**options, "photos": str(tmp_path / "few")})
    assert torch.equal(data.scoring[0].photo, centre_crop(data.training.parts[0].photos.read(0), 32))
    assert "no held-out picture" in caplog.text


def test_crops_grow_at_their_steps(options: dict[str, Any]) -> None:
    """Two steps of 32 pixels, then one of 40, then 48; a step is 2 samples of each of 3 processes."""
    data = _set_up({**options, "larger_crops": {3: 48, 2: 40}}, world_size=3)
    sides = [data.training[index].photo.shape[-1] for index in range(0, 36, 2)]
    assert sides == [32] * 6 + [40] * 3 + [48] * 9


def test_larger_crop_must_fit_the_encoder(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="crop must be a multiple of 8 and at least 32, got 44"):
        StylizationData(**{**options, "larger_crops": {3: 44}})


def test_each_crop_has_a_cache_of_its_own(options: dict[str, Any], tmp_path: Path) -> None:
    data = _set_up({**options, "cache": str(tmp_path), "crops_per_photo": 1, "larger_crops": {2: 40}})
    assert sum(path.is_dir() for path in tmp_path.glob("photos-*")) == 2
    assert sum(path.is_dir() for path in tmp_path.glob("styles-*")) == 1
    assert [data.training[index].features.shape[-1] for index in (3, 4)] == [4, 5]
