"""The network behind a tab: one for all visitors, loaded when it is first needed."""

from threading import Lock

from styleapp.pipelines.stylize import StylizePipeline

__all__ = ["NetworkProvider"]


class NetworkProvider:
    """Loads a pipeline once and keeps it; while it cannot be loaded, every call tries again.

    So the page starts without any checkpoint, says what is missing, and works as soon as the file is there.

    Args:
        checkpoint: a name of the manifest, or a file.
        named: whether its styles must have names; else it must take any picture as a style.
    """

    def __init__(self, checkpoint: str = "adain", *, named: bool = False) -> None:
        self.checkpoint, self.named = checkpoint, named
        self._pipeline: StylizePipeline | None = None
        self._lock = Lock()

    def get(self) -> StylizePipeline:
        """The pipeline.

        Raises:
            ValueError: says what is missing or wrong.
        """
        with self._lock:
            if self._pipeline is None:
                pipeline = StylizePipeline.from_checkpoint(self.checkpoint)
                if pipeline.styles and not self.named:
                    raise ValueError(f"{self.checkpoint} has styles by name; the page needs one for any style picture")
                if self.named and not pipeline.styles:
                    raise ValueError(f"{self.checkpoint} takes any style picture; this tab needs one with named styles")
                self._pipeline = pipeline
            return self._pipeline

    def problem(self) -> str | None:
        """One sentence that says why there is no network, or None where there is one."""
        try:
            self.get()
        except ValueError as error:
            return str(error)
        return None
