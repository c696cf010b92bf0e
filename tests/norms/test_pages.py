"""docs/norms: a page for every system that says what the catalogue says, whose links, examples and oracles exist."""

import contextlib
import inspect
import io
import re
from pathlib import Path

import pytest

from styleapp.norms import NORMALIZERS
from styleapp.norms.catalogue import Entry, behaviour, catalogue
from styleapp.norms.weights import WEIGHT_NORMS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "norms"
PAGES = sorted(FOLDER.glob("*.md"))

every_entry = pytest.mark.parametrize("known", catalogue(), ids=lambda known: known.name)
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def _text(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def test_a_page_for_every_system_and_an_index() -> None:
    assert {page.stem for page in PAGES} == {known.name for known in catalogue()} | {"README"}


@every_entry
def test_says_what_the_catalogue_says(known: Entry) -> None:
    text, acts = _text(known.name), behaviour(known.name)
    assert text.startswith(f"# {known.title}: `{known.name}`\n")
    said = " ".join(text.split())
    assert f"* **Axes:** {acts.axes} * **Training:** {acts.training} * **Evaluation:** {acts.evaluation} *" in said
    assert f"* **Status:** {known.status}" in said
    for number in re.findall(r"arXiv (\d{4}\.\d{5})", known.paper):
        assert f"(https://arxiv.org/abs/{number})" in text


@every_entry
def test_has_its_parts(known: Entry) -> None:
    text = _text(known.name)
    assert "```math\n" in text
    assert f"](figures/{known.name}.svg)" in text
    headings = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    if known.status == "planned":
        ending = ["Traps", "What its tests will assert", "Source"]
    else:
        ending = ["In code", "Traps", "What our tests compare with", "Source"]
    assert headings[0] == "When to use it"
    assert headings[-len(ending) :] == ending
    assert 30 <= len(text.splitlines()) <= 80


@every_entry
def test_options_are_those_of_the_constructor(known: Entry) -> None:
    constructor = {**WEIGHT_NORMS, **NORMALIZERS}.get(known.name)
    if constructor is None:
        return
    (line,) = re.findall(r"^\* \*\*Options:\*\* (.*?)^\* \*\*Status", _text(known.name), flags=re.M | re.S)
    parameters = inspect.signature(constructor).parameters
    options = {name: option.default for name, option in parameters.items() if option.default is not option.empty}
    said = dict(re.findall(r"`(\w+)=([^`]+)`", line))
    assert {name: eval(value) for name, value in said.items()} == options


@every_page
def test_examples_print_what_they_say(page: Path) -> None:
    for example in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(example, {})
        promised = re.findall(r"^print\(.*\)  # (.*)$", example, flags=re.MULTILINE)
        assert promised
        assert printed.getvalue().splitlines() == promised


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).is_file(), target


@every_page
def test_oracles_exist(page: Path) -> None:
    for path, test in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page.read_text(encoding="utf-8")):
        assert (ROOT / path).is_file(), path
        assert not test or f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), test


@every_entry
def test_the_index_lists_it_with_its_status(known: Entry) -> None:
    if known.kind == "conditional":
        assert f"]({known.name}.md)" in _text("README")
    else:
        assert re.search(rf"^\| \[{known.name}\]\({known.name}\.md\) \|.*\| {known.status} \|$", _text("README"), re.M)
