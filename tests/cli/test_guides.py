"""What the guide to proofs shows is what is printed, when each command in it is typed in turn."""

from __future__ import annotations

import re

from conftest import REPO, Command

GUIDE = REPO / "docs" / "guides" / "from-a-bounded-check-to-a-proof.md"


def plain(text: str) -> list[str]:
    """The lines of an output, but for the empty ones and those about time; times and how they are aligned left out."""
    told = (line for line in text.splitlines() if line.strip() and not re.search(r"\d s: (encoded|compiled) in", line))
    return [re.sub(r" +[\d.]+ s  ", "  ", line) for line in told]


def test_each_command_prints_what_is_shown(spectrace: Command, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    blocks = re.findall(r"(?:^(?:    .*)?\n)+", GUIDE.read_text(encoding="utf-8"), flags=re.M)
    spec, typed = "", 0
    for block in ("\n".join(line[4:] for line in b.strip("\n").splitlines()) for b in blocks):
        if block.startswith("protocol"):
            spec = block + "\n"
        elif block.startswith("lemma"):
            spec = spec.replace("\nreachable", f"\n{block}\nreachable")
        elif block.startswith("$ spectrace"):
            (tmp_path / "vote.spec").write_text(spec)
            (tmp_path / "changed.spec").write_text(spec.replace("require voted[a] == none", "require voted[a] != n"))
            first, *shown = block.splitlines()
            found = plain(spectrace(*first.split()[2:]).out)
            parts = "\n".join(plain("\n".join(shown))).split("…")
            assert all(part.strip("\n") in "\n".join(found) for part in parts), block
            assert len(parts) > 1 or plain("\n".join(shown)) in (found, []), block
            typed += 1
    assert typed == 8 and (tmp_path / "proof").is_dir()
