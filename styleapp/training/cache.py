"""Encoder features on disk, so that a training step on a CPU runs the encoder once instead of three times.

A fixed number of crops of each photo is encoded once (features in float16), and a square of each style picture, of
which the statistics are kept. Each lies in a folder whose name is a hash of everything that it depends on; a
half-written cache is never taken for a whole one.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import Dataset

from styleapp.data.folder import PictureFolder
from styleapp.data.pairs import CropSampler, sample_generator
from styleapp.norms.statistics import Moments, mean_deviation

__all__ = [
    "CachedPairs",
    "CachedPhotos",
    "CachedStyles",
    "EncodedPair",
    "Encoder",
    "cache_photos",
    "cache_styles",
]

PHOTOS, FEATURES = "photos.npy", "features.npy"
STYLES, MOMENTS = "styles.npy", "styles.safetensors"
Progress = Callable[[Iterable[int], str], Iterable[int]]


class Encoder(Protocol):
    """What the cache needs of a network: named feature maps of a picture."""

    def __call__(self, image: Tensor, taps: tuple[str, ...]) -> dict[str, Tensor]: ...


class EncodedPair(NamedTuple):
    """A photo with its deepest features, and a style with its moments at each tap: what a training step starts from.

    Attributes:
        photo: N×3×H×W, RGB in [0, 1].
        features: N×C×H/8×W/8, the encoder's deepest tap.
        style: N×3×S×S, RGB in [0, 1].
        moments: of the style, one :class:`Moments` a tap, each N×C×1×1, the deepest last.
    """

    photo: Tensor
    features: Tensor
    style: Tensor
    moments: tuple[Moments, ...]


def cache_photos(
    root: str | Path,
    encoder: Encoder,
    identity: str,
    tap: str,
    photos: PictureFolder,
    crop: CropSampler,
    crops_per_photo: int,
    seed: int = 0,
    progress: Progress = lambda items, what: items,
) -> Path:
    """Encodes crops of the photos unless that was done before; gives the folder with the result.

    Args:
        root: the cache lies in a sub-folder of it.
        identity: of the encoder; another encoder gets another sub-folder.
        progress: wraps the loop, e.g. in a bar.
    """
    settings = [identity, tap, crop.size, *crop.sides, crops_per_photo, seed]

    def write(folder: Path) -> None:
        _write_photos(folder, encoder, tap, photos, crop, crops_per_photo, seed, progress)

    return _written_once(Path(root), "photos", settings, photos, write)


def cache_styles(
    root: str | Path,
    encoder: Encoder,
    identity: str,
    taps: tuple[str, ...],
    styles: PictureFolder,
    side: int,
    seed: int = 0,
    progress: Progress = lambda items, what: items,
) -> Path:
    """Encodes a square of each style, ``side`` pixels wide; for the rest see :func:`cache_photos`."""

    def write(folder: Path) -> None:
        _write_styles(folder, encoder, taps, styles, side, seed, progress)

    return _written_once(Path(root), "styles", [identity, *taps, side, seed], styles, write)


def _written_once(
    root: Path, kind: str, settings: list[Any], pictures: PictureFolder, write: Callable[[Path], None]
) -> Path:
    depends_on = {"settings": settings, "pictures": _listing(pictures)}
    folder = root / f"{kind}-{hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()[:16]}"
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f"{folder.name}.lock"):  # runs that begin together: one encodes, the others wait for it
        if not folder.is_dir():
            partial = folder.with_suffix(".part")
            partial.mkdir(exist_ok=True)
            write(partial)
            partial.rename(folder)
    return folder


def _listing(pictures: PictureFolder) -> list[str]:
    """Name and length of each file: two folders with equal names seldom have equal lengths as well."""
    return [f"{path.relative_to(pictures.root).as_posix()} {path.stat().st_size}" for path in pictures.paths]


def _write_photos(
    folder: Path,
    encoder: Encoder,
    tap: str,
    photos: PictureFolder,
    crop: CropSampler,
    crops_per_photo: int,
    seed: int,
    progress: Progress,
) -> None:
    pixels = features = None
    for index in progress(range(len(photos)), "encoding photos"):
        image = photos.read(index)
        random = sample_generator(seed, index)
        crops = torch.stack([crop(image, random) for _ in range(crops_per_photo)])  # K×3×S×S
        encoded = encoder(crops.float() / 255, (tap,))[tap].half()  # K×C×S/8×S/8
        if pixels is None or features is None:
            total = len(photos) * crops_per_photo
            pixels = np.lib.format.open_memmap(
                folder / PHOTOS, mode="w+", dtype=np.uint8, shape=(total, *crops.shape[1:])
            )
            features = np.lib.format.open_memmap(
                folder / FEATURES, mode="w+", dtype=np.float16, shape=(total, *encoded.shape[1:])
            )
        rows = slice(index * crops_per_photo, (index + 1) * crops_per_photo)
        pixels[rows] = crops.numpy()
        features[rows] = encoded.numpy()


def _write_styles(
    folder: Path,
    encoder: Encoder,
    taps: tuple[str, ...],
    styles: PictureFolder,
    side: int,
    seed: int,
    progress: Progress,
) -> None:
    square = CropSampler(side, (side, side))
    pixels = np.lib.format.open_memmap(folder / STYLES, mode="w+", dtype=np.uint8, shape=(len(styles), 3, side, side))
    rows: dict[str, list[Tensor]] = {f"{tap}.{part}": [] for tap in taps for part in Moments._fields}
    for index in progress(range(len(styles)), "encoding styles"):
        crop = square(styles.read(index), sample_generator(seed, index))  # 3×S×S
        pixels[index] = crop.numpy()
        encoded = encoder(crop[None].float() / 255, taps)
        for tap in taps:
            for part, value in mean_deviation(encoded[tap])._asdict().items():
                rows[f"{tap}.{part}"].append(value[0])  # C×1×1
    save_file({name: torch.stack(values) for name, values in rows.items()}, folder / MOMENTS)


class CachedPhotos(Dataset[tuple[Tensor, Tensor]]):
    """Crops (3×S×S, RGB in [0, 1]) with their features (C×S/8×S/8), in float32."""

    def __init__(self, folder: Path) -> None:
        self.pixels = np.load(folder / PHOTOS, mmap_mode="r")
        self.features = np.load(folder / FEATURES, mmap_mode="r")

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return _picture(self.pixels[index]), torch.from_numpy(self.features[index].copy()).float()


class CachedStyles(Dataset[tuple[Tensor, tuple[Moments, ...]]]):
    """Squares of styles (3×S×S, RGB in [0, 1]) with their moments at each tap (C×1×1 each)."""

    def __init__(self, folder: Path, taps: tuple[str, ...]) -> None:
        self.pixels = np.load(folder / STYLES, mmap_mode="r")
        self.moments = load_file(folder / MOMENTS)
        self.taps = taps

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> tuple[Tensor, tuple[Moments, ...]]:
        parts = [[self.moments[f"{tap}.{part}"][index] for part in Moments._fields] for tap in self.taps]
        return _picture(self.pixels[index]), tuple(Moments(*pair) for pair in parts)


class CachedPairs(Dataset[EncodedPair]):
    """Sample ``index``: a random cached crop with a random style."""

    def __init__(self, photos: CachedPhotos, styles: CachedStyles, seed: int = 0) -> None:
        self.photos, self.styles, self.seed = photos, styles, seed

    def __len__(self) -> int:
        return 2**40

    def __getitem__(self, index: int) -> EncodedPair:
        chosen = torch.randint(2**31, (2,), generator=sample_generator(self.seed, index)).tolist()
        photo, features = self.photos[chosen[0] % len(self.photos)]
        style, moments = self.styles[chosen[1] % len(self.styles)]
        return EncodedPair(photo, features, style, moments)


def _picture(stored: np.ndarray) -> Tensor:
    return torch.from_numpy(stored.copy()).float() / 255
