"""Pictures to try the app with: photos that Gradio brings along, styles that we draw ourselves."""

import hashlib
import importlib.util
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from styleapp.data import synthetic
from styleapp.data.pictures import PictureError
from styleapp.pipelines.images import save_image

__all__ = ["Sample", "cache_folder", "sample_photos", "sample_styles"]

STYLE_SIZE = 512
PHOTOS = {"tower.jpg": "Tower", "lion.jpg": "Lion", "cheetah1.jpg": "Cheetah", "cheetah.jpg": "Running cheetah"}


@dataclass(frozen=True)
class Sample:
    """A picture on disk that a visitor can try: short name, title for people, file."""

    name: str
    title: str
    path: Path


def sample_photos() -> list[Sample]:
    """The photos in the media folder of the installed Gradio, which is not imported; empty where there is none."""
    spec = importlib.util.find_spec("gradio")
    if spec is None or spec.origin is None:
        return []
    folder = Path(spec.origin).parent / "media_assets" / "images"
    found = [Sample(Path(file).stem, title, folder / file) for file, title in PHOTOS.items()]
    return [sample for sample in found if sample.path.is_file()]


def sample_styles(size: int = STYLE_SIZE) -> list[Sample]:
    """The generated styles as PNG files of size×size pixels, drawn once and then kept in :func:`cache_folder`."""
    folder = cache_folder() / f"styles-{_fingerprint()}-{size}"
    return [
        Sample(name, style.title, _drawn(folder / f"{name}.png", size))
        for name, style in synthetic.SAMPLE_STYLES.items()
    ]


def cache_folder() -> Path:
    """Where drawn pictures are kept: ``$XDG_CACHE_HOME/styleapp``, ``~/.cache/styleapp``, or a temporary folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    wanted = (Path(base) if base else Path.home() / ".cache") / "styleapp"
    with suppress(OSError):
        wanted.mkdir(parents=True, exist_ok=True)
    if os.access(wanted, os.W_OK):
        return wanted
    own = f"styleapp-{os.getuid()}" if hasattr(os, "getuid") else "styleapp"
    fallback = Path(tempfile.gettempdir()) / own
    fallback.mkdir(exist_ok=True)
    return fallback


def _fingerprint() -> str:
    """Changes when the code that draws the styles does, so that old drawings are not shown for ever."""
    source = synthetic.__file__ or ""
    digest = hashlib.sha256()
    for file in sorted(Path(source).parent.glob("*.py") if Path(source).name == "__init__.py" else [Path(source)]):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _drawn(path: Path, size: int) -> Path:
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return save_image(synthetic.sample_style(path.stem, size), path)
    except PictureError:
        if path.is_file():  # another process was quicker
            return path
        raise
