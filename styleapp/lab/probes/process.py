"""Probes in a process of their own: whoever waits can stop them, and random numbers and threads of others are safe."""

import signal
import sys
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from styleapp.lab.probes import probe
from styleapp.lab.probes.base import check_cases, run_probe
from styleapp.lab.probes.state import one_thread

__all__ = ["in_process"]

PATIENCE = 0.5
"""Seconds after which the caller has a say while nothing has come yet."""

GRACE = 2.0
"""Seconds that the process has to end what it has started itself."""


def in_process(name: str, seeds: Sequence[int], cases: Sequence[str] | None = None) -> Iterator[tuple[Any, ...] | None]:
    """As :func:`styleapp.lab.probes.base.run_probe`, with the same rows, in another process with one thread.

    Closing the iterator ends that process at once.

    Yields:
        The rows of a case and a seed; now and then ``None`` while these are being measured.

    Raises:
        ValueError: there is no such probe or case, or no seed.
        RuntimeError: the process ended before it was done.
    """
    chosen = check_cases(probe(name), cases)
    if not seeds:
        raise ValueError("a probe needs at least one seed")
    context = get_context("spawn")  # not forked: threads of this process may hold locks
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(there, name, tuple(seeds), chosen), daemon=True)
    process.start()
    there.close()
    try:
        for _ in range(len(chosen) * len(seeds)):
            while not here.poll(PATIENCE):
                yield None
            yield here.recv()
    except EOFError as error:
        raise RuntimeError(f"the process that measured {name} ended before it was done") from error
    finally:
        process.terminate()
        process.join(GRACE)
        process.kill()
        process.join()
        here.close()


def _measure(there: Connection, name: str, seeds: Sequence[int], cases: Sequence[str]) -> None:
    """What the other process does; when it is terminated, it cleans up behind itself."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with one_thread():
        for rows in run_probe(probe(name), seeds, cases):
            there.send(rows)
