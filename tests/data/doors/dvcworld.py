"""A repository made by DVC itself, with a history that has what such repositories have, and what DVC checks out of it.

    python tests/data/doors/dvcworld.py DVC FOLDER

makes `FOLDER/repo` and `FOLDER/truth.json`: for each revision, the outputs and the sha256 and mode of each of their
files as `dvc checkout` wrote them. `golden/dvc.tar.gz` is such a folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ODD = ["with space.txt", "ünï→code.txt", "-dash", "quote'\"s.txt", "a,b;c.txt", "#hash: yes", "1e5", "back\\slash"]
STAGES = """\
stages:
  count:
    cmd: wc -c < data/table.csv > count.txt && echo 1 > metrics.json
    deps: [data/table.csv]
    outs: [count.txt]
    metrics:
    - metrics.json:
        cache: false
  split:
    foreach: [a, b]
    do:
      wdir: work
      cmd: mkdir -p ${item} && cp ../data/table.csv ${item}/part.csv
      deps: [../data/table.csv]
      outs: ["${item}"]
"""


class World:
    """A git repository with DVC in it; time moves by a day with each commit."""

    def __init__(self, dvc: str, folder: Path) -> None:
        self.dvc, self.folder, self.repo = dvc, folder, folder / "repo"
        self.repo.mkdir(parents=True)
        self.day = 0
        self.outputs: dict[str, list[str]] = {}
        self.git("init", "-q", "-b", "main")
        self.run(dvc, "init", "-q")
        self.run(dvc, "config", "core.analytics", "false")

    def run(self, *command: str) -> str:
        when = f"2020-01-{self.day + 1:02} 12:00:00 +0000"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "DVC_"))},
            **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _WHO.items()},
            "GIT_AUTHOR_DATE": when,
            "GIT_COMMITTER_DATE": when,
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self.folder / "site"),
            "HOME": str(self.folder),
            "GIT_CONFIG_GLOBAL": "/dev/null",
        }
        done = subprocess.run(command, cwd=self.repo, env=environment, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{command}: {done.stdout.decode()} {done.stderr.decode()}")
        return done.stdout.decode()

    def git(self, *arguments: str) -> str:
        return self.run("git", *arguments)

    def write(self, path: str, data: bytes) -> None:
        file = self.repo / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)  # what DVC checked out may be a read-only link
        file.write_bytes(data)

    def commit(self, message: str) -> str:
        self.day += 1
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").strip()


_WHO = {"NAME": "Ada", "EMAIL": "ada@example.org"}


def table(rows: int) -> bytes:
    return b"id,value\r\n" + b"".join(f"{row},{row * row}\r\n".encode() for row in range(rows))


def history(world: World) -> None:
    """Commits with edits, odd names, renames, removals, a side branch, a pipeline, an output that moves."""
    add: Callable[..., str] = lambda *paths: world.run(world.dvc, "add", "-q", *paths)  # noqa: E731
    world.write("data/table.csv", table(5))
    add("data/table.csv")
    world.commit("a table")
    for number, name in enumerate(ODD):
        world.write(f"data/images/{name}", f"odd {number}\n".encode())
    world.write("data/images/deep/er/same.bin", bytes(range(256)))
    world.write("data/images/same.bin", bytes(range(256)))
    add("data/images")
    world.commit("images\n\nwith odd names")
    world.git("tag", "v1.0")
    world.write("data/table.csv", table(8))
    add("data/table.csv")
    world.commit("more rows")
    world.git("checkout", "-q", "-b", "side")
    world.write("data/images/side.txt", b"from the side")
    add("data/images")
    world.commit("on the side")
    world.git("checkout", "-q", "main")
    world.run(world.dvc, "checkout", "-q")
    (world.repo / "data/images/-dash").rename(world.repo / "data/images/renamed")
    (world.repo / "data/images/1e5").unlink()
    add("data/images")
    world.write("README.md", b"nothing of DVC's\n")
    world.commit("a file renamed, one removed")
    world.commit("nothing")
    world.write("tool.sh", b"#!/bin/sh\necho hello\n")
    (world.repo / "tool.sh").chmod(0o755)
    add("tool.sh")
    world.commit("an executable")
    (world.repo / "work").mkdir()
    world.write("dvc.yaml", STAGES.encode())
    world.run(world.dvc, "repro")
    world.commit("a pipeline")
    world.write("data/table.csv", table(13))
    add("data/table.csv")
    world.run(world.dvc, "repro")
    world.commit("rerun")
    world.run(world.dvc, "move", "data/table.csv", "data/rows.csv")
    world.git("rm", "-q", "--cached", "dvc.yaml", "dvc.lock")
    for name in ("dvc.yaml", "dvc.lock"):
        (world.repo / name).unlink()
    world.commit("moved, the pipeline is gone")
    world.git("tag", "-a", "-m", "annotated", "v2.0")
    world.write("data/rows.csv", b"")
    add("data/rows.csv")
    world.commit("emptied")


def truth(world: World) -> str:
    """By revision and output, each file's sha256 and whether it is executable, after `dvc checkout`. As JSON."""
    return world.run(str(Path(world.dvc).parent / "python"), "-c", _TRUTH)


_TRUTH = """
import hashlib, json, os, pathlib, subprocess
from dvc.repo import Repo

def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout

def files(path):
    every = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    root = path.parent if path.is_file() else path
    told = lambda file: [hashlib.sha256(file.read_bytes()).hexdigest(), bool(file.stat().st_mode & 0o100)]
    return {file.relative_to(root).as_posix(): told(file) for file in every}

found = {}
for revision in [*git("rev-list", "--all").split(), "main"]:
    git("checkout", "-q", revision)
    with Repo(".") as repo:
        repo.checkout(force=True)
        outs = sorted(pathlib.Path(out.fs_path) for out in repo.index.outs if out.use_cache)
        found[revision] = {out.relative_to(repo.root_dir).as_posix(): files(out) for out in outs}
del found["main"]
print(json.dumps(found))
"""


def main(dvc: str, folder: Path) -> None:
    world = World(dvc, folder)
    history(world)
    (folder / "truth.json").write_text(truth(world))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
