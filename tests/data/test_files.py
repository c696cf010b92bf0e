"""In full or not at all."""

from pathlib import Path

import pytest

from styleapp.data.files import write_whole


def test_writes_and_replaces_also_in_a_new_folder(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file.bin"
    for content in (b"one", b"two"):
        write_whole(target, content)
        assert target.read_bytes() == content
    assert list(target.parent.iterdir()) == [target]


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file.bin"
    write_whole(target, b"before")

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(target, b"after")
    assert [path.name for path in tmp_path.iterdir()] == ["file.bin"] and target.read_bytes() == b"before"
