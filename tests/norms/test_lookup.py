"""Looked-up scales and shifts: the numbers of the ordinary way where they are used, and not used elsewhere."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from styleapp.norms import NormLayer, build_norm, lookup
from styleapp.norms.lookup import looked_up_norm
from styleapp.norms.neighbourhoods import Neighbourhoods, find_neighbourhoods

Draw = Callable[..., Tensor]

LABELS, FEATURES, HEIGHT, WIDTH = 3, 6, 11, 8


def _norm(normalizer: str = "batch", **options: Any) -> NormLayer:
    torch.manual_seed(0)
    given = {"num_labels": LABELS, "hidden": 5, "kernel_size": 1, **options}
    norm = build_norm(normalizer, FEATURES, modulator="mask", **given)
    for parameter in norm.parameters():
        parameter.data.add_(torch.randn_like(parameter) / 3)
    for name, buffer in norm.named_buffers():
        if name.endswith(("mean", "var")):
            buffer.uniform_(0.2, 3)
    return norm.eval()


def _mask() -> Tensor:
    mask = torch.randint(LABELS, (HEIGHT, WIDTH), generator=torch.Generator().manual_seed(0))
    mask[3:5, 2:6] = 255
    return mask


def _map() -> Tensor:
    return (_mask() == torch.arange(LABELS)[:, None, None]).float()[None]  # 1×L×H×W


def _seen() -> Neighbourhoods:
    return find_neighbourhoods(_mask(), LABELS)


def _x(draw: Draw, samples: int = 1, layout: torch.memory_format = torch.channels_last) -> Tensor:
    x = draw(samples, FEATURES, HEIGHT, WIDTH, scale=2.0, shift=1.0, dtype=torch.float32)
    return x.contiguous(memory_format=layout)


@pytest.mark.parametrize(
    "normalizer",
    ["batch", "revisited_batch", "sync_batch", "none", "instance", "group", "layer", "l1_batch", "adaptive_batch"],
)
@pytest.mark.parametrize("band", [1, 4 * FEATURES * WIDTH * 4, 2**19], ids=["a pixel", "rows", "all"])
def test_equals_the_ordinary_way(normalizer: str, band: int, draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "BAND", band)
    norm, x = _norm(normalizer), _x(draw)
    before = x.clone()
    with torch.no_grad():
        found = looked_up_norm(norm.normalizer, norm.modulator, x, _seen())
        expected = norm(x, _map())
    assert found is not None
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(x, before)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("gradient", [False, True])
def test_layers_take_neighbourhoods(training: bool, layout: torch.memory_format, gradient: bool, draw: Draw) -> None:
    norms = [_norm().train(training) for _ in range(2)]
    x = _x(draw, layout=layout)
    with torch.set_grad_enabled(gradient):
        results = [norm(x, given) for norm, given in zip(norms, (_seen(), _map()), strict=True)]
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-5)
    assert results[0].requires_grad is gradient
    torch.testing.assert_close(*(dict(norm.named_buffers()) for norm in norms))


def test_statistics_of_the_batch_in_use(draw: Draw) -> None:
    """Without running ones, the normalizer is asked."""
    norm, x = _norm(track_running_stats=False), _x(draw)
    with torch.no_grad():
        torch.testing.assert_close(norm(x, _seen()), norm(x, _map()), rtol=1e-5, atol=1e-5)


def test_labels_that_go_on_beyond_the_border(draw: Draw) -> None:
    norm, x = _norm(padding_mode="replicate"), _x(draw)
    seen = find_neighbourhoods(_mask(), LABELS, padding_mode="replicate")
    with torch.no_grad():
        found = looked_up_norm(norm.normalizer, norm.modulator, x, seen)
        assert found is not None
        torch.testing.assert_close(found, norm(x, _map()), rtol=1e-5, atol=1e-5)


def test_large_means_do_not_hurt(draw: Draw) -> None:
    """A mean of a hundred deviations costs two digits, as in torch."""
    norm, x = _norm(), _x(draw)
    norm.normalizer.running_mean.add_(100)  # type: ignore[operator, union-attr]
    with torch.no_grad():
        found, exact = norm(x + 100, _seen()), norm.double()(x.double() + 100, _map().double())
    torch.testing.assert_close(found.double(), exact, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("change", ["a wider modulator", "a frame", "two samples", "double precision", "a gradient"])
def test_leaves_the_rest_to_the_ordinary_way(change: str, draw: Draw) -> None:
    options: dict[str, Any] = {}
    if change == "a wider modulator":
        options = {"kernel_size": 3}
    if change == "a frame":
        options = {"padding_mode": "reflect"}
    norm, x = _norm(**options), _x(draw, samples=2 if change == "two samples" else 1)
    if change == "double precision":
        x = x.double()
    with torch.set_grad_enabled(change == "a gradient"):
        assert looked_up_norm(norm.normalizer, norm.modulator, x, _seen()) is None


def test_features_of_another_size_are_refused(draw: Draw) -> None:
    with torch.no_grad(), pytest.raises(ValueError, match=r"of \(11, 8\) do not fit \(11, 4\) features"):
        _norm()(_x(draw)[..., :4], _seen())


@pytest.mark.parametrize("modulator", ["none", "affine"])
def test_modulators_without_a_mask_ignore_them(modulator: str, draw: Draw) -> None:
    norm, x = build_norm("batch", FEATURES, modulator=modulator).eval(), _x(draw)
    with torch.no_grad():
        assert torch.equal(norm(x, _seen()), norm(x))
