"""The shipped networks for label maps: a generator and its segmenter know the same labels, and pictures are no haze."""

from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from styleapp.checkpoint import find_checkpoint, manifest, read_card
from styleapp.data.synthetic.layouts import layout, layouts_for
from styleapp.pipelines.segment import SegmentPipeline
from styleapp.pipelines.synthesize import SynthesizePipeline

SIDE = 256


def _shipped(architecture: str) -> list[str]:
    """Names in the repository's own folder, whatever the environment says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("STYLEAPP_CHECKPOINTS", raising=False)
        return [name for name in manifest() if read_card(find_checkpoint(name)).architecture == architecture]


@pytest.fixture(scope="module", autouse=True)
def own_folder() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("STYLEAPP_CHECKPOINTS", raising=False)
        yield


@pytest.fixture(scope="module", params=_shipped("spade"))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def pipe(name: str) -> SynthesizePipeline:
    return SynthesizePipeline.from_checkpoint(name, device="cpu")


@pytest.fixture(scope="module")
def mask(pipe: SynthesizePipeline) -> np.ndarray:
    return layout(layouts_for(pipe.labels)[0], pipe.labels, (SIDE, SIDE))


@pytest.fixture(scope="module")
def drawn(pipe: SynthesizePipeline, mask: np.ndarray) -> list[np.ndarray]:
    """Three pictures of one mask, H×W×3 of 0 to 255."""
    return [np.asarray(pipe(mask, seed=seed)).astype(float) for seed in range(3)]


def test_it_has_a_segmenter_of_the_same_labels(name: str, pipe: SynthesizePipeline) -> None:
    segmenter = SegmentPipeline.from_checkpoint(f"{name}_segmenter", device="cpu")
    assert segmenter.labels.names == pipe.labels.names
    assert set(read_card(find_checkpoint(f"{name}_segmenter")).scores["iou_by_class"]) == set(pipe.labels.names)


def test_there_are_layouts_for_it(pipe: SynthesizePipeline) -> None:
    assert len(layouts_for(pipe.labels)) >= 4


def test_areas_have_texture_and_classes_differ(drawn: list[np.ndarray], mask: np.ndarray) -> None:
    """A collapsed network paints the same everywhere, or flat areas."""
    present = [label for label in np.unique(mask) if (mask == label).mean() > 0.03]
    assert len(present) >= 3
    means = [drawn[0][mask == label].mean(0) for label in present]
    assert max(np.linalg.norm(one - other) for one, other in combinations(means, 2)) > 25
    assert np.mean([drawn[0][mask == label].std(0).mean() for label in present]) > 8


def test_seeds_give_other_pictures(drawn: list[np.ndarray]) -> None:
    assert all(np.abs(one - other).mean() > 2 for one, other in combinations(drawn, 2))


def test_colours_of_a_style_arrive(pipe: SynthesizePipeline, mask: np.ndarray) -> None:
    """Of a warm and a cold picture the first has the redder result."""
    warm, cold = (Image.new("RGB", (64, 64), colour) for colour in ((200, 120, 60), (60, 110, 200)))
    redness = []
    for style in (warm, cold):
        red, _, blue = np.asarray(pipe(mask, style=style)).reshape(-1, 3).mean(0)
        redness.append(red - blue)
    assert redness[0] > redness[1] + 5


def test_pictures_show_what_the_masks_say(name: str, pipe: SynthesizePipeline) -> None:
    """As the segmenter sees them, beyond the chance of labels as frequent at other places: Cohen's κ."""
    segmenter = SegmentPipeline.from_checkpoint(f"{name}_segmenter", device="cpu")
    kappas = []
    for one in layouts_for(pipe.labels):
        mask = layout(one, pipe.labels, (SIDE, SIDE))
        guessed = segmenter(pipe(mask))
        shares = [np.bincount(numbers.flatten(), minlength=256) / mask.size for numbers in (mask, guessed)]
        chance = float(np.dot(*shares))
        kappas.append(((guessed == mask).mean() - chance) / (1 - chance))
    assert np.mean(kappas) > 0.2
