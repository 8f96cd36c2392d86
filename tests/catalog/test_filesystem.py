from pathlib import Path

import pytest

from mulle.catalog.filesystem import file_system, refuse_network
from mulle.errors import CatalogError


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    folder = str(tmp_path).replace(" ", "\\040")
    lines = [
        "22 1 254:0 / / rw,relatime - ext4 /dev/root rw",
        f"23 22 0:40 / {folder}/share rw,relatime shared:1 - nfs4 server:/share rw",
        f"24 22 0:41 / {folder}/share/local rw - tmpfs tmpfs rw",
        f"25 22 0:42 / {folder}/my\\040share rw - fuse.sshfs me@there: rw",
    ]
    path = tmp_path / "mountinfo"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("folder", ["share", "share/deep/er", "my share"])
def test_a_network_file_system_is_refused_with_the_cure(tmp_path: Path, mounts: Path, folder: str) -> None:
    with pytest.raises(CatalogError) as caught:
        refuse_network(tmp_path / folder, mounts)
    assert "PostgreSQL" in str(caught.value.cure)


@pytest.mark.parametrize("folder", [".", "shared", "share/local"])
def test_a_local_one_is_not(tmp_path: Path, mounts: Path, folder: str) -> None:
    refuse_network(tmp_path / folder, mounts)


def test_this_machine_has_a_file_system(tmp_path: Path) -> None:
    assert file_system(tmp_path)


def test_without_knowledge_nothing_is_refused(tmp_path: Path) -> None:
    refuse_network(tmp_path, tmp_path / "absent")
