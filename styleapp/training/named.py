"""Training of a network with many named styles: photos and the number of a style in, its statistics as targets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2.functional import pil_to_tensor

from styleapp.data.folder import PictureFolder
from styleapp.data.pairs import CropSampler, ScoringPairs, centre_crop, sample_generator
from styleapp.losses import gram_loss, gram_matrix
from styleapp.models.multistyle import NamedStylizer
from styleapp.models.vgg import STYLE_TAPS
from styleapp.norms import Moments, mean_deviation
from styleapp.norms.modulators import StylesModulator
from styleapp.scores import SCORE_SIZE
from styleapp.training.cache import CachedPhotos, EncodedPair
from styleapp.training.data import StylizationData
from styleapp.training.stylizer import DEEPEST, StylizerTraining

__all__ = ["NamedPair", "NamedSample", "NamedStyleData", "NamedStyleTraining"]


class NamedSample(NamedTuple):
    """What a training step starts from.

    Attributes:
        photo: N×3×H×W, RGB in [0, 1].
        features: N×C×H/8×W/8 of the photo; N×0 where no cache holds them.
        number: N random numbers that choose the styles.
    """

    photo: Tensor
    features: Tensor
    number: Tensor


class NamedPair(NamedTuple):
    """What is scored: photo and style picture (N×3×S×S each, RGB in [0, 1]) and the place of the style in the list."""

    photo: Tensor
    style: Tensor
    number: Tensor


class PhotoCrops(Dataset[tuple[Tensor, Tensor]]):
    """Item ``index``: a random crop of a photo, without features."""

    def __init__(self, photos: PictureFolder, crop: CropSampler) -> None:
        self.photos, self.crop = photos, crop

    def __len__(self) -> int:
        return 2**31

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        photo = self.crop(self.photos.read(index % len(self.photos)), sample_generator(0, index))
        return photo.float() / 255, torch.empty(0)


class NamedSamples(Dataset[NamedSample]):
    """Sample ``index``: a random photo and a random number; see :class:`styleapp.data.pairs.TrainingPairs`."""

    def __init__(self, photos: CachedPhotos | PhotoCrops, seed: int = 0) -> None:
        self.photos, self.seed = photos, seed

    def __len__(self) -> int:
        return 2**40

    def __getitem__(self, index: int) -> NamedSample:
        chosen = torch.randint(2**31, (2,), generator=sample_generator(self.seed, index))
        return NamedSample(*self.photos[int(chosen[0]) % len(self.photos)], chosen[1])


class NamedScoringPairs(ScoringPairs):
    """A few photos with every style."""

    def __getitem__(self, index: int) -> NamedPair:  # type: ignore[override]
        return NamedPair(*super().__getitem__(index), torch.tensor(index % len(self.styles)))


class NamedStyleData(StylizationData):
    """Photos to train on; scored are held-out photos with the picture of every style that the network has.

    The arguments are those of :class:`StylizationData`; ``styles`` is the folder that the module has. The pictures are
    trained on as well, so none is held out, and ``score_styles`` is not used.
    """

    def _pairs(self, crop: CropSampler) -> Dataset[Any]:
        photos = PictureFolder(self.photos)
        return NamedSamples(self._cached_photos(photos, crop) if self.cache else PhotoCrops(photos, crop), self.seed)

    def _scored(self, photos: PictureFolder) -> ScoringPairs:
        assert self.trainer is not None
        network: Any = self.trainer.lightning_module.network
        styles = named_pictures(self.styles, network.styles)
        return NamedScoringPairs(photos, styles, self.score_size, self.score_photos, len(styles))


class NamedStyleTraining(StylizerTraining):
    """Trains a network with named styles.

    Besides the losses of :class:`StylizerTraining`, which has all further arguments, Gram matrices are compared: named
    styles can be learned by heart, and Gram matrices know which features appear together.

    Args:
        network: its styles are file stems of pictures.
        styles: folder of the pictures; those that the network does not name are not used.
        gram_weight: of :func:`styleapp.losses.gram_loss`.
        sides: short sides at which styles are looked at, beside the centre crop that is scored: sizes of strokes.
        table_rate: how many times the learning rate the tables of styles have; of 17 styles each is in few batches.
        start_scale: γ of every style at the beginning; 0.1 with batch statistics is the beginning of Davis & Frank,
            *Revisiting Batch Norm Initialization*, ECCV 2022.

    Raises:
        ValueError: a style of the network has no picture in the folder.
    """

    def __init__(
        self,
        network: NamedStylizer,
        styles: str,
        gram_weight: float = 10.0,
        sides: tuple[int, ...] = (320, 384),
        table_rate: float = 5.0,
        start_scale: float = 1.0,
        **arguments: Any,
    ) -> None:
        if start_scale != 1:
            _begin_at(start_scale, network)
        super().__init__(network, **arguments)
        self.styles, self.sides, self.table_rate = Path(styles), sides, table_rate
        self.weights["gram"] = gram_weight
        self.moments: tuple[Moments, ...] = ()
        self.grams: tuple[Tensor, ...] = ()

    @torch.no_grad()
    def setup(self, stage: str) -> None:
        pictures = named_pictures(self.styles, cast(NamedStylizer, self.network).styles)
        images = [pictures.read(index) for index in range(len(pictures))]
        views = [centre_crop(image, SCORE_SIZE) for image in images]
        views += [_resized(image, side) for side in self.sides for image in images]
        encoded = [self.encoder(view[None].to(self.device), STYLE_TAPS) for view in views]
        self.moments = tuple(
            Moments(*map(torch.cat, zip(*(mean_deviation(one[tap]) for one in encoded), strict=True)))
            for tap in STYLE_TAPS
        )
        self.grams = tuple(torch.cat([gram_matrix(one[tap]) for one in encoded]) for tap in STYLE_TAPS)

    def parameter_groups(self) -> list[dict[str, Any]]:
        named = dict(self.network.named_parameters())
        tables = [value for name, value in named.items() if ".modulator." in name]
        shared = [value for name, value in named.items() if ".modulator." not in name]
        return [{"params": shared}, {"params": tables, "lr": self.table_rate * self.learning_rate}]

    def paint(self, batch: EncodedPair, strength: Tensor) -> Tensor:
        network = cast(NamedStylizer, self.network)
        return network.render(batch.photo, network.code(batch.style % len(network.styles)), strength)

    @torch.no_grad()
    def encode(self, batch: Any) -> EncodedPair:
        """The statistics that the numbers of a :class:`NamedSample` or :class:`NamedPair` stand for, as targets."""
        view = batch.number if isinstance(batch, NamedPair) else batch.number % len(self.grams[0])
        features = getattr(batch, "features", torch.empty(0))
        if features.numel() == 0:
            features = self.encoder(batch.photo, (DEEPEST,))[DEEPEST]
        moments = tuple(Moments(*(part.to(view.device)[view] for part in one)) for one in self.moments)
        return EncodedPair(batch.photo, features, view, moments)

    def _style_losses(
        self, output: Tensor, encoded: dict[str, Tensor], batch: EncodedPair, rows: slice
    ) -> dict[str, Tensor]:
        losses = super()._style_losses(output, encoded, batch, rows)
        ours = [gram_matrix(encoded[tap][rows]) for tap in STYLE_TAPS]
        theirs = [gram.to(batch.style.device)[batch.style[rows]] for gram in self.grams]
        return {**losses, "gram": gram_loss(ours, theirs)}


def named_pictures(folder: str | Path, names: Sequence[str]) -> PictureFolder:
    """The pictures of a folder that are called so, in the order of the names.

    Raises:
        ValueError: a name has no picture.
    """
    pictures = PictureFolder(folder, "all")
    found = {path.stem: path for path in pictures.paths}
    if not set(names) <= set(found):
        raise ValueError(f"{folder} holds {', '.join(found)}; the network has {', '.join(names)}")
    pictures.paths = [found[name] for name in names]
    return pictures


@torch.no_grad()
def _begin_at(scale: float, network: NamedStylizer) -> None:
    for norm in network.norms:
        cast(StylesModulator, norm.modulator).weight.fill_(scale)


def _resized(image: Image.Image, side: int) -> Tensor:
    scale = side / min(image.size)
    return pil_to_tensor(image.resize((round(image.width * scale), round(image.height * scale)))).float() / 255
