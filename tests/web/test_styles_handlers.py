"""What clicks and sliders of the tab *Styles* do, as plain functions, and whose styles are whose."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from styleapp.pipelines.style_bank import StyleBank
from styleapp.web import studios as studios_module
from styleapp.web.lessons_handlers import LessonsHandlers, progress_text
from styleapp.web.studios import Studios
from styleapp.web.styles_handlers import MIXED, NOBODY, StylesHandlers, Wish, alone

ANNA, BERT = (SimpleNamespace(session_hash=name) for name in ("anna", "bert"))
NOTHING = (gr.skip(),) * 4


@pytest.fixture
def studios(named_checkpoint: Path, tmp_path: Path, quick_lessons: None) -> Studios:
    return Studios(str(named_checkpoint), tmp_path / "visitors")


@pytest.fixture
def handlers(studios: Studios) -> StylesHandlers:
    return StylesHandlers(studios)


def values(photo: str | None, *mixture: tuple[str, float], strength: float = 1.0, side: int = 0) -> tuple[Any, ...]:
    """Of the page's controls, in its order."""
    slots = [*mixture, *[(NOBODY, 1.0)] * (MIXED - len(mixture))]
    return photo, strength, *(name for name, _ in slots), *(weight for _, weight in slots), "style", side


def clicked(index: int) -> Any:
    return SimpleNamespace(index=index)


def test_gallery_shows_names_and_the_mixer_offers_them(handlers: StylesHandlers) -> None:
    notice, gallery, names, *rest = handlers.open(ANNA)  # type: ignore[arg-type]
    assert notice["visible"] is False and names == ["wave", "night", "scream"]
    assert [caption for _, caption in gallery["value"]] == names and "selected_index" not in gallery
    lists, weights, own, frame = rest[:MIXED], rest[MIXED : 2 * MIXED], *rest[2 * MIXED :]
    assert [value for _, value in lists[0]["choices"]] == [NOBODY, *names] and weights == [1.0] * MIXED
    assert own["choices"] == [] and frame["visible"] is False


def test_a_click_sets_the_mix_to_this_style_alone_and_paints(handlers: StylesHandlers, pictures: Path) -> None:
    *mix, gallery = handlers.choose(["scream", "night"], ["wave", "night", "scream"], clicked(1))
    assert tuple(mix) == alone("night") and gallery["selected_index"] == 1
    given = (str(pictures / "photo.png"), 1.0, *mix, "style", 0)
    (((before, after), download, told, painted),) = handlers.paint(ANNA, *given)  # type: ignore[arg-type]
    assert before.size == (96, 72) and Path(after).name == "photo-painted.png" and after == download["value"]
    assert told.endswith("s, 96×72 · night") and painted == given


def test_mixture_is_told_in_shares(handlers: StylesHandlers, pictures: Path) -> None:
    mixed = values(str(pictures / "photo.png"), ("wave", 0.9), ("night", 0.3), ("scream", 0.0), side=48)
    ((_, _, told, _),) = handlers.paint(ANNA, *mixed)  # type: ignore[arg-type]
    assert told.endswith("s, 48×36 · wave 75 %, night 25 %")


def test_style_chosen_twice_has_both_weights() -> None:
    wish = Wish.of(*values("photo.png", ("wave", 0.5), (NOBODY, 1.0), ("wave", 0.25)))
    assert wish.mixture == {"wave": 0.75} and wish.max_side is None


def test_gallery_marks_only_a_style_that_is_alone(handlers: StylesHandlers) -> None:
    names = ["wave", "night"]
    for mixed, place in ((("night", ""), 1), (("wave", "night"), -1), (("", ""), -1), (("gone", ""), -1)):
        assert handlers.mark(names, *mixed)["selected_index"] == place


def test_draft_is_small_and_never_late(handlers: StylesHandlers, draw_photo: Any, tmp_path: Path) -> None:
    draw_photo(800, 600).save(tmp_path / "large.png")
    given = values(str(tmp_path / "large.png"), ("wave", 1.0), ("night", 0.5))
    before, after = handlers.draft(ANNA, values("large.png"), *given)  # type: ignore[arg-type]
    assert before.size == after.size == (384, 288)
    for painted in (None, given, list(given)):
        assert handlers.draft(ANNA, painted, *given) == gr.skip()  # type: ignore[arg-type]
    for nothing in (values(None, ("wave", 1.0)), values(given[0]), values(given[0], ("wave", 0.0))):
        assert handlers.draft(ANNA, values("large.png"), *nothing) == gr.skip()  # type: ignore[arg-type]


def test_changes_paint_anew_only_where_all_is_there(handlers: StylesHandlers, pictures: Path) -> None:
    photo = str(pictures / "photo.png")
    for incomplete in (values(None, ("wave", 1.0)), values(photo)):
        assert list(handlers.repaint(ANNA, *incomplete)) == [NOTHING]  # type: ignore[arg-type]
    wave = values(photo, ("wave", 1.0))
    ((_, _, told, painted),) = handlers.change(ANNA, None, *wave)  # type: ignore[arg-type]
    assert told.endswith("wave") and painted == wave
    assert list(handlers.change(ANNA, painted, *wave)) == [NOTHING]  # type: ignore[arg-type]
    ((_, _, told, _),) = handlers.repaint(ANNA, *wave)  # type: ignore[arg-type]
    assert told.endswith("wave")


@pytest.mark.parametrize(
    ("photo", "mixture", "sentence"),
    [
        (None, ("wave", 1.0), "Choose a photo first"),
        ("photo.png", (NOBODY, 1.0), "Choose a style first"),
        ("photo.png", ("wave", 0.0), "weights of all styles are 0"),
        ("photo.png", ("gone", 1.0), "unknown style 'gone'; known are wave, night, scream"),
        ("notes.png", ("wave", 1.0), "^'?notes.png is not a picture"),
    ],
)
def test_bad_input_is_one_sentence(
    handlers: StylesHandlers, pictures: Path, photo: str | None, mixture: tuple[str, float], sentence: str
) -> None:
    given = values(photo and str(pictures / photo), mixture)
    with pytest.raises(gr.Error, match=sentence) as caught:
        list(handlers.paint(ANNA, *given))  # type: ignore[arg-type]
    assert str(pictures) not in str(caught.value)


def test_sheet_grows_by_one_style_at_a_time(handlers: StylesHandlers, draw_photo: Any, tmp_path: Path) -> None:
    draw_photo(800, 600).save(tmp_path / "large.png")
    steps = handlers.sheet(ANNA, str(tmp_path / "large.png"), 1.0, "style")  # type: ignore[arg-type]
    for count, (sheet, names) in enumerate(steps, 1):
        assert len(sheet["value"]) == count and names == ["wave", "night", "scream"]
        with Image.open(sheet["value"][-1][0]) as tile:
            assert tile.size == (320, 240)


class Lessons:
    """A visitor's lessons, and the gallery that goes with them."""

    def __init__(self, studios: Studios) -> None:
        self.handlers, self.gallery = LessonsHandlers(studios), StylesHandlers(studios)

    def learn(self, visitor: Any, pictures: Path, name: str = "stripes", steps: int = 3) -> Iterator[Any]:
        self.handlers.begin(visitor)
        return self.handlers.learn(visitor, str(pictures / "style.png"), name, steps)

    def shown(self, visitor: Any) -> list[str]:
        return self.gallery.open(visitor)[2]


@pytest.fixture
def lessons(studios: Studios) -> Lessons:
    return Lessons(studios)


def test_lesson_tells_its_steps_and_ends_in_the_gallery(lessons: Lessons, studios: Studios, pictures: Path) -> None:
    *steps, (_, told, name) = lessons.learn(ANNA, pictures, " stripes ")
    assert [text.split("</progress> ")[1].split(" ·")[0] for _, text, _ in steps] == [
        f"Step {number} of 3" for number in range(4)
    ]
    assert steps[0][0].size == steps[-1][0].size == (48, 48) and steps[1][0] == gr.skip()
    assert (told, name) == ("“stripes” is in the gallery, after 3 steps.", "stripes")
    _, gallery, names, first, *_ = lessons.gallery.shelve(ANNA, "stripes", *alone(NOBODY))  # type: ignore[arg-type]
    assert names[-1] == first["value"] == "stripes" and gallery["selected_index"] == 3
    assert studios.get("anna").bank.entry("stripes").record["steps"] == 3


def test_stopped_lesson_keeps_what_was_learned(lessons: Lessons, studios: Studios, pictures: Path) -> None:
    states = lessons.learn(ANNA, pictures, steps=500)
    [next(states) for _ in range(3)]
    assert lessons.handlers.stop(BERT) == gr.skip()  # type: ignore[arg-type]
    next(states)
    assert lessons.handlers.stop(ANNA) == "Stopping after this step …"  # type: ignore[arg-type]
    ((_, told, name),) = states
    assert (told, name) == ("“stripes” is in the gallery, after 3 of 500 steps.", "stripes")
    assert lessons.shown(ANNA)[-1] == "stripes"
    assert studios.get("anna").bank.entry("stripes").record["steps"] == 3


def test_lesson_stopped_at_once_keeps_nothing(lessons: Lessons, pictures: Path) -> None:
    states = lessons.learn(ANNA, pictures)
    lessons.handlers.stop(ANNA)  # type: ignore[arg-type]
    *_, (_, told, name) = states
    assert told.startswith("Stopped before the first step") and name is None
    assert "stripes" not in lessons.shown(ANNA)


def test_lesson_of_a_page_that_was_closed_is_kept(lessons: Lessons, pictures: Path) -> None:
    states: Any = lessons.learn(ANNA, pictures, steps=500)
    [next(states) for _ in range(3)]
    states.close()
    assert lessons.shown(ANNA)[-1] == "stripes"


def test_second_lesson_is_told_to_wait(lessons: Lessons, pictures: Path) -> None:
    running = lessons.learn(ANNA, pictures)
    next(running)
    assert "another style is being learned" in lessons.handlers.begin(BERT)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("", "Give your style a name"), ("night", "from the beginning"), ("a/b", "cannot be the name")],
)
def test_names_that_cannot_be(lessons: Lessons, pictures: Path, name: str, sentence: str) -> None:
    with pytest.raises(gr.Error, match=sentence):
        list(lessons.learn(ANNA, pictures, name))


def test_a_name_is_not_taken_twice_and_a_picture_is_needed(lessons: Lessons, pictures: Path) -> None:
    list(lessons.learn(ANNA, pictures))
    with pytest.raises(gr.Error, match="you have a style called 'stripes' already"):
        list(lessons.learn(ANNA, pictures))
    with pytest.raises(gr.Error, match="Choose a picture first"):
        list(lessons.handlers.learn(ANNA, None, "dots", 3))  # type: ignore[arg-type]


def test_own_style_can_be_taken_along_and_removed(lessons: Lessons, pictures: Path, tmp_path: Path) -> None:
    list(lessons.learn(ANNA, pictures))
    for download, remove in lessons.handlers.offer(ANNA, "stripes"):  # type: ignore[arg-type]
        assert Path(download["value"]).name == "stripes.safetensors" and remove["interactive"]
        assert StyleBank(tmp_path / "other").take(Path(download["value"])).name == "stripes"
    assert lessons.handlers.remove(ANNA, "stripes") == "“stripes” is gone."  # type: ignore[arg-type]
    mixed = ("stripes", "wave", NOBODY, NOBODY, *[0.5] * MIXED)
    _, gallery, names, first, second, *_ = lessons.gallery.shelve(ANNA, None, *mixed)  # type: ignore[arg-type]
    assert names == ["wave", "night", "scream"] and (first["value"], second["value"]) == (NOBODY, "wave")
    with pytest.raises(gr.Error, match="there is no style 'stripes'") as caught:
        lessons.handlers.remove(ANNA, "stripes")  # type: ignore[arg-type]
    assert str(tmp_path) not in str(caught.value)
    assert lessons.handlers.remove(ANNA, None) == ""  # type: ignore[arg-type]


def test_visitors_have_banks_of_their_own(lessons: Lessons, studios: Studios, pictures: Path) -> None:
    """Even for styles of the same name; and what a visitor is called is no name of a folder."""
    list(lessons.learn(ANNA, pictures))
    assert lessons.shown(BERT) == ["wave", "night", "scream"] and studios.get("bert").bank.names() == []
    lessons.handlers.begin(BERT)  # type: ignore[arg-type]
    list(lessons.handlers.learn(BERT, str(pictures / "other.png"), "stripes", 2))  # type: ignore[arg-type]
    photo = str(pictures / "photo.png")
    first, second = (studios.get(name).pipeline(photo, "stripes").tobytes() for name in ("anna", "bert"))
    assert first != second
    assert all(folder.name.isalnum() and len(folder.name) == 32 for folder in studios.folder.iterdir())  # type: ignore[union-attr]
    assert studios.get("../anna").bank.folder.parent == studios.folder
    assert studios.get(None).bank.folder != studios.get(None).bank.folder


def test_shared_bank_is_the_users_own(
    named_checkpoint: Path, tmp_path: Path, monkeypatch, quick_lessons, pictures
) -> None:
    monkeypatch.setenv("STYLEAPP_STYLES", str(tmp_path / "mine"))
    lessons = Lessons(Studios(str(named_checkpoint)))
    list(lessons.learn(ANNA, pictures))
    assert StyleBank(tmp_path / "mine").names() == ["stripes"] and lessons.shown(BERT)[-1] == "stripes"
    StyleBank(tmp_path / "mine").remove("stripes")  # by the command, say
    assert lessons.shown(ANNA) == ["wave", "night", "scream"]


def test_styles_of_another_network_are_listed_to_be_removed(
    studios: Studios, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(Lessons(studios).learn(ANNA, pictures))
    monkeypatch.setattr("styleapp.pipelines.style_bank.fingerprint", lambda network: "other")
    *_, own, frame = StylesHandlers(studios).open(ANNA)  # type: ignore[arg-type]
    assert own["choices"] == [("stripes (of another network)", "stripes")] and frame["visible"] is True


def test_visitors_are_forgotten_after_hours(studios: Studios, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    list(Lessons(studios).learn(ANNA, pictures))
    folder = studios.get("anna").bank.folder
    assert folder.is_dir()
    monkeypatch.setattr(studios_module, "KEEP_SECONDS", -1)
    studios.get("bert")
    assert not folder.exists()


def test_missing_network_is_said_once_and_in_one_line(tmp_path: Path) -> None:
    handlers = StylesHandlers(Studios(str(tmp_path / "missing.safetensors")))
    notice, *rest = handlers.open(ANNA)  # type: ignore[arg-type]
    assert notice["visible"] and notice["value"].startswith("<b>No network with named styles yet.</b>")
    assert "missing.safetensors" in notice["value"] and rest == [gr.skip()] * (4 + 2 * MIXED)
    with pytest.raises(gr.Error, match=r"missing\.safetensors"):
        list(handlers.paint(ANNA, *values("photo.png", ("wave", 1.0))))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("step", "steps", "seconds", "text"),
    [
        (0, 200, 3.0, "Step 0 of 200"),
        (12, 200, 6.0, "Step 12 of 200 · 94 s left"),
        (10, 200, 30.0, "Step 10 of 200 · 10 min left"),
        (200, 200, 90.0, "Step 200 of 200"),
    ],
)
def test_progress(step: int, steps: int, seconds: float, text: str) -> None:
    assert progress_text(step, steps, seconds) == f'<progress max="{steps}" value="{step}"></progress> {text}'
