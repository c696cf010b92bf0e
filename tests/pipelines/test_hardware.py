"""Devices by name, and what figures are labelled with."""

from pathlib import Path

import pytest
import torch

from styleapp.pipelines import hardware
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


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("MemTotal:        8000 kB\nMemFree:         1000 kB\nMemAvailable:    3000 kB\n", 3000 * 1024),
        ("MemTotal:        8000 kB\nMemFree:         1000 kB\n", None),  # Linux before 3.14
        (None, None),  # not Linux
    ],
)
def test_free_memory_is_what_linux_could_still_give(
    table: str | None, expected: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if table is not None:
        (tmp_path / "meminfo").write_text(table)
    monkeypatch.setattr(hardware, "MEMORY", tmp_path / "meminfo")
    assert free_memory(torch.device("cpu")) == expected


@pytest.mark.skipif(not hardware.MEMORY.is_file(), reason="only Linux tells")
def test_this_machine_has_memory_for_torch_at_least() -> None:
    free = free_memory(torch.device("cpu"))
    assert free is not None
    assert 2**26 < free < 2**50  # bytes, not kilobytes
