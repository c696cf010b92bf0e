"""sync_batch: two processes with unequal shares of a batch against one process with all of it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from styleapp.norms import build_norm
from styleapp.norms.synchronized import SyncBatchNormalizer, merge_moments

Draw = Callable[..., Tensor]
Result = dict[str, Any]
STEPS = 3

WORKER = """
import datetime, sys
import torch, torch.distributed as dist
from torch import nn
from styleapp.norms import build_norm

rank, folder = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
dist.init_process_group(
    "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2, timeout=datetime.timedelta(seconds=120)
)

def network(state, dtype):
    norms = [build_norm("sync_batch", channels) for channels in (3, 4)]
    net = nn.Sequential(norms[0], nn.Conv2d(3, 4, 1), nn.ReLU(), norms[1]).to(dtype)
    net.load_state_dict(state)
    return net

def train(case):
    net, share = network(case["state"], case["batches"].dtype), slice(*case["shares"][rank])
    steps = []
    for x, upstream in zip(case["batches"], case["upstream"]):
        x, upstream = x[share].clone().requires_grad_(), upstream[share]
        net.zero_grad()
        y = net(x)
        (gradient,) = torch.autograd.grad((y * upstream).sum(), x, create_graph=True)
        (penalty,) = torch.autograd.grad(gradient.square().sum(), x, retain_graph=True)
        (y * upstream).sum().backward()
        for parameter in net.parameters():
            dist.all_reduce(parameter.grad)
        parameters = [parameter.grad for parameter in net.parameters()]
        steps.append({"y": y.detach(), "gradient": gradient.detach(), "penalty": penalty, "parameters": parameters})
    return {"steps": steps, "state": net.state_dict(), "evaluated": net.eval()(case["batches"][0][:1]).detach()}

def refused(case):
    try:
        build_norm("sync_batch", 3)(torch.ones(1 - rank, 3, 1, 1))
    except ValueError as error:
        return str(error)

def cumulative(case):
    layer = build_norm("sync_batch", 3, momentum=None).double()
    for x in case["batches"]:
        layer(x[slice(*case["shares"][rank])])
    return layer.state_dict()

made = {"train": train, "refused": refused, "cumulative": cumulative}
cases = torch.load(f"{folder}/cases.pt")
torch.save({name: made[case["kind"]](case) for name, case in cases.items()}, f"{folder}/result{rank}.pt")
dist.destroy_process_group()
"""

SHARES = {"3 and 5": (3, 5), "8 and none": (8, 0), "1 and 1": (1, 1), "float32": (3, 5), "large mean": (2, 6)}


def _case(name: str, random: torch.Generator) -> Result:
    first, second = SHARES[name]
    count, side = first + second, 1 if name == "1 and 1" else 5
    net = _whole_network().double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random))
    batches = torch.randn(STEPS, count, 3, side, side + 1, generator=random, dtype=torch.float64) * 2 + 1
    batches += (torch.arange(count) >= first).view(-1, 1, 1, 1)  # the shards differ in their means
    batches += 1e4 if name == "large mean" else 0
    dtype = torch.float32 if name in ("float32", "large mean") else torch.float64
    names = dict(zip(_whole_network().state_dict(), _state_names(), strict=True))
    return {
        "kind": "train",
        "state": {names[key]: value for key, value in net.to(dtype).state_dict().items()},
        "whole": net.state_dict(),
        "batches": batches.to(dtype),
        "upstream": torch.randn(STEPS, count, 4, side, side + 1, generator=random, dtype=torch.float64).to(dtype),
        "shares": [(0, first), (first, count)],  # of each process, from and to
    }


def _whole_network() -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4))


def _state_names() -> list[str]:
    """Names of our layers' state in the order of torch's: scale, shift, then the running statistics."""
    parts = ["modulator.weight", "modulator.bias"]
    parts += [f"normalizer.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")]
    return [*(f"0.{part}" for part in parts), "1.weight", "1.bias", *(f"3.{part}" for part in parts)]


@pytest.fixture(scope="module")
def cases() -> dict[str, Result]:
    random = torch.Generator().manual_seed(5)
    made = {name: _case(name, random) for name in SHARES}
    made["refused"] = {"kind": "refused"}
    made["cumulative"] = {**made["3 and 5"], "kind": "cumulative"}
    return made


def _start(rank: int, folder: Path, log: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with log.open("wb") as stream:
        return subprocess.Popen([sys.executable, "-c", WORKER, str(rank), str(folder)], env=environment, stderr=stream)


@pytest.fixture(scope="module")
def results(cases: dict[str, Result], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two real processes made of its shares of all cases."""
    folder = tmp_path_factory.mktemp("processes")
    torch.save(cases, folder / "cases.pt")
    logs = [folder / f"log{rank}.txt" for rank in range(2)]
    workers = [_start(rank, folder, log) for rank, log in enumerate(logs)]
    try:
        codes = [worker.wait(timeout=240) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert codes == [0, 0], "".join(log.read_text() for log in logs)
    return [torch.load(folder / f"result{rank}.pt") for rank in range(2)]


def _alone(case: Result) -> Result:
    """The same training in this process, with torch's batch norm in float64 and the whole batch."""
    net = _whole_network().double()
    net.load_state_dict(case["whole"])
    steps = []
    for x, upstream in zip(case["batches"].double(), case["upstream"].double(), strict=True):
        x = x.requires_grad_()
        net.zero_grad()
        y = net(x)
        (gradient,) = torch.autograd.grad((y * upstream).sum(), x, create_graph=True)
        (penalty,) = torch.autograd.grad(gradient.square().sum(), x, retain_graph=True)
        (y * upstream).sum().backward()
        parameters = [parameter.grad for parameter in net.parameters()]
        steps.append({"y": y.detach(), "gradient": gradient.detach(), "penalty": penalty, "parameters": parameters})
    state = dict(zip(_state_names(), net.state_dict().values(), strict=True))
    return {"steps": steps, "state": state, "evaluated": net.eval()(case["batches"][0][:1].double()).detach()}


@pytest.mark.parametrize("name", ["3 and 5", "8 and none", "1 and 1"])
def test_two_processes_equal_one(name: str, cases: dict[str, Result], results: list[dict[str, Any]]) -> None:
    """Output, gradient, gradient of a gradient penalty, parameters' gradients, running statistics and evaluation."""
    expected = _alone(cases[name])
    for step, whole in enumerate(expected["steps"]):
        ours = [result[name]["steps"][step] for result in results]
        for key in ("y", "gradient", "penalty"):
            together = torch.cat([each[key] for each in ours])
            torch.testing.assert_close(together, whole[key], rtol=1e-9, atol=1e-9 * whole[key].abs().max().item())
        for each in ours:
            torch.testing.assert_close(each["parameters"], whole["parameters"], rtol=1e-9, atol=1e-9)
    for result in results:
        torch.testing.assert_close(result[name]["state"], expected["state"], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(result[name]["evaluated"], expected["evaluated"], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("name", "tolerance"), [("float32", 1e-4), ("large mean", 2e-2)])
def test_single_precision(name: str, tolerance: float, cases: dict[str, Result], results: list[dict[str, Any]]) -> None:
    """A mean of 10⁴ leaves three digits to float32 features, and none to E[x²] − E[x]²."""
    expected = _alone(cases[name])
    together = torch.cat([result[name]["steps"][0]["y"] for result in results])
    scale = expected["steps"][0]["y"].abs().max().item()
    torch.testing.assert_close(together.double(), expected["steps"][0]["y"], rtol=0, atol=tolerance * scale)
    for result in results:
        for key, value in result[name]["state"].items():
            torch.testing.assert_close(value.double(), expected["state"][key].double(), rtol=tolerance, atol=tolerance)


def test_single_value_over_all_processes_is_refused(results: list[dict[str, Any]]) -> None:
    for result in results:
        assert "batch normalization needs at least 2 values a statistic" in result["refused"]


def test_cumulative_average_over_processes(cases: dict[str, Result], results: list[dict[str, Any]]) -> None:
    twin = nn.BatchNorm2d(3, momentum=None, affine=False, dtype=torch.float64)
    for x in cases["cumulative"]["batches"]:
        twin(x)
    for result in results:
        state = {name.removeprefix("normalizer."): value for name, value in result["cumulative"].items()}
        for name, value in twin.state_dict().items():
            torch.testing.assert_close(state[name], value)


# One process


def test_alone_it_is_batch_normalization(draw: Draw) -> None:
    layer, twin = SyncBatchNormalizer(4).double(), nn.BatchNorm2d(4, affine=False, dtype=torch.float64)
    for _ in range(3):
        x, upstream = draw(3, 4, 5, 6, shift=2.0).requires_grad_(), draw(3, 4, 5, 6)
        y, expected = layer(x), twin(x)
        assert torch.equal(y, expected)
        assert torch.equal(*(torch.autograd.grad(each, x, upstream)[0] for each in (y, expected)))
    assert all(torch.equal(layer.state_dict()[name], value) for name, value in twin.state_dict().items())


def test_state_is_that_of_batch() -> None:
    """So a checkpoint does not care on how many processes it was trained."""
    build_norm("batch", 4).load_state_dict(build_norm("sync_batch", 4).state_dict())


def test_layer_for_gpus_updates_our_statistics(draw: Draw) -> None:
    layer, twin = SyncBatchNormalizer(4, momentum=0.3), nn.BatchNorm2d(4, momentum=0.3, affine=False)
    x = draw(3, 4, 5, 6, dtype=torch.float32)
    inner = layer._torch_layer()
    assert isinstance(inner, nn.SyncBatchNorm)
    torch.testing.assert_close(inner(x), twin(x))
    torch.testing.assert_close(layer.state_dict(), twin.state_dict())
    assert not layer.eval()._torch_layer().training


# Merging


def test_merge_by_hand() -> None:
    """[1, 2] and [3, 4, 5]: variances 0.25 and 0.667, but 2 of all five; an empty shard adds nothing."""
    parts = torch.tensor([[2.0, 1.5, 0.5], [0.0, 0.0, 0.0], [3.0, 4.0, 2.0]], dtype=torch.float64)
    count, mean, squares = merge_moments(parts)
    assert (count.item(), mean.item(), squares.item() / 5) == (5.0, 3.0, 2.0)


def test_merge_of_large_means() -> None:
    """10⁶ values N(10⁴, 1) in single precision: E[x²] − E[x]² keeps no digit (steps of 8), the merge does."""
    x = torch.randn(10**6, generator=torch.Generator().manual_seed(0)) + 1e4
    shards = x.split([300_000, 700_000])
    rows = [[float(s.numel()), s.mean(), (s - s.mean()).square().sum()] for s in shards]
    count, _, squares = merge_moments(torch.tensor(rows))
    assert squares.item() / count.item() == pytest.approx(1.0, abs=5e-3)
    one_pass = x.square().sum() / x.numel() - (x.sum() / x.numel()).square()
    assert abs(one_pass.item() - 1) >= 1


def test_unequal_split_of_the_specification(draw: Draw) -> None:
    """A split of 3 and 5 merges to the whole; a batch norm of each shard does not."""
    x = draw(8, 4, 5, 6)
    shards = x.split([3, 5])
    rows = [
        torch.cat([s.new_tensor([s.numel() / 4]), s.mean((0, 2, 3)), s.var((0, 2, 3), correction=0) * s.numel() / 4])
        for s in shards
    ]
    count, mean, squares = merge_moments(torch.stack(rows))
    torch.testing.assert_close(mean, x.mean((0, 2, 3)), rtol=0, atol=1e-15)
    torch.testing.assert_close(squares / count, x.var((0, 2, 3), correction=0), rtol=2e-15, atol=0)
    norm = nn.BatchNorm2d(4, affine=False, dtype=torch.float64)
    assert (torch.cat([norm(s) for s in shards]) - norm(x)).abs().max() > 0.05
