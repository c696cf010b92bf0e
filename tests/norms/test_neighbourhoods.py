"""A mask as its neighbourhoods: each kind once, every pixel in its place, and the scales of the one-hot map."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

from styleapp.norms import Code, build_norm
from styleapp.norms.modulators import MaskModulator
from styleapp.norms.neighbourhoods import Neighbourhoods, PaddingMode, find_neighbourhoods

LABELS = 3


def _mask(height: int = 9, width: int = 7, labels: int = LABELS, cell: int = 2) -> Tensor:
    """Squares of labels, with a corner that has none."""
    random = torch.Generator().manual_seed(0)
    cells = torch.randint(labels, (-(-height // cell), -(-width // cell)), generator=random, dtype=torch.uint8)
    mask = cells.repeat_interleave(cell, 0).repeat_interleave(cell, 1)[:height, :width].clone()
    mask[:2, :2] = 255
    return mask


def _map(mask: Tensor, further: Tensor | None = None, labels: int = LABELS) -> Tensor:
    """One-hot, 1×(L+P)×H×W, in double precision."""
    planes = (mask == torch.arange(labels)[:, None, None]).double()
    more = planes.new_empty(0) if further is None else further
    return torch.cat([planes, more[:, None, None].expand(-1, *mask.shape)])[None]


def _modulator(labels: int = LABELS, further: int = 2, **options: Any) -> MaskModulator:
    torch.manual_seed(0)
    norm = build_norm("none", 4, modulator="mask", num_labels=labels + further, hidden=6, **options).double()
    for parameter in norm.parameters():
        parameter.data.add_(torch.randn_like(parameter) / 3)
    assert isinstance(norm.modulator, MaskModulator)
    return norm.modulator


def test_by_hand() -> None:
    """One row 0 1: beyond the border is 2 + 1, and the k-th tap has 4·k more."""
    seen = find_neighbourhoods(torch.tensor([[0, 1]]), 2)
    above, below = [3, 7, 11], [27, 31, 35]
    expected = [[*above, 15, 16, 21, *below], [*above, 12, 17, 23, *below]]
    assert [seen.taps[place].tolist() for place in seen.places[0]] == expected
    assert (seen.num_labels, seen.planes) == (2, 2)


@pytest.mark.parametrize("labels", [1, LABELS, 123, 124, 255])
@pytest.mark.parametrize("cell", [1, 3])
def test_each_kind_once_and_every_pixel_in_its_place(labels: int, cell: int) -> None:
    """With many labels a single number for nine of them would be too large: 126⁹ does not fit, 125⁹ does."""
    mask = _mask(20, 30, labels, cell)
    seen = find_neighbourhoods(mask, labels)
    assert len(seen.taps.unique(dim=0)) == len(seen.taps)
    numbers = mask.long().where(mask < labels, torch.tensor(labels))
    framed = pad(numbers, (1, 1, 1, 1), value=labels + 1)
    around = torch.stack([framed[y : y + 20, x : x + 30] for y in range(3) for x in range(3)], dim=-1)  # H×W×9
    assert torch.equal(seen.taps[seen.places] - torch.arange(9) * (labels + 2), around)


def test_even_areas_are_one_kind() -> None:
    """Inside, and along four borders and in four corners, unless the labels go on there."""
    mask = torch.zeros(50, 60, dtype=torch.uint8)
    assert len(find_neighbourhoods(mask, LABELS).taps) == 9
    assert len(find_neighbourhoods(mask, LABELS, padding_mode="replicate").taps) == 1


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("further", [None, torch.tensor([0.5, -2.0], dtype=torch.float64)])
@pytest.mark.parametrize("padding_mode", ["zeros", "replicate"])
def test_scales_are_those_of_the_one_hot_map(kernel: int, further: Tensor | None, padding_mode: PaddingMode) -> None:
    mask = _mask()
    modulator = _modulator(further=0 if further is None else 2, kernel_size=kernel, padding_mode=padding_mode)
    found = modulator.code(find_neighbourhoods(mask, LABELS, further, padding_mode), mask.shape)
    expected = modulator.code(_map(mask, further))
    assert isinstance(found, Code) and isinstance(expected, Code)
    torch.testing.assert_close(found.gamma, expected.gamma)
    torch.testing.assert_close(found.beta, expected.beta)


def test_table_has_the_scales_of_each_kind() -> None:
    further, mask = torch.tensor([0.5, -2.0], dtype=torch.float64), _mask()
    modulator, seen = _modulator(kernel_size=1), find_neighbourhoods(mask, LABELS, further)
    code = modulator.code(_map(mask, further))
    assert isinstance(code, Code)
    for table, of_pixels in zip(modulator.table(seen), (code.gamma, code.beta), strict=True):
        torch.testing.assert_close(table[seen.places].permute(2, 0, 1)[None], of_pixels)


def test_gradients_are_those_of_the_one_hot_map() -> None:
    further, mask, found = torch.tensor([0.5, -2.0], dtype=torch.float64), _mask(), []
    for condition in (find_neighbourhoods(mask, LABELS, further), _map(mask, further)):
        modulator = _modulator()
        code = modulator.code(condition)
        assert isinstance(code, Code)
        (code.gamma * code.beta).sum().backward()
        found.append([parameter.grad for parameter in modulator.parameters()])
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("mask", [torch.zeros(3, 3), torch.zeros(1, 3, 3, dtype=torch.long), torch.zeros(0, 3).int()])
def test_bad_masks(mask: Tensor) -> None:
    with pytest.raises(ValueError, match="a mask must be H×W whole numbers, got"):
        find_neighbourhoods(mask, LABELS)


def _seen(labels: int = LABELS) -> Neighbourhoods:
    return find_neighbourhoods(_mask(), labels)


def test_neighbourhoods_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="must have 5 label planes, got 3"):
        _modulator().code(_seen())
    with pytest.raises(ValueError, match=r"of \(9, 7\) do not fit \(8, 8\) features"):
        _modulator(further=0).code(_seen(), (8, 8))
    with pytest.raises(ValueError, match="padding_mode is 'reflect', of the mask's neighbourhoods 'zeros'"):
        _modulator(further=0, padding_mode="reflect").code(_seen())
