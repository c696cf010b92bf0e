"""Pages of the catalogue as the web page shows them."""

import re
from pathlib import Path

import pytest

from styleapp.norms.catalogue import catalogue
from styleapp.web import lab_catalogue
from styleapp.web.lab_catalogue import ALL, page_link, page_of

NAMES = [entry.name for entry in catalogue()]
ADDRESS = re.compile(r"\]\(([^)]+)\)")


@pytest.mark.parametrize("name", [ALL, *NAMES])
def test_page_needs_no_other_file(name: str) -> None:
    page = page_of(name)
    addresses = ADDRESS.findall(page)
    known = {page_link(one) for one in (ALL, *NAMES)}
    assert addresses and all(
        one in known or one.startswith(("https://", "data:image/svg+xml;base64,PHN2Zy")) for one in addresses
    )
    assert "```math" not in page and page.count("$$") % 2 == 0
    assert name == ALL or ("$$" in page and f"`{name}`" in page.splitlines()[0] and page_link(ALL) in addresses)


def test_first_page_leads_to_all_others() -> None:
    assert {page_link(name) for name in NAMES} <= {*ADDRESS.findall(page_of(ALL))}


def test_documents_beyond_the_catalogue_are_only_named() -> None:
    assert "docs/training-rules.md" in page_of("input_norm") and "training-rules.md)" not in page_of("input_norm")


def test_unknown_system_and_missing_documents_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown normalization '../../README'; known are none, batch"):
        page_of("../../README")
    monkeypatch.setattr(lab_catalogue, "page_file", lambda name: tmp_path / f"{name}.md")
    with pytest.raises(ValueError, match=r"there is no .*group\.md; the catalogue's pages come with the repository"):
        page_of("group")
