"""Changelog fragments."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripts.build_changelog import MARK, ROOT, fragments, main


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "changelog.d").mkdir()
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n{MARK}\n## 0.1.0\n")
    (tmp_path / "changelog.d" / "faster.changed.md").write_text("It is\nfaster.\n")
    (tmp_path / "changelog.d" / "new.added.md").write_text("It is new.\n")
    return tmp_path


def test_a_release_gathers_the_fragments(project: Path) -> None:
    main(["0.2.0", "2027-01-15"], project)
    text = (project / "CHANGELOG.md").read_text()
    assert text.partition(MARK)[2].startswith(
        "\n## 0.2.0 (2027-01-15)\n\n### Added\n\n- It is new.\n\n### Changed\n\n- It is faster.\n\n## 0.1.0"
    )


def test_released_fragments_are_gone(project: Path) -> None:
    main(["0.2.0", "2027-01-15"], project)
    assert fragments(project / "changelog.d") == {}


def test_a_fragment_without_a_kind_is_refused(project: Path) -> None:
    (project / "changelog.d" / "odd.md").write_text("?")
    with pytest.raises(ValueError, match=r"odd\.md must end in"):
        fragments(project / "changelog.d")


def test_the_fragments_of_this_project_are_well_formed() -> None:
    assert fragments(ROOT / "changelog.d") is not None
