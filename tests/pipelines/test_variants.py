"""Several pictures of one mask: the way between two styles, and which variants there are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from styleapp.checkpoint import Card
from styleapp.data.labels import LabelError, LabelSet
from styleapp.data.masks import save_mask
from styleapp.models.spade import SpadeGenerator
from styleapp.pipelines import synthesize
from styleapp.pipelines.synthesize import SynthesizePipeline
from styleapp.pipelines.variants import (
    layout_source,
    plan_variants,
    require_fitting_legend,
    seed_variants,
    steps_between,
)


@pytest.fixture(scope="module")
def pipe(spade_checkpoint: Path) -> SynthesizePipeline:
    return SynthesizePipeline.from_checkpoint(spade_checkpoint, device="cpu")


@pytest.fixture(scope="module")
def plain() -> SynthesizePipeline:
    """A pipeline whose network has no styles."""
    network = SpadeGenerator(2, ((4,), (4,)), hidden=4, latent=0, style_widths=())
    entries = [{"index": i, "name": name, "rgb": [i, i, i]} for i, name in enumerate(("sky", "grass"))]
    return SynthesizePipeline(network.eval(), Card("spade", record={"labels": {"classes": entries}}))


@pytest.fixture
def numbers() -> np.ndarray:
    mask = np.zeros((32, 40), dtype=np.uint8)
    mask[20:] = 1
    mask[12:26, 10:30] = 2
    return mask


# Between two styles


def test_between_by_hand() -> None:
    start, end = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    expected = [[3, 0], [2.5 * 3**0.5 / 2, 2.5 / 2], [2**0.5, 2**0.5], [0, 1]]
    for share, point in zip((0, 0.25, 0.5, 1), expected, strict=True):
        angle = share * np.pi / 2
        length = 3 - 2 * share
        by_hand = [length * np.cos(angle), length * np.sin(angle)]
        found = synthesize._between(start, end, share)[0].tolist()
        assert found == pytest.approx(by_hand, abs=1e-6)
        if share != 0.25:
            assert found == pytest.approx(point, abs=1e-6)


@pytest.mark.parametrize(
    ("start", "end", "middle"),
    [
        ([1.0, 2.0], [1.0, 2.0], [1.0, 2.0]),
        ([1.0, 0.0], [3.0, 0.0], [2.0, 0.0]),
        ([1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]),
        ([0.0, 0.0], [2.0, 4.0], [1.0, 2.0]),
    ],
    ids=["same", "one direction", "opposite", "from the mean"],
)
def test_between_styles_without_an_arc(start: list[float], end: list[float], middle: list[float]) -> None:
    found = synthesize._between(torch.tensor([start]), torch.tensor([end]), 0.5)[0].tolist()
    assert found == pytest.approx(middle, abs=1e-6)


def test_seeds_between_are_as_far_from_the_mean_as_seeds(pipe: SynthesizePipeline) -> None:
    styles = pipe.styles_between(pipe.style(1), pipe.style(2), 9)
    assert len(styles) == 9
    lengths = torch.stack([style.norm() for style in styles])
    torch.testing.assert_close(lengths, torch.linspace(float(lengths[0]), float(lengths[-1]), 9))
    angles = [torch.cosine_similarity(one, other).acos() for one, other in zip(styles, styles[1:], strict=False)]
    torch.testing.assert_close(torch.cat(angles), angles[0].expand(8), atol=1e-3, rtol=0)


def test_the_ends_are_the_pictures_of_the_call(pipe: SynthesizePipeline, numbers: np.ndarray, draw_photo: Any) -> None:
    one, other = draw_photo(40, 30, 1), draw_photo(30, 50, 2)
    frames = [
        np.asarray(image).astype(int)
        for image in pipe.interpolate(numbers, pipe.style(style=one), pipe.style(style=other), 4)
    ]
    ends = [np.asarray(pipe(numbers, style=style)).astype(int) for style in (one, other)]
    assert len(frames) == 4
    assert np.abs(frames[0] - ends[0]).max() <= 1 and np.abs(frames[-1] - ends[1]).max() <= 1
    assert min(np.abs(a - b).max() for a, b in zip(frames, frames[1:], strict=False)) > 3


def test_interpolation_takes_the_size(pipe: SynthesizePipeline, numbers: np.ndarray) -> None:
    (first, second) = pipe.interpolate(numbers, pipe.style(1), pipe.style(2), frames=2, size=20)
    assert first.size == second.size == (20, 16)
    assert np.array_equal(np.asarray(first), np.asarray(pipe(numbers, seed=1, size=20)))


def test_nothing_to_interpolate(pipe: SynthesizePipeline, plain: SynthesizePipeline, numbers: np.ndarray) -> None:
    with pytest.raises(ValueError, match="this network has no style: there is nothing between two of them"):
        next(plain.interpolate(numbers, plain.style(1), plain.style(2)))
    with pytest.raises(ValueError, match="frames must be at least 2, one for each end, got 1"):
        next(pipe.interpolate(numbers, pipe.style(1), pipe.style(2), frames=1))


# Variants


def test_seeds(pipe: SynthesizePipeline) -> None:
    variants = seed_variants(pipe, 3, 2)
    assert [variant.name for variant in variants] == ["seed3", "seed4"]
    for seed, variant in zip((3, 4), variants, strict=True):
        assert variant.facts == {"seed": seed}
        assert torch.equal(variant.style, pipe.style(seed))  # type: ignore[arg-type]


def test_seeds_with_a_style(pipe: SynthesizePipeline, draw_photo: Any, tmp_path: Path) -> None:
    path = tmp_path / "dusk.v2.png"
    draw_photo(30, 30).save(path)
    (whole,) = seed_variants(pipe, 0, 1, path)
    assert whole.name == "dusk.v2"
    assert torch.equal(whole.style, pipe.style(style=path))  # type: ignore[arg-type]
    mixed = seed_variants(pipe, 5, 2, path, 0.5)
    assert [variant.name for variant in mixed] == ["dusk.v2-seed5", "dusk.v2-seed6"]
    assert torch.equal(mixed[1].style, pipe.style(6, path, 0.5))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"2 seeds make 2 times the same picture: at style strength 1 .*dusk\.v2\.png"):
        seed_variants(pipe, 0, 2, path)


def test_seeds_of_a_network_without_styles(plain: SynthesizePipeline) -> None:
    (only,) = seed_variants(plain, 0, 1)
    assert only.style is None
    with pytest.raises(ValueError, match="4 seeds make 4 times the same picture: this network has no styles"):
        seed_variants(plain, 0, 4)


def test_steps_and_their_names(pipe: SynthesizePipeline, draw_photo: Any, tmp_path: Path) -> None:
    paths = [tmp_path / f"{'long' * 30}.png", tmp_path / "noon.png"]
    for seed, path in enumerate(paths):
        draw_photo(30, 30, seed).save(path)
    steps = steps_between(pipe, 11, pictures=paths)
    assert [step.name[-3:] for step in steps] == [f"-{number:02d}" for number in range(11)]
    assert steps[0].name == "long" * 10 + "-to-noon-00"
    assert [step.facts["share"] for step in steps] == [number / 10 for number in range(11)]
    torch.testing.assert_close(steps[-1].style, pipe.style(style=paths[1]))
    seeds = steps_between(pipe, 3, seeds=[1, 5])
    assert [step.name for step in seeds] == ["seed1-to-seed5-0", "seed1-to-seed5-1", "seed1-to-seed5-2"]


def test_plan(pipe: SynthesizePipeline, tmp_path: Path) -> None:
    variants = seed_variants(pipe, 0, 2)
    masks = [tmp_path / "a" / "house.v1.png", tmp_path / "b" / "house.v1.png"]
    planned = plan_variants(masks, variants, str(tmp_path / "out"))
    assert [job.output.name for job, _ in planned] == [
        "house.v1--seed0.png", "house.v1-2--seed0.png", "house.v1--seed1.png", "house.v1-2--seed1.png",
    ]  # fmt: skip
    assert [(job.photo, variant) for job, variant in planned] == [(m, v) for v in variants for m in masks]
    ((job, _),) = plan_variants(masks[:1], variants[:1], str(tmp_path / "seed0.png"))
    assert job.output == tmp_path / "seed0.png"
    with pytest.raises(ValueError, match="one of the inputs"):
        plan_variants(masks[:1], variants[:1], str(tmp_path / "dusk.png"), protected=[tmp_path / "dusk.png"])


# Masks


def test_layouts(pipe: SynthesizePipeline, plain: SynthesizePipeline) -> None:
    labels = LabelSet.from_record(
        {"classes": [{"index": i, "name": name, "rgb": [i] * 3} for i, name in enumerate(("sky", "grass", "water"))]}
    )
    drawn = layout_source(["river valley", "random"], labels, 48, 0)
    assert [path.stem for path in drawn] == ["river_valley", "random"]
    assert {numbers.shape for numbers in drawn.values()} == {(48, 48)}
    with pytest.raises(ValueError, match="this network has no layout 'lake'; it has random"):
        layout_source(["lake"], pipe.labels, 48, 0)
    assert len(layout_source(["random"], pipe.labels, 48, 0)) == 1


def test_legend_of_another_label_set(tmp_path: Path, pipe: SynthesizePipeline, plain: SynthesizePipeline) -> None:
    mask = save_mask(tmp_path / "mask.png", np.zeros((32, 32), np.uint8), pipe.labels)
    require_fitting_legend(mask, plain.labels)  # nothing says what it is of
    pipe.labels.save(tmp_path / "labels.yaml")
    require_fitting_legend(mask, pipe.labels)
    with pytest.raises(LabelError, match=r"mask\.png is of another label set than the network: .* has tree, house$"):
        require_fitting_legend(mask, plain.labels)
    swapped = LabelSet.from_record(
        {"classes": [{**entry, "index": 2 - entry["index"]} for entry in pipe.labels.record()["classes"][:3]]}
    )
    with pytest.raises(LabelError, match="has the same ones with other numbers"):
        require_fitting_legend(mask, swapped)
    (tmp_path / "labels.yaml").write_text("notes: of somebody else")
    require_fitting_legend(mask, plain.labels)
