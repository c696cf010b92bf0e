"""Probes compute with one thread, as the command does."""

from collections.abc import Iterator

import pytest

from styleapp.lab.probes.state import one_thread


@pytest.fixture(autouse=True)
def single_thread() -> Iterator[None]:
    with one_thread():
        yield
