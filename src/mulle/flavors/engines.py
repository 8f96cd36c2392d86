"""Loading the engine that was chosen for a model: the native library, or ONNX Runtime and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from mulle.flavors import bundle as bundles
from mulle.flavors.conversion import EngineReport
from mulle.flavors.onnx import OnnxPredictor, open_session

if TYPE_CHECKING:
    from mulle.flavors.bundle import Sealer
    from mulle.flavors.predictor import Predictor


def load_engine(
    directory: Path,
    engine: Path | None,
    signer: Sealer | None = None,
    purpose: Literal["single", "batch"] = "single",
) -> Predictor:
    """A predictor for the bundle in `directory` by the engine that `prepare` chose into `engine` for the purpose."""
    if engine is not None and (engine / "model.onnx").exists():
        report = msgspec.json.decode((engine / "engine.json").read_bytes(), type=EngineReport)
        if getattr(report, purpose) == "onnx":
            described = bundles.read(directory)
            session = open_session(engine / "model.onnx")
            return OnnxPredictor(session, described.signature, described.outputs, report.width)
    return bundles.load(directory, signer)
