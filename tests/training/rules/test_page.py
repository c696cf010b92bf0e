"""docs/training-rules.md: a section for every rule, whose recipes can be parsed and built as they stand."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytorch_lightning import LightningDataModule, LightningModule
from pytorch_lightning.cli import LightningCLI

import styleapp.training.rules as rules
from styleapp.training.rules.base import TrainingRule

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "training-rules.md"
TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", TEXT, flags=re.MULTILINE | re.DOTALL))
SNIPPETS = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
NORM_PAGES = [
    (path.stem, snippet)
    for path in sorted((ROOT / "docs" / "norms").glob("*.md"))
    for snippet in re.findall(r"```yaml\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.DOTALL)
]

every_rule = pytest.mark.parametrize("name", rules.__all__)
EVERY = [*((f"{PAGE.stem}-{number}", one) for number, one in enumerate(SNIPPETS)), *NORM_PAGES]
every_snippet = pytest.mark.parametrize("snippet", [text for _, text in EVERY], ids=[name for name, _ in EVERY])


class Parser(LightningCLI):
    """Stops before anything is built: that would read weights and want data."""

    def instantiate_classes(self) -> None: ...


def _merged(recipe: Path, snippet: str, folder: Path) -> Path:
    """A recipe with the callbacks of the snippet before its own."""
    config, added = (yaml.safe_load(text) for text in (recipe.read_text(encoding="utf-8"), snippet))
    assert set(added) == {"trainer"}
    config["trainer"]["callbacks"] = added["trainer"]["callbacks"] + config["trainer"]["callbacks"]
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


@pytest.mark.parametrize("recipe", ["multistyle", "facades"])
@every_snippet
def test_snippets_are_parts_of_recipes(snippet: str, recipe: str, tmp_path: Path) -> None:
    path = _merged(ROOT / "configs" / f"{recipe}.yaml", snippet, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["train.py"])  # Lightning warns of arguments beside its own
        config = Parser(
            LightningModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            run=False,
            args=[f"--config={path}"],
        ).config
    stated = yaml.safe_load(snippet)["trainer"]["callbacks"]
    for parsed, written in zip(config.trainer.callbacks, stated, strict=False):
        assert parsed.class_path.rpartition(".")[2] == written["class_path"].rpartition(".")[2]
        for name, value in written.get("init_args", {}).items():
            assert parsed.init_args[name] == value


@every_snippet
def test_snippets_can_be_built(snippet: str) -> None:
    for one in yaml.safe_load(snippet)["trainer"]["callbacks"]:
        module, _, name = one["class_path"].rpartition(".")
        built: Any = getattr(importlib.import_module(module), name)(**one.get("init_args", {}))
        assert isinstance(built, TrainingRule) or name == "EMAWeightAveraging"


@every_rule
def test_a_section_for_every_rule(name: str) -> None:
    section = SECTIONS[name]
    assert "```math\n" in section
    for part in ("Touches", "Curves", "Cost", "Refuses"):
        assert f"* **{part}:** " in section
    assert any(
        one["class_path"] == f"styleapp.training.rules.{name}"
        for snippet in re.findall(r"```yaml\n(.*?)```", section, flags=re.DOTALL)
        for one in yaml.safe_load(snippet)["trainer"]["callbacks"]
    )
    assert re.search(rf"^\| `{name}` \|", TEXT, flags=re.MULTILINE)


@every_rule
def test_curves_have_the_title_of_the_rule(name: str) -> None:
    (line,) = re.findall(r"^\* \*\*Curves:\*\* (.*)$", SECTIONS[name], flags=re.MULTILINE)
    named = re.findall(r"`(\w+)/(\w+)`", line)
    assert named and {title for title, _ in named} == {getattr(rules, name).title}
    source = (ROOT / "styleapp" / "training" / "rules").joinpath(_file(name)).read_text(encoding="utf-8")
    for _, curve in named:
        assert f'self.curves["{curve}"]' in source


def _file(name: str) -> str:
    return getattr(rules, name).__module__.rpartition(".")[2] + ".py"


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert targets
    for target in targets:
        assert (PAGE.parent / target).is_file(), target
