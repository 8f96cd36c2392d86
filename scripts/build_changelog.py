"""Gather the fragments of `changelog.d/` into a section of CHANGELOG.md, and remove them.

    python scripts/build_changelog.py 0.2.0 2027-01-15     # a release
    python scripts/build_changelog.py --draft              # show what the next section would say

A fragment is a file `changelog.d/<what-changed>.<kind>.md` with a sentence or two for users; `KINDS` has the kinds.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
KINDS = {"added": "Added", "changed": "Changed", "fixed": "Fixed", "removed": "Removed", "security": "Security"}
MARK = "<!-- releases -->\n"


def fragments(folder: Path) -> dict[str, list[Path]]:
    """The fragments by kind, in the order of `KINDS` and of their names.

    Raises:
        ValueError: a file's name does not tell a kind, or it is empty.
    """
    found: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    for path in sorted(folder.glob("*.md")):
        if path.name == "README.md":
            continue
        kind = path.stem.rpartition(".")[2]
        if kind not in KINDS:
            raise ValueError(f"{path.name} must end in one of {', '.join(f'.{each}.md' for each in KINDS)}")
        if not path.read_text(encoding="utf-8").strip():
            raise ValueError(f"{path.name} is empty")
        found[kind].append(path)
    return {kind: paths for kind, paths in found.items() if paths}


def section(title: str, by_kind: dict[str, list[Path]]) -> str:
    """A release's section."""
    lines = [f"## {title}", ""]
    for kind, paths in by_kind.items():
        lines += [f"### {KINDS[kind]}", ""]
        lines += [f"- {' '.join(path.read_text(encoding='utf-8').split())}" for path in paths]
        lines.append("")
    return "\n".join(lines)


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Show the draft, or write the release."""
    found = fragments(root / "changelog.d")
    if arguments == ["--draft"]:
        print(section("Unreleased", found))
        return 0
    if len(arguments) != 2:  # noqa: PLR2004 - version and date
        print(__doc__, file=sys.stderr)
        return 2
    changelog = root / "CHANGELOG.md"
    before, mark, after = changelog.read_text(encoding="utf-8").partition(MARK)
    text = section(f"{arguments[0]} ({arguments[1]})", found)
    changelog.write_text(f"{before}{mark}\n{text}{after}", encoding="utf-8")
    for paths in found.values():
        for path in paths:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
