"""Noise for textures: new in training, the same pattern in use, and what it does to a map of one label."""

import torch

from styleapp.models.grain import Grain, grain_from, grain_pattern
from styleapp.models.spade import SpadeGenerator


def test_it_adds_one_pattern_in_proportion_to_each_channels_strength() -> None:
    grain, x = Grain(3, number=2).eval(), torch.randn(2, 3, 4, 5)
    with torch.no_grad():
        grain.strength.copy_(torch.tensor([0.0, 1.0, -2.0]))
        added = grain(x) - x
    assert torch.equal(added[:, 0], torch.zeros(2, 4, 5))
    torch.testing.assert_close(added[:, 1], grain_pattern(4, 5, 2)[0].expand(2, -1, -1))
    torch.testing.assert_close(added[:, 2], -2 * added[:, 1])


def test_the_pattern_is_the_same_each_time_and_leaves_random_numbers_alone() -> None:
    before = torch.get_rng_state()
    assert torch.equal(grain_pattern(3, 4), grain_pattern(3, 4))
    assert not torch.equal(grain_pattern(3, 4, 0), grain_pattern(3, 4, 1))
    assert torch.equal(before, torch.get_rng_state())
    pattern = grain_pattern(200, 200)
    assert abs(float(pattern.mean())) < 0.02 and abs(float(pattern.std()) - 1) < 0.02


def test_in_training_each_sample_has_noise_of_its_own_and_each_pass_new_one() -> None:
    grain, x = Grain(2), torch.zeros(2, 2, 8, 8)
    first, second = grain(x), grain(x)
    assert not torch.allclose(first, second)
    assert not torch.allclose(first[0], first[1])
    first.square().sum().backward()
    assert grain.strength.grad is not None and grain.strength.grad.abs().min() > 0


def test_noise_from_a_seed_is_the_same_again_and_others_draw_on() -> None:
    grain, x, before = Grain(2), torch.zeros(1, 2, 4, 4), torch.get_rng_state()
    drawn = []
    for seed in (7, 7, 8):
        with grain_from(seed, x.device):
            drawn.append(grain(x))
    assert torch.equal(drawn[0], drawn[1]) and not torch.allclose(drawn[0], drawn[2])
    assert torch.equal(before, torch.get_rng_state())


def _generator(grain: bool) -> SpadeGenerator:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = SpadeGenerator(
            3, ((8,), (8,), (6,)), hidden=4, latent=0, style_widths=(), normalizer="batch", grain=grain
        )
        torch.nn.init.normal_(generator.to_rgb.weight)
    return generator.eval()


def test_a_map_of_one_label_is_one_colour_without_and_has_texture_with_it() -> None:
    meadow = torch.ones(32, 32, dtype=torch.int64)
    plain, grained = (_generator(grain).paint(meadow)[0] for grain in (False, True))
    assert float(plain.std(dim=(1, 2)).max()) < 1e-5
    assert float(grained.std(dim=(1, 2)).min()) > 0.01


def test_looked_up_and_computed_pictures_are_the_same_and_options_build_it_again() -> None:
    generator = _generator(grain=True)
    again = SpadeGenerator(**generator.options()).eval()
    again.load_state_dict(generator.state_dict())
    mask = torch.randint(3, (20, 24), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        computed = again(torch.nn.functional.one_hot(mask, 3).permute(2, 0, 1)[None].float())
    torch.testing.assert_close(generator.paint(mask), computed, rtol=0, atol=1e-5)
    torch.testing.assert_close(generator.paint(mask), generator.paint(mask), rtol=0, atol=0)
