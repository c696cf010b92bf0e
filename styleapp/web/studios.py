"""What each visitor paints with in the tab *Styles*: one network for all, and whose own styles."""

import hashlib
import secrets
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from styleapp.pipelines.gallery import GalleryEntry, gallery
from styleapp.pipelines.style_bank import StyleBank
from styleapp.pipelines.stylize import StylizePipeline
from styleapp.web.network import NetworkProvider

__all__ = ["KEEP_SECONDS", "Studio", "Studios"]

KEEP_SECONDS = 4 * 3600
"""How long what belongs to a visitor is kept after its last use."""


@dataclass(frozen=True)
class Studio:
    """A network with the styles of one bank, as they were when this was made.

    Attributes:
        entries: what the gallery shows, in its order.
    """

    pipeline: StylizePipeline
    bank: StyleBank
    entries: list[GalleryEntry]
    used: list[float] = field(default_factory=lambda: [time.monotonic()])

    @property
    def names(self) -> list[str]:
        """Of the entries."""
        return [entry.name for entry in self.entries]

    def title(self, name: str) -> str:
        """What people call a style."""
        return next((entry.title for entry in self.entries if entry.name == name), name)


class Studios:
    """One studio for everybody, or one for each visitor.

    Banks on disk are what is true: whoever changes one asks for :meth:`renewed`, and what was handed out before stays
    as it was, so that a painting in work is not disturbed.

    Args:
        checkpoint: a name of the manifest, or a file, of a network with named styles.
        folder: where visitors get a bank each, which nobody else sees; without it all share the user's own.
    """

    def __init__(self, checkpoint: str = "multistyle", folder: Path | None = None) -> None:
        self.network, self.folder = NetworkProvider(checkpoint, named=True), folder
        self._studios: dict[str, Studio] = {}
        self._shipped: dict[str, GalleryEntry] = {}  # with their thumbnails: once for all visitors
        self._lock = Lock()

    def problem(self) -> str | None:
        """One sentence that says why there is no network, or None where there is one."""
        return self.network.problem()

    def get(self, session: str | None) -> Studio:
        """The studio of a visitor.

        Args:
            session: as Gradio tells visitors apart; None is somebody new each time.

        Raises:
            ValueError: says why there is no network.
        """
        key = self._key(session)
        studio = self._studios.get(key)
        if studio is None:
            return self._made(key)
        studio.used[0] = time.monotonic()
        return studio

    def renewed(self, session: str | None) -> Studio:
        """The studio of a visitor with what the bank holds by now.

        Raises:
            ValueError: says why there is no network.
        """
        return self._made(self._key(session))

    def _key(self, session: str | None) -> str:
        """Also the name of a folder, so nothing that a visitor could have chosen."""
        if self.folder is None:
            return ""
        return hashlib.sha256((session or secrets.token_hex()).encode()).hexdigest()[:32]

    def _made(self, key: str) -> Studio:
        network = self.network.get()
        bank = StyleBank() if self.folder is None else StyleBank(self.folder / key)
        with self._lock:
            self._forget_old()
            pipeline = network.with_bank(bank)
            entries = [one if one.own else self._shipped.setdefault(one.name, one) for one in gallery(pipeline)]
            self._studios[key] = Studio(pipeline, bank, entries)
            return self._studios[key]

    def _forget_old(self) -> None:
        if self.folder is None:
            return
        for key, studio in list(self._studios.items()):
            if time.monotonic() - studio.used[0] > KEEP_SECONDS:
                del self._studios[key]
                shutil.rmtree(studio.bank.folder, ignore_errors=True)
