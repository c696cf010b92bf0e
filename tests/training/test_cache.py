"""The cache of encoder features: what it holds, when it is built anew and when not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d
from torch.utils.data import DataLoader

from styleapp.data.folder import PictureFolder
from styleapp.data.pairs import CropSampler, sample_generator
from styleapp.norms import mean_deviation
from styleapp.training.cache import CachedPairs, build_cache

TAPS = ("shallow", "deep")


class CountingEncoder:
    """Two cheap feature maps, and how often they were asked for."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, image: Tensor, taps: tuple[str, ...]) -> dict[str, Tensor]:
        self.calls += 1
        maps = {"shallow": image * 3, "deep": avg_pool2d(image.repeat(1, 2, 1, 1), 8) * 100}
        return {tap: maps[tap] for tap in taps}


@pytest.fixture
def encoder() -> CountingEncoder:
    return CountingEncoder()


@pytest.fixture
def parts(encoder: CountingEncoder, photo_folder: Path, style_folder: Path) -> dict[str, Any]:
    return {
        "encoder": encoder,
        "identity": "fake",
        "taps": TAPS,
        "photos": PictureFolder(photo_folder),
        "styles": PictureFolder(style_folder),
        "crop": CropSampler(32, (40, 48)),
        "crops_per_photo": 2,
    }


def test_holds_each_crop_with_its_features(tmp_path: Path, parts: dict[str, Any]) -> None:
    folder = build_cache(tmp_path, **parts)
    pixels, features = np.load(folder / "photos.npy"), np.load(folder / "features.npy")
    assert pixels.shape == (12, 3, 32, 32)
    assert features.shape == (12, 6, 4, 4)
    assert features.dtype == np.float16
    random = sample_generator(0, 4)
    for row in (8, 9):  # the two crops of photo 4
        expected = parts["crop"](parts["photos"].read(4), random)
        assert (pixels[row] == expected.numpy()).all()
        direct = CountingEncoder()(expected[None].float() / 255, ("deep",))["deep"][0]
        np.testing.assert_array_equal(features[row], direct.half().numpy())


def test_pairs_equal_direct_encoding(tmp_path: Path, parts: dict[str, Any]) -> None:
    pairs = CachedPairs(build_cache(tmp_path, **parts), TAPS, seed=3)
    direct = CountingEncoder()
    for index in range(5):
        pair = pairs[index]
        assert 0 <= pair.photo.min() < pair.photo.max() <= 1
        encoded = direct(pair.photo[None], ("deep",))["deep"][0]
        torch.testing.assert_close(pair.features, encoded, rtol=1e-3, atol=1e-3)  # float16 on disk


def test_moments_are_those_of_the_style_picture(tmp_path: Path, parts: dict[str, Any]) -> None:
    """A square of the style at the largest side, the same in every sample that has this style."""
    pairs = CachedPairs(build_cache(tmp_path, **parts), TAPS)
    seen = set()
    for index in range(12):
        pair = pairs[index]
        assert pair.style.shape == (3, 48, 48)
        seen.add(pair.style.numpy().tobytes())
        encoded = CountingEncoder()(pair.style[None], TAPS)
        for tap, moments in zip(TAPS, pair.moments, strict=True):
            expected = mean_deviation(encoded[tap])
            torch.testing.assert_close(moments.mean, expected.mean[0])
            torch.testing.assert_close(moments.deviation, expected.deviation[0])
    assert 1 < len(seen) <= len(parts["styles"])


def test_sample_depends_on_seed_and_number_alone(tmp_path: Path, parts: dict[str, Any]) -> None:
    folder = build_cache(tmp_path, **parts)
    one, same, other = CachedPairs(folder, TAPS, 3), CachedPairs(folder, TAPS, 3), CachedPairs(folder, TAPS, 4)
    assert all(torch.equal(one[i].features, same[i].features) for i in (9, 2))
    assert any(not torch.equal(one[i].features, other[i].features) for i in range(6))
    assert len(one) > 10**9


def test_batches_keep_their_shape(tmp_path: Path, parts: dict[str, Any]) -> None:
    pairs = CachedPairs(build_cache(tmp_path, **parts), TAPS)
    batch = next(iter(DataLoader(pairs, batch_size=4, sampler=range(4))))
    assert batch.photo.shape == (4, 3, 32, 32)
    assert batch.features.shape == (4, 6, 4, 4)
    assert batch.style.shape == (4, 3, 48, 48)
    assert [moments.mean.shape for moments in batch.moments] == [(4, 3, 1, 1), (4, 6, 1, 1)]


def test_is_built_once(tmp_path: Path, parts: dict[str, Any], encoder: CountingEncoder) -> None:
    first = build_cache(tmp_path, **parts)
    calls = encoder.calls
    assert calls == 6 + 5
    assert build_cache(tmp_path, **parts) == first
    assert encoder.calls == calls


@pytest.mark.parametrize(
    "change",
    [
        {"identity": "another"},
        {"crop": CropSampler(32, (40, 56))},
        {"crops_per_photo": 3},
        {"seed": 1},
        {"taps": ("deep",)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_is_built_anew_where_something_differs(tmp_path: Path, parts: dict[str, Any], change: dict[str, Any]) -> None:
    assert build_cache(tmp_path, **parts) != build_cache(tmp_path, **{**parts, **change})


def test_other_pictures_get_another_cache(tmp_path: Path, parts: dict[str, Any], photo_folder: Path) -> None:
    first = build_cache(tmp_path, **parts)
    assert build_cache(tmp_path, **{**parts, "photos": PictureFolder(photo_folder, "all")}) != first


def test_half_written_cache_is_not_taken(tmp_path: Path, parts: dict[str, Any]) -> None:
    finished = build_cache(tmp_path / "finished", **parts)
    left = tmp_path / f"{finished.name}.part"
    left.mkdir()
    (left / "photos.npy").write_bytes(b"half of it")
    folder = build_cache(tmp_path, **parts)
    assert len(np.load(folder / "photos.npy")) == 12
    assert not left.exists()


def test_interrupted_build_leaves_no_cache(tmp_path: Path, parts: dict[str, Any]) -> None:
    def interrupted(items: Any, what: str) -> Any:
        for item in items:
            if item == 3:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        build_cache(tmp_path, **parts, progress=interrupted)
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    assert len(np.load(build_cache(tmp_path, **parts) / "photos.npy")) == 12
