"""A probe leaves no trace: parameters, buffers, random numbers and threads are as they were."""

from typing import Any

import pytest
import torch
from torch import nn

from styleapp.lab.probes.state import kept_state, one_thread, rewind_buffers, seeded
from styleapp.norms import NORMALIZERS, WEIGHT_NORMS, build_norm

OPTIONS: dict[str, dict[str, Any]] = {"group": {"groups": 2}}


def _network(norm: str, weight_norm: str = "none") -> nn.Sequential:
    with seeded(0):
        conv = WEIGHT_NORMS[weight_norm](nn.Conv2d(3, 4, 3))
        return nn.Sequential(conv, build_norm(norm, 4, **OPTIONS.get(norm, {})), nn.Dropout(0.5))


def _train(network: nn.Module) -> None:
    loss = network(torch.randn(3, 3, 8, 8)).square().sum()
    loss.backward()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.sub_(0.1 * parameter.grad)


@pytest.mark.parametrize("norm", NORMALIZERS)
@pytest.mark.parametrize("weight_norm", ["none", "spectral_norm"])
def test_nothing_of_a_step_is_left(norm: str, weight_norm: str) -> None:
    network = _network(norm, weight_norm)
    _train(network)  # so that running statistics are not those of the start
    before = {name: value.clone() for name, value in network.state_dict().items()}
    places = [id(tensor) for tensor in (*network.parameters(), *network.buffers())]
    random = torch.get_rng_state()
    with kept_state(network):
        _train(network)
        changed = [name for name, value in network.state_dict().items() if not torch.equal(value, before[name])]
    assert any("weight" in name for name in changed)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [id(tensor) for tensor in (*network.parameters(), *network.buffers())] == places
    assert torch.equal(torch.get_rng_state(), random)


def test_back_after_an_error() -> None:
    network = _network("batch")
    before = network[0].weight.clone()
    with pytest.raises(RuntimeError, match="on purpose"), kept_state(network):
        _train(network)
        raise RuntimeError("on purpose")
    assert torch.equal(network[0].weight, before)
    assert not network[1].normalizer.running_mean.any()


def test_a_buffer_that_was_exchanged_comes_back() -> None:
    network = _network("batch")
    own = network[1].normalizer.running_mean
    with rewind_buffers(network):
        network[1].normalizer.running_mean = torch.ones(4)
    assert network[1].normalizer.running_mean is own
    assert not own.any()


def test_seeds() -> None:
    outside = torch.get_rng_state()
    draws = []
    for seed in (1, 1, 2):
        with seeded(seed):
            draws.append(float(torch.rand(())))
    assert draws[0] == draws[1] != draws[2]
    assert torch.equal(torch.get_rng_state(), outside)


def test_threads_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    count = {"threads": 7}
    monkeypatch.setattr(torch, "get_num_threads", lambda: count["threads"])
    monkeypatch.setattr(torch, "set_num_threads", lambda number: count.update(threads=number))
    with one_thread():
        assert count["threads"] == 1
    assert count["threads"] == 7
