"""Devices by name, and what figures are labelled with."""

from pathlib import Path

import pytest
import torch

from styleapp.pipelines.hardware import best_device, free_memory, hardware_name, is_out_of_memory, synchronize

HAS_GPU = torch.cuda.is_available()


def test_auto_is_the_gpu_where_there_is_one() -> None:
    assert best_device("auto").type == ("cuda" if HAS_GPU else "cpu")
    assert best_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["tpu", "", *([] if HAS_GPU else ["cuda"])])
def test_devices_that_are_not_there_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name or "must be auto, cpu or cuda"):
        best_device(name)


@pytest.mark.parametrize(("threads", "said"), [(1, "1 thread"), (2, "2 threads")])
def test_a_processor_is_named_with_its_threads(threads: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    model, _, in_use = hardware_name(torch.device("cpu")).rpartition(", ")
    assert model
    assert in_use == said


def test_a_processor_needs_no_waiting() -> None:
    synchronize(torch.device("cpu"))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."), True),
        (RuntimeError("unsupported memory format option"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_running_out_of_memory_looks_like(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_torch_says_it_in_one_of_these_ways() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**55)
    assert is_out_of_memory(raised.value)


@pytest.mark.skipif(not Path("/proc/meminfo").is_file(), reason="only Linux tells")
def test_free_memory_shrinks_when_some_is_taken() -> None:
    before = free_memory(torch.device("cpu"))
    taken = torch.ones(2**28, dtype=torch.uint8)  # 256 MiB, written to
    after = free_memory(torch.device("cpu"))
    assert before is not None
    assert after is not None
    assert before - after > len(taken) / 4  # other programs come and go
