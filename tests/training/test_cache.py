"""The cache of encoder features: what it holds, when it is built anew and when not."""

from collections.abc import Callable
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
from styleapp.norms import Moments, mean_deviation
from styleapp.training.cache import CachedPairs, CachedPhotos, CachedStyles, cache_photos, cache_styles

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
def photos(encoder: CountingEncoder, photo_folder: Path) -> dict[str, Any]:
    """Arguments of ``cache_photos``."""
    return {
        "encoder": encoder,
        "identity": "fake",
        "tap": "deep",
        "photos": PictureFolder(photo_folder),
        "crop": CropSampler(32, (40, 48)),
        "crops_per_photo": 2,
    }


@pytest.fixture
def styles(encoder: CountingEncoder, style_folder: Path) -> dict[str, Any]:
    """Arguments of ``cache_styles``."""
    return {
        "encoder": encoder,
        "identity": "fake",
        "taps": TAPS,
        "styles": PictureFolder(style_folder),
        "side": 48,
    }


@pytest.fixture
def pairs(tmp_path: Path, photos: dict[str, Any], styles: dict[str, Any]) -> CachedPairs:
    return CachedPairs(
        CachedPhotos(cache_photos(tmp_path, **photos)), CachedStyles(cache_styles(tmp_path, **styles), TAPS), seed=3
    )


def test_holds_each_crop_with_its_features(tmp_path: Path, photos: dict[str, Any]) -> None:
    cached = CachedPhotos(cache_photos(tmp_path, **photos))
    assert len(cached) == 12
    assert cached.features.dtype == np.float16
    random = sample_generator(0, 4)
    for row in (8, 9):  # the two crops of photo 4
        expected = photos["crop"](photos["photos"].read(4), random)
        photo, features = cached[row]
        assert torch.equal(photo, expected / 255)
        direct = CountingEncoder()(photo[None], ("deep",))["deep"][0]
        torch.testing.assert_close(features, direct.half().float(), rtol=0, atol=0)


def test_holds_a_square_of_each_style_with_its_moments(tmp_path: Path, styles: dict[str, Any]) -> None:
    cached = CachedStyles(cache_styles(tmp_path, **styles), TAPS)
    assert len(cached) == 5
    for style, moments in (cached[index] for index in range(5)):
        assert style.shape == (3, 48, 48)
        encoded = CountingEncoder()(style[None], TAPS)
        for tap, found in zip(TAPS, moments, strict=True):
            torch.testing.assert_close(found, Moments(*(part[0] for part in mean_deviation(encoded[tap]))))


def test_pairs_are_photos_with_styles(pairs: CachedPairs) -> None:
    seen = set()
    for index in range(12):
        pair = pairs[index]
        encoded = CountingEncoder()(pair.photo[None], ("deep",))["deep"][0]
        torch.testing.assert_close(pair.features, encoded, rtol=1e-3, atol=1e-3)  # float16 on disk
        expected = mean_deviation(CountingEncoder()(pair.style[None], TAPS)["deep"])
        torch.testing.assert_close(pair.moments[-1].mean, expected.mean[0])
        seen.add((pair.photo.numpy().tobytes(), pair.style.numpy().tobytes()))
    assert len(seen) > 6


def test_sample_depends_on_seed_and_number_alone(pairs: CachedPairs) -> None:
    same, other = CachedPairs(pairs.photos, pairs.styles, 3), CachedPairs(pairs.photos, pairs.styles, 4)
    assert all(torch.equal(pairs[i].features, same[i].features) for i in (9, 2))
    assert any(not torch.equal(pairs[i].features, other[i].features) for i in range(6))
    assert len(pairs) > 10**9


def test_batches_keep_their_shape(pairs: CachedPairs) -> None:
    batch = next(iter(DataLoader(pairs, batch_size=4, sampler=range(4))))
    assert batch.photo.shape == (4, 3, 32, 32)
    assert batch.features.shape == (4, 6, 4, 4)
    assert batch.style.shape == (4, 3, 48, 48)
    assert [moments.mean.shape for moments in batch.moments] == [(4, 3, 1, 1), (4, 6, 1, 1)]


@pytest.fixture(params=["photos", "styles"])
def build(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Path]:
    """Builds one of the two caches: ``build(changed=…)``."""
    arguments = request.getfixturevalue(request.param)
    function = {"photos": cache_photos, "styles": cache_styles}[request.param]
    return lambda root=tmp_path, **changes: function(root, **{**arguments, **changes})


def test_is_built_once(build: Callable[..., Path], encoder: CountingEncoder) -> None:
    first, calls = build(), encoder.calls
    assert calls in (5, 6)  # styles, photos
    assert build() == first
    assert encoder.calls == calls


@pytest.mark.parametrize("change", [{"identity": "another"}, {"seed": 1}], ids=lambda change: next(iter(change)))
def test_is_built_anew_where_something_differs(build: Callable[..., Path], change: dict[str, Any]) -> None:
    assert build() != build(**change)


@pytest.mark.parametrize(
    "change",
    [{"crop": CropSampler(32, (40, 56))}, {"crops_per_photo": 3}, {"tap": "shallow"}],
    ids=lambda change: next(iter(change)),
)
def test_photos_of_another_kind(tmp_path: Path, photos: dict[str, Any], change: dict[str, Any]) -> None:
    assert cache_photos(tmp_path, **photos) != cache_photos(tmp_path, **{**photos, **change})


@pytest.mark.parametrize("change", [{"side": 56}, {"taps": ("deep",)}], ids=lambda change: next(iter(change)))
def test_styles_of_another_kind(tmp_path: Path, styles: dict[str, Any], change: dict[str, Any]) -> None:
    assert cache_styles(tmp_path, **styles) != cache_styles(tmp_path, **{**styles, **change})


def test_other_pictures_get_another_cache(tmp_path: Path, photos: dict[str, Any], photo_folder: Path) -> None:
    first = cache_photos(tmp_path, **photos)
    assert cache_photos(tmp_path, **{**photos, "photos": PictureFolder(photo_folder, "all")}) != first


def test_half_written_cache_is_not_taken(build: Callable[..., Path], tmp_path: Path) -> None:
    finished = build(root=tmp_path / "finished")
    left = tmp_path / f"{finished.name}.part"
    left.mkdir()
    for file in finished.iterdir():
        (left / file.name).write_bytes(b"half of it")
    folder = build()
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        file.name: file.read_bytes() for file in finished.iterdir()
    }
    assert not left.exists()


def test_interrupted_build_leaves_no_cache(build: Callable[..., Path], tmp_path: Path) -> None:
    def interrupted(items: Any, what: str) -> Any:
        for item in items:
            if item == 3:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        build(progress=interrupted)
    assert [path.suffix for path in tmp_path.iterdir() if path.suffix != ".lock"] == [".part"]
    assert build().suffix == ""
