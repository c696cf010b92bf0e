"""Parts of a norm that do a part of its work: identities with the whole, hand-made statistics, label maps."""

import copy

import pytest
import torch
from torch import Tensor

from styleapp.lab.partial import MODULATIONS, BatchStatistics, PartialModulator, PartialNormalizer
from styleapp.norms import NORMALIZERS, Code, NormLayer, build_norm, mean_deviation
from styleapp.norms.neighbourhoods import find_neighbourhoods

RUNNING = [name for name, kind in NORMALIZERS.items() if any(True for _ in kind(4).buffers())]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 3 + 1


def norm(name: str, modulator: str = "none", **options: int) -> NormLayer:
    """In evaluation mode, after some batches."""
    layer = build_norm(name, 4, modulator=modulator, **options)
    for seed in range(3):
        layer.normalizer(draw(3, 4, 6, 5, seed=10 + seed))
    return layer.eval()


class TestNormalizer:
    @pytest.mark.parametrize("name", NORMALIZERS)
    def test_both_together_are_the_whole(self, name: str) -> None:
        whole, x = norm(name).normalizer, draw(2, 4, 6, 5)
        torch.testing.assert_close(PartialNormalizer(whole, "both")(x), whole(x), rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("name", NORMALIZERS)
    def test_one_after_the_other_is_the_whole(self, name: str) -> None:
        """(x − μ) and x / σ differ from z by one factor, or one shift, a plane."""
        whole, x = norm(name).normalizer, draw(2, 4, 6, 5)
        z = mean_deviation(whole(x))
        less_mean, less_deviation = (
            mean_deviation(PartialNormalizer(whole, part)(x)) for part in ("mean", "deviation")
        )
        torch.testing.assert_close(less_mean.deviation, mean_deviation(x).deviation, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(less_deviation.deviation, z.deviation, rtol=1e-4, atol=1e-5)

    def test_of_an_instance_by_hand(self) -> None:
        x, whole = draw(2, 4, 6, 5), norm("instance").normalizer
        mean, deviation = x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True, correction=0)
        torch.testing.assert_close(PartialNormalizer(whole, "mean")(x), x - mean)
        torch.testing.assert_close(PartialNormalizer(whole, "deviation")(x), x / deviation, rtol=1e-4, atol=1e-4)

    def test_a_plane_that_does_not_vary(self) -> None:
        x = draw(2, 4, 6, 5)
        x[0, 0], x[0, 1], x[1, 1] = 2.0, 3.0, 3.0
        layer = norm("batch")
        own = PartialNormalizer(BatchStatistics(layer.normalizer), "mean")(x)
        expected = x - x.mean((0, 2, 3), keepdim=True)
        torch.testing.assert_close(own, expected, rtol=1e-4, atol=1e-4)  # σ of channel 0 is that of the other sample
        assert bool(PartialNormalizer(layer.normalizer, "deviation")(x).isfinite().all())

    def test_a_code_is_applied_to_what_is_left(self) -> None:
        x, code = draw(2, 4, 6, 5), Code(draw(1, 4, 1, 1, seed=1), draw(1, 4, 1, 1, seed=2))
        part = PartialNormalizer(norm("instance").normalizer, "mean")
        torch.testing.assert_close(part(x, code), code.gamma * part(x) + code.beta)

    def test_refuses(self) -> None:
        with pytest.raises(ValueError, match="removed must be one of both, mean, deviation, got 'variance'"):
            PartialNormalizer(norm("instance").normalizer, "variance")  # type: ignore[arg-type]
        scaled = build_norm("power", 4, group_scale=True).normalizer
        with pytest.raises(ValueError, match="group_scale divides every place"):
            PartialNormalizer(scaled, "mean")


class TestBatchStatistics:
    @pytest.mark.parametrize("name", RUNNING)
    def test_is_the_normalizer_in_training_and_keeps_nothing(self, name: str) -> None:
        layer, x = norm(name).normalizer, draw(2, 4, 6, 5)
        expected = copy.deepcopy(layer).train()(x)
        before = copy.deepcopy(layer.state_dict())
        own = BatchStatistics(layer)
        for _ in range(2):
            assert torch.equal(own(x), expected)
        assert not layer.training
        assert all(torch.equal(layer.state_dict()[key], value) for key, value in before.items())

    def test_of_one_photo_is_instance_normalization(self) -> None:
        x = draw(1, 4, 6, 5)
        own = BatchStatistics(norm("batch").normalizer)(x)
        torch.testing.assert_close(own, norm("instance").normalizer(x))

    def test_state_is_back_after_an_error(self) -> None:
        layer = norm("batch").normalizer
        with pytest.raises(ValueError, match="at least 2 values"):
            BatchStatistics(layer)(draw(1, 4, 1, 1))
        assert not layer.training


class TestModulator:
    CODE = Code(draw(1, 4, 1, 1, seed=1), draw(1, 4, 1, 1, seed=2))

    @pytest.mark.parametrize(
        ("modulation", "strength", "gamma", "beta"),
        [
            ("both", 1.0, CODE.gamma, CODE.beta),
            ("scale", 1.0, CODE.gamma, 0 * CODE.beta),
            ("shift", 1.0, 1 + 0 * CODE.gamma, CODE.beta),
            ("none", 1.0, 1 + 0 * CODE.gamma, 0 * CODE.beta),
            ("both", 0.0, 1 + 0 * CODE.gamma, 0 * CODE.beta),
            ("both", 0.5, (1 + CODE.gamma) / 2, CODE.beta / 2),
            ("scale", 1.5, 1.5 * CODE.gamma - 0.5, 0 * CODE.beta),
            ("class_mean", 1.0, CODE.gamma, CODE.beta),
            ("map_mean", 1.0, CODE.gamma, CODE.beta),
        ],
    )
    def test_by_hand(self, modulation: str, strength: float, gamma: Tensor, beta: Tensor) -> None:
        whole = build_norm("instance", 4, modulator="styles", num_styles=2).modulator
        changed = PartialModulator(whole, modulation, strength).code(self.CODE, (6, 5))  # type: ignore[arg-type]
        assert isinstance(changed, Code)
        torch.testing.assert_close((changed.gamma, changed.beta), (gamma, beta))

    def test_a_code_that_is_made_first_is_changed_once(self) -> None:
        layer = build_norm("instance", 4, modulator="styles", num_styles=2)
        layer.modulator.weight.data.copy_(draw(2, 4, seed=3))  # type: ignore[union-attr, operator]
        x, style = draw(1, 4, 6, 5), torch.tensor([1])
        layer.modulator = PartialModulator(layer.modulator, "both", 0.5)
        made = layer.modulator.code(style)
        torch.testing.assert_close(layer(x, made), layer(x, style))

    def test_regions_stay(self) -> None:
        region = torch.rand(1, 1, 6, 5)
        whole = build_norm("instance", 4, modulator="image").modulator
        (changed,) = PartialModulator(whole, "shift").code([Code(self.CODE.gamma, self.CODE.beta, region)], (6, 5))  # type: ignore[misc]
        assert changed.region is region

    def test_nothing_stays_nothing(self) -> None:
        assert (
            PartialModulator(build_norm("instance", 4, modulator="none").modulator, "scale").code(None, (6, 5)) is None
        )

    def test_refuses(self) -> None:
        with pytest.raises(
            ValueError, match="modulation must be one of both, scale, shift, none, class_mean, map_mean"
        ):
            PartialModulator(build_norm("instance", 4).modulator, "gamma")  # type: ignore[arg-type]


class TestLabelMaps:
    MASK = torch.tensor([[0, 0, 1, 1], [0, 2, 2, 1], [0, 2, 7, 1]])  # 7 is no label

    def layer(self, further: int = 0) -> NormLayer:
        torch.manual_seed(0)
        layer = build_norm("batch", 4, modulator="mask", num_labels=3 + further, hidden=5, kernel_size=1)
        for parameter in layer.modulator.parameters():
            parameter.data.normal_()
        return layer.eval()

    def planes(self) -> Tensor:
        return torch.stack([(label == self.MASK).float() for label in range(3)])[None]  # 1×3×3×4

    @torch.no_grad()
    def test_every_class_has_its_mean(self) -> None:
        whole = self.layer().modulator
        code, changed = (one.code(self.planes(), (3, 4)) for one in (whole, PartialModulator(whole, "class_mean")))
        for label in (0, 1, 2, 7):
            inside = label == self.MASK
            for before, after in ((code.gamma, changed.gamma), (code.beta, changed.beta)):
                expected = before[0, :, inside].mean(1, keepdim=True).expand(-1, int(inside.sum()))
                torch.testing.assert_close(after[0, :, inside], expected)

    @torch.no_grad()
    @pytest.mark.parametrize("modulation", MODULATIONS)
    @pytest.mark.parametrize("further", [0, 2])
    def test_neighbourhoods_are_their_map(self, modulation: str, further: int) -> None:
        """The quick way and the ordinary one give the same, with planes of a style beside the labels, too."""
        layer, x = self.layer(further), draw(1, 4, 3, 4)
        style = torch.rand(further)
        planes = torch.cat([self.planes(), style.view(1, -1, 1, 1).expand(1, -1, 3, 4)], 1)
        seen = find_neighbourhoods(self.MASK, 3, style if further else None, "zeros")
        layer.modulator = PartialModulator(layer.modulator, modulation, 0.7)  # type: ignore[arg-type]
        torch.testing.assert_close(layer(x, seen), layer(x, planes), rtol=1e-4, atol=1e-4)

    @torch.no_grad()
    def test_samples_have_means_of_their_own(self) -> None:
        part = PartialModulator(self.layer().modulator, "class_mean")
        other = self.planes().flip(3)
        both = part.code(torch.cat([self.planes(), other]), (3, 4))
        alone = part.code(other, (3, 4))
        torch.testing.assert_close(both.gamma[1:], alone.gamma)

    @torch.no_grad()
    def test_map_mean(self) -> None:
        whole = self.layer().modulator
        code, changed = (one.code(self.planes(), (3, 4)) for one in (whole, PartialModulator(whole, "map_mean")))
        torch.testing.assert_close(changed.gamma, code.gamma.mean((2, 3), keepdim=True))
        assert changed.beta.shape == (1, 4, 1, 1)

    def test_a_code_without_its_map(self) -> None:
        part = PartialModulator(self.layer().modulator, "class_mean")
        with pytest.raises(ValueError, match="averages over a label map, and this layer is given none"):
            part.code(Code(draw(1, 4, 3, 4), draw(1, 4, 3, 4)), (3, 4))
