"""What is generated in the docs is up to date, and what they tell the reader to type works."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from checker.core.bind import bind
from checker.language import load_model
from checker.source import Source

ROOT = Path(__file__).parent.parent


def test_the_operator_table_is_up_to_date() -> None:
    generate = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    text = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    assert generate["page"](text) == text, "run: python docs/generate.py"


def test_the_page_of_protocols_is_up_to_date() -> None:
    generate = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    text = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8")
    assert generate["protocols"](generate["known"](text)) == text, "run: python docs/generate.py"


def specs_in(page: Path) -> list[str]:
    """The whole specs among the indented blocks of a page."""
    blocks = re.findall(r"(?:^(?:    .*)?\n)+", page.read_text(encoding="utf-8"), flags=re.M)
    texts = ("\n".join(line[4:] for line in b.splitlines()) + "\n" for b in blocks)
    return [t for t in texts if t.lstrip().startswith("protocol ")]


def test_every_spec_in_the_docs_is_one() -> None:
    found = [(p, t) for p in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")] for t in specs_in(p)]
    assert len(found) >= 2
    for page, text in found:
        model = load_model(Source(page.name, text))
        for name in model.instances:
            bind(model, name)


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
