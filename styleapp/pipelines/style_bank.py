"""The styles that a user has taught a network: one small file each, kept apart from the checkpoint."""

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from styleapp.data.files import write_whole
from styleapp.models.multistyle import NamedStylizer
from styleapp.norms import Code
from styleapp.thumbnails import jpeg, thumbnail

__all__ = ["BankError", "Entry", "StyleBank", "bank_folder", "fingerprint"]

FORMAT = 1
SUFFIX = ".safetensors"
NAME = re.compile(r"[\w][\w .,()'-]{0,79}")


class BankError(ValueError):
    """A style cannot be kept, found or used; the message names it and says why."""


@dataclass(frozen=True)
class Entry:
    """What a file says about its style.

    Attributes:
        name: under which it is asked for.
        base: fingerprint of the network that it belongs to.
        record: how it was learned.
    """

    name: str
    base: str
    record: dict[str, Any] = field(default_factory=dict)


def bank_folder() -> Path:
    """``$STYLEAPP_STYLES``, else ``styleapp/styles`` where this system keeps a user's data."""
    chosen = os.environ.get("STYLEAPP_STYLES")
    if chosen:
        return Path(chosen)
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "styleapp" / "styles"


def fingerprint(network: NamedStylizer) -> str:
    """Of the shared weights: a checkpoint with further styles is still the same network, one trained anew is not."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        if ".modulator." not in name:
            digest.update(name.encode() + value.half().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


class StyleBank:
    """A folder of styles.

    Args:
        folder: made when the first style is saved.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder) if folder is not None else bank_folder()

    def names(self) -> list[str]:
        """Of all files that can be read, sorted."""
        return sorted(path.name.removesuffix(SUFFIX) for path in self.folder.glob(f"*{SUFFIX}"))

    def path(self, name: str) -> Path:
        """The file of a style, whether it is there or not.

        Raises:
            BankError: the name cannot be one of a file everywhere.
        """
        if not NAME.fullmatch(name) or name != name.strip(" ."):
            raise BankError(f"{name!r} cannot be the name of a style: letters, digits, spaces and - _ . , ( ) ' can")
        return self.folder / f"{name}{SUFFIX}"

    def save(
        self,
        name: str,
        code: Code,
        network: NamedStylizer,
        record: dict[str, Any] | None = None,
    ) -> Path:
        """Writes a style in full or not at all, with a thumbnail; one of the same name is replaced.

        Raises:
            BankError: the name is the network's own or no name for a file, or the file cannot be written.
        """
        self.check(name, network)
        drawn = bytearray(jpeg(thumbnail(network, code)))
        tensors = {
            "gamma": code.gamma.float().cpu().contiguous(),
            "beta": code.beta.float().cpu().contiguous(),
            "thumbnail": torch.frombuffer(drawn, dtype=torch.uint8),
        }
        card = json.dumps(asdict(Entry(name, fingerprint(network), record or {})))
        return self._write(name, save(tensors, metadata={"format": str(FORMAT), "style": card}))

    def check(self, name: str, network: NamedStylizer) -> None:
        """Whether a style may be called so, before it is learned.

        Raises:
            BankError: the name is the network's own or no name for a file.
        """
        self.path(name)
        if name in network.styles:
            raise BankError(f"the network has a style called {name!r} from the beginning: choose another name")

    def take(self, file: Path) -> Entry:
        """Copies a file that another bank wrote into this one, under the name that it was saved with.

        Raises:
            BankError: it is missing, damaged, or no style; or there is another style of that name.
        """
        entry, _ = _read(file)
        content, target = file.read_bytes(), self.path(entry.name)
        if target.is_file() and target.read_bytes() != content:
            raise BankError(f"there is another style called {entry.name!r} already: remove it first")
        self._write(entry.name, content)
        return entry

    def _write(self, name: str, content: bytes) -> Path:
        target = self.path(name)
        try:
            write_whole(target, content)
        except OSError as error:
            raise BankError(f"{target} cannot be written: {error.strerror or error}") from error
        return target

    def give(self, name: str, file: Path) -> None:
        """Copies a style to a file that another bank can take.

        Raises:
            BankError: there is none, it is damaged, or the file cannot be written.
        """
        self.entry(name)
        try:
            write_whole(file, self.path(name).read_bytes())
        except OSError as error:
            raise BankError(f"{file} cannot be written: {error.strerror or error}") from error

    def entry(self, name: str) -> Entry:
        """What a file says, without its numbers.

        Raises:
            BankError: there is none, or it is damaged.
        """
        return self._read(name)[0]

    def thumbnail(self, name: str) -> Image.Image:
        """The sample landscape in the style."""
        return Image.open(BytesIO(self._read(name)[1]["thumbnail"].numpy().tobytes())).convert("RGB")

    def load(self, name: str, network: NamedStylizer) -> Code:
        """The code of a style, for the network that it was learned for.

        Raises:
            BankError: there is none, it is damaged, or it belongs to another network.
        """
        entry, tensors = self._read(name)
        if entry.base != fingerprint(network):
            raise BankError(
                f"the style {name!r} was learned for another network ({entry.base}) than the one in use "
                f"({fingerprint(network)}): learn it again"
            )
        return Code(tensors["gamma"], tensors["beta"])

    def remove(self, name: str) -> None:
        """Deletes a style.

        Raises:
            BankError: there is none.
        """
        path = self.path(name)
        if not path.is_file():
            raise self._missing(name)
        path.unlink()

    def _missing(self, name: str) -> BankError:
        return BankError(f"there is no style {name!r} in {self.folder}; there are: {', '.join(self.names()) or 'none'}")

    def _read(self, name: str) -> tuple[Entry, dict[str, torch.Tensor]]:
        path = self.path(name)
        if not path.is_file():
            raise self._missing(name)
        return _read(path)


def _read(path: Path) -> tuple[Entry, dict[str, torch.Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            entry = Entry(**json.loads((file.metadata() or {})["style"]))
            return entry, {key: file.get_tensor(key) for key in ("gamma", "beta", "thumbnail")}
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise BankError(f"{path} is missing, damaged or no style: {error}") from error
