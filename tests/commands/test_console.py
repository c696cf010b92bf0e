"""Progress bars: when they show."""

import pytest

Captured = pytest.CaptureFixture[str]


class TestProgress:
    @pytest.mark.parametrize("patience", [0.0, 60.0])
    def test_shows_only_when_it_takes_long(
        self, patience: float, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from styleapp.commands import console

        monkeypatch.setattr(console, "PATIENCE", patience)
        with console.progress(2, "pictures") as advance:
            advance(0.5)
            advance(1.5)
        out, err = capsys.readouterr()
        assert out == ""
        assert ("2.0/2 pictures" in err) is (patience == 0)
        assert err == "" or err.endswith("\n")
