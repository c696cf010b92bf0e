"""Encoder features on disk, so that a training step on a CPU runs the encoder once instead of three times.

A fixed number of crops of each photo is encoded once (features in float16), and a square of each style picture, of
which the statistics are kept. Files lie under a folder whose name is a hash of everything that they depend on; a
half-written cache is never taken for a whole one.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import Dataset

from styleapp.data.folder import PictureFolder
from styleapp.data.pairs import CropSampler, sample_generator
from styleapp.norms.statistics import Moments, mean_deviation

__all__ = ["CachedPairs", "EncodedPair", "Encoder", "build_cache"]

PHOTOS, FEATURES, UNFINISHED, STYLES = "photos.npy", "features.npy", "unfinished.npy", "styles.npy"
MOMENTS = "styles.safetensors"
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


def build_cache(
    root: str | Path,
    encoder: Encoder,
    identity: str,
    taps: tuple[str, ...],
    photos: PictureFolder,
    styles: PictureFolder,
    crop: CropSampler,
    crops_per_photo: int,
    seed: int = 0,
    progress: Progress = lambda items, what: items,
) -> Path:
    """Encodes the pictures unless that was done before; gives the folder with the result.

    Photos come first, and once they are done an interrupted run goes on with the styles.

    Args:
        root: the cache lies in a sub-folder of it.
        identity: of the encoder; another encoder gets another sub-folder.
        taps: where style moments are taken; photo features are those of the last.
        progress: wraps the loops, e.g. in a bar.
    """
    depends_on = {
        "files": [PHOTOS, FEATURES, STYLES, MOMENTS],
        "encoder": identity,
        "taps": taps,
        "photos": _listing(photos),
        "styles": _listing(styles),
        "crop": [crop.size, *crop.sides, crops_per_photo, seed],
    }
    key = hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()[:16]
    folder = Path(root) / key
    if folder.is_dir():
        return folder
    partial = folder.with_suffix(".part")
    partial.mkdir(parents=True, exist_ok=True)
    if not (partial / FEATURES).exists():
        _write_photos(partial, encoder, taps[-1], photos, crop, crops_per_photo, seed, progress)
    _write_styles(partial, encoder, taps, styles, crop.sides[1], seed, progress)
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
                folder / UNFINISHED, mode="w+", dtype=np.float16, shape=(total, *encoded.shape[1:])
            )
        rows = slice(index * crops_per_photo, (index + 1) * crops_per_photo)
        pixels[rows] = crops.numpy()
        features[rows] = encoded.numpy()
    (folder / UNFINISHED).rename(folder / FEATURES)


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


class CachedPairs(Dataset[EncodedPair]):
    """Sample ``index``: a random cached crop with a random style."""

    def __init__(self, folder: str | Path, taps: tuple[str, ...], seed: int = 0) -> None:
        self.pixels = np.load(Path(folder) / PHOTOS, mmap_mode="r")
        self.features = np.load(Path(folder) / FEATURES, mmap_mode="r")
        self.styles = np.load(Path(folder) / STYLES, mmap_mode="r")
        self.moments = load_file(Path(folder) / MOMENTS)
        self.taps, self.seed = taps, seed

    def __len__(self) -> int:
        return 2**40

    def __getitem__(self, index: int) -> EncodedPair:
        chosen = torch.randint(2**31, (2,), generator=sample_generator(self.seed, index)).tolist()
        photo, style = chosen[0] % len(self.pixels), chosen[1] % len(self.styles)
        features = torch.from_numpy(self.features[photo].copy()).float()
        moments = tuple(
            Moments(*(self.moments[f"{tap}.{part}"][style] for part in Moments._fields)) for tap in self.taps
        )
        return EncodedPair(_picture(self.pixels[photo]), features, _picture(self.styles[style]), moments)


def _picture(stored: np.ndarray) -> Tensor:
    return torch.from_numpy(stored.copy()).float() / 255
