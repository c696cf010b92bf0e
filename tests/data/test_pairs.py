"""Crops, pairs and the order of samples, which must not depend on interruptions or on the number of processes."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from styleapp.data.folder import PictureFolder
from styleapp.data.pairs import (
    CropSampler,
    Curriculum,
    ScoringPairs,
    StepSampler,
    TrainingPairs,
    centre_crop,
    sample_generator,
)


def _ramp(width: int, height: int) -> Image.Image:
    """Red tells the column, green the row."""
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([x, y, np.zeros_like(x)], axis=-1).astype(np.uint8))


# Crops


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(16, 250),
    height=st.integers(16, 250),
    size=st.integers(8, 64),
    sides=st.tuples(st.integers(0, 50), st.integers(0, 50)),
    seed=st.integers(0, 2**40),
)
def test_crop_fits_every_picture(width: int, height: int, size: int, sides: tuple[int, int], seed: int) -> None:
    sampler = CropSampler(size, (size + sides[0], size + sides[0] + sides[1]))
    crop = sampler(_ramp(width, height), sample_generator(seed, 0))
    assert crop.shape == (3, size, size)
    assert crop.dtype == torch.uint8


def test_crop_is_a_window_of_the_picture() -> None:
    """At full size and without a choice of scale a crop is a plain cut-out, mirrored or not."""
    picture, sampler = _ramp(200, 100), CropSampler(50, (100, 100))
    mirrored = Counter[bool]()
    for index in range(40):
        crop = sampler(picture, sample_generator(0, index)).int()
        steps = crop[0, 25].diff()
        mirrored[bool(steps[20] < 0)] += 1
        assert set(steps[2:-2].tolist()) <= ({-1, 0, -2} if steps[20] < 0 else {1, 0, 2})
        assert crop[0].max() - crop[0].min() in (48, 49, 50)
    assert 8 < mirrored[True] < 32


def test_scales_cover_the_range() -> None:
    picture, sampler = _ramp(240, 240), CropSampler(40, (60, 120))
    spans = [int(np.ptp(sampler(picture, sample_generator(0, index))[1].numpy())) for index in range(100)]
    # 40 of 60 pixels show 160 of the 240 rows, 40 of 120 show 80.
    assert 78 <= min(spans) < 90
    assert 145 < max(spans) <= 161


def test_whole_picture_where_crop_is_the_side() -> None:
    crop = CropSampler(32, (32, 32))(_ramp(32, 32), sample_generator(0, 0))
    assert sorted(set(crop[1, :, 0].tolist())) == list(range(32))


@pytest.mark.parametrize(("size", "sides"), [(65, (64, 128)), (64, (128, 100))])
def test_crop_larger_than_the_side(size: int, sides: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"need crop ≤ smallest side ≤ largest side, got {size}"):
        CropSampler(size, sides)


@pytest.mark.parametrize("size", [(100, 40), (40, 100), (41, 40)])
def test_centre_crop(size: tuple[int, int]) -> None:
    crop = centre_crop(_ramp(*size), 40)
    assert crop.shape == (3, 40, 40)
    assert 0 <= crop.min() <= crop.max() <= 1
    assert crop[0].mean().item() * 255 == pytest.approx((size[0] - 1) / 2, abs=0.6)
    assert crop[1].mean().item() * 255 == pytest.approx((size[1] - 1) / 2, abs=0.6)


# Pairs


@pytest.fixture
def pairs(photo_folder: Path, style_folder: Path) -> TrainingPairs:
    return TrainingPairs(PictureFolder(photo_folder), PictureFolder(style_folder), CropSampler(32, (40, 48)), seed=5)


def _same(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_sample_depends_on_seed_and_number_alone(pairs: TrainingPairs) -> None:
    first = [pairs[index] for index in (3, 0, 3)]
    torch.rand(7)
    again = TrainingPairs(pairs.photos, pairs.styles, pairs.crop, seed=5)
    assert _same(first[0], first[2])
    assert _same(first[0], again[3])
    assert not _same(first[0], first[1])
    assert not _same(first[0], TrainingPairs(pairs.photos, pairs.styles, pairs.crop, seed=6)[3])


def test_sample_is_two_crops_in_range(pairs: TrainingPairs) -> None:
    for part in pairs[0]:
        assert part.shape == (3, 32, 32)
        assert part.dtype == torch.float32
        assert 0 <= part.min() < part.max() <= 1


def test_every_picture_is_chosen_about_as_often(pairs: TrainingPairs, monkeypatch: pytest.MonkeyPatch) -> None:
    photos, styles = Counter[int](), Counter[int]()
    blank = Image.new("RGB", (48, 48))
    monkeypatch.setattr(pairs.photos, "read", lambda index: photos.update([index]) or blank)
    monkeypatch.setattr(pairs.styles, "read", lambda index: styles.update([index]) or blank)
    for index in range(600):
        pairs[index]
    assert set(photos) == set(range(6))
    assert set(styles) == set(range(5))
    assert all(65 < count < 140 for count in photos.values())
    assert all(80 < count < 165 for count in styles.values())


def test_scoring_pairs_are_every_photo_with_every_style(photo_folder: Path, style_folder: Path) -> None:
    photos, styles = PictureFolder(photo_folder, "all"), PictureFolder(style_folder, "all")
    scoring = ScoringPairs(photos, styles, 24, num_photos=2, num_styles=3)
    assert len(scoring) == 6
    for index in range(6):
        pair = scoring[index]
        assert torch.equal(pair.photo, centre_crop(photos.read(index // 3 * len(photos) // 2), 24))
        assert torch.equal(pair.style, centre_crop(styles.read(index % 3 * len(styles) // 3), 24))


def test_scoring_pairs_of_what_there_is(photo_folder: Path, style_folder: Path) -> None:
    held_out = [PictureFolder(folder, "held_out") for folder in (photo_folder, style_folder)]
    assert len(ScoringPairs(*held_out, 16, num_photos=50, num_styles=50)) == 4


# The order of samples


def test_one_process_counts_through() -> None:
    sampler = StepSampler(4, 3, steps_done=lambda: 0)
    assert list(sampler) == list(range(12))
    assert len(sampler) == 12


def test_next_epoch_goes_on() -> None:
    assert list(StepSampler(2, 3, steps_done=lambda: 6)) == list(range(12, 18))


def test_resumed_in_the_middle_of_an_epoch() -> None:
    assert list(StepSampler(2, 3, steps_done=lambda: 4)) == [8, 9, 10, 11]


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_share_what_one_would_see(world_size: int) -> None:
    ranks = [list(StepSampler(2, 5, lambda: 0, rank, world_size)) for rank in range(world_size)]
    alone = list(StepSampler(2 * world_size, 5, lambda: 0))
    assert all(len(samples) == 10 for samples in ranks)
    together = [sample for step in range(5) for samples in ranks for sample in samples[2 * step : 2 * step + 2]]
    assert together == alone


def test_lightning_does_not_divide_the_samples_again() -> None:
    # Lightning wraps every sampler of a distributed run that is none of this class.
    sampler = StepSampler(2, 5, lambda: 0, rank=1, world_size=2)
    assert isinstance(sampler, torch.utils.data.DistributedSampler)
    sampler.set_epoch(3)
    assert list(sampler) == [2, 3, 6, 7, 10, 11, 14, 15, 18, 19]


def test_curriculum_gives_each_part_its_samples() -> None:
    course = Curriculum({0: range(100), 7: [10 * index for index in range(100)]})  # type: ignore[dict-item]
    assert [course[index] for index in (0, 6, 7, 50)] == [0, 6, 70, 500]
    with pytest.raises(ValueError, match=r"the first part must begin with sample 0, got \[3\]"):
        Curriculum({3: range(100)})  # type: ignore[dict-item]
