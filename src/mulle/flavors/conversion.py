"""The ONNX form of a model: an attempt, then a comparison with the model itself on real and on awkward rows.

A conversion can be silently wrong, so parity is a gate: only a form that agrees on every row may serve, and then only
where it is also the faster one.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import msgspec

from mulle.errors import FlavorError
from mulle.flavors import parity
from mulle.flavors.bundle import Bundle, Sealer, example, native_of
from mulle.flavors.kinds import FLAVORS
from mulle.flavors.onnx import DOUBLE, INPUT, SINGLE, OnnxPredictor, open_session

if TYPE_CHECKING:
    from pathlib import Path

    from mulle.flavors.predictor import Predictor
    from mulle.flavors.signature import Columns, Signature

ENGINE_FORMAT = 1
OPSET = {"": 18, "ai.onnx.ml": 3}


class EngineReport(msgspec.Struct, frozen=True):
    """Which engine serves a model, and the evidence; the contents of `engine.json` beside `model.onnx`.

    Times are seconds a call, measured when the model was prepared. `single` and `batch` name the engine for one row and
    for a thousand. `why_not` says what kept ONNX from being used.
    """

    format: int
    single: str
    batch: str
    native_single: float
    native_batch: float
    onnx_single: float | None = None
    onnx_batch: float | None = None
    width: int = 0
    parity: parity.Parity | None = None
    why_not: str = ""


def prepare(
    directory: Path, into: Path, signer: Sealer | None = None, *, rows: Columns | None = None, attempt: bool = True
) -> EngineReport:
    """Choose the engines for the bundle in `directory`; writes `engine.json` and, when it may serve, `model.onnx`.

    Args:
        directory: a saved bundle.
        into: a directory for the result, made if need be.
        signer: vouches for pickles.
        rows: more real rows to compare on than the bundle's example holds.
        attempt: False leaves the conversion out: native serves.
    """
    bundle, native = native_of(directory, signer)
    given = FLAVORS[bundle.flavor].predictor(native, bundle.signature, bundle.outputs, bundle.hints)
    seen = parity.joined(example(directory, bundle), rows, bundle.signature)
    native_times = parity.times(given, seen)
    into.mkdir(parents=True, exist_ok=True)
    if attempt:
        report = _attempt(bundle, native, given, seen, native_times, into)
    else:
        report = EngineReport(ENGINE_FORMAT, "native", "native", *native_times, why_not="not attempted")
    (into / "engine.json").write_bytes(msgspec.json.format(msgspec.json.encode(report, order="sorted"), indent=1))
    return report


def _attempt(  # noqa: PLR0917
    bundle: Bundle, native: Any, given: Predictor, seen: Columns, native_times: tuple[float, float], into: Path
) -> EngineReport:
    why, found = "", None
    for width in (SINGLE, DOUBLE):
        try:
            data = convert(bundle, native, width)
            candidate = OnnxPredictor(open_session(data), bundle.signature, bundle.outputs, width)
            found = parity.compare(given, candidate, seen)
        except Exception as error:  # noqa: BLE001 - anything may go wrong there
            why = why or _first_line(error)
            continue
        if not found.holds:
            why = f"differs by up to {found.largest:.2g} on {found.different} of {found.rows} rows"
            continue
        single, batch = parity.times(candidate, seen)
        (into / "model.onnx").write_bytes(data)
        return EngineReport(
            ENGINE_FORMAT,
            "onnx" if single < native_times[0] else "native",
            "onnx" if batch < native_times[1] else "native",
            *native_times,
            single,
            batch,
            width,
            found,
        )
    return EngineReport(ENGINE_FORMAT, "native", "native", *native_times, parity=found, why_not=why)


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0][:200]}" if text else type(error).__name__


def convert(bundle: Bundle, native: Any, width: int = SINGLE) -> bytes:
    """The model as ONNX, numbers of `width` bits.

    Raises:
        FlavorError: the flavor, or the way the model decides, has no ONNX form.
    """
    if bundle.outputs.decision != "argmax":
        raise FlavorError("the model decides in its own way", cause="ONNX would decide by the largest probability")
    if bundle.flavor == "lightgbm":
        return _convert_booster(bundle, native)
    if bundle.flavor != "sklearn":
        raise FlavorError(f"a {bundle.flavor} model has no ONNX form", cause="it is arbitrary code")
    return _convert_sklearn(bundle, native, width)


def _convert_booster(bundle: Bundle, native: Any) -> bytes:
    import onnxmltools  # noqa: PLC0415 - start-up time
    from onnxmltools.convert.common.data_types import FloatTensorType  # noqa: PLC0415 - start-up time

    inputs = [(INPUT, FloatTensorType([None, len(bundle.signature.inputs)]))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = onnxmltools.convert_lightgbm(native, initial_types=inputs, zipmap=False, target_opset=15)
    return bytes(made.SerializeToString())


def _convert_sklearn(bundle: Bundle, native: Any, width: int) -> bytes:
    from skl2onnx import convert_sklearn  # noqa: PLC0415 - start-up time

    _register_boosters()
    classifies = bundle.outputs.task in ("binary", "multiclass")
    options = {id(native): {"zipmap": False}} if classifies else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = convert_sklearn(
            native, initial_types=_types(bundle, width), target_opset=OPSET, options=options, name="model"
        )
    return bytes(made.SerializeToString())


def _types(bundle: Bundle, width: int) -> list[tuple[str, Any]]:
    from skl2onnx.common.data_types import (  # noqa: PLC0415 - start-up time
        DoubleTensorType,
        FloatTensorType,
        StringTensorType,
    )

    number = FloatTensorType if width == SINGLE else DoubleTensorType
    fields = bundle.signature.inputs
    if takes_matrix(bundle.signature, bundle.hints):
        return [(INPUT, number([None, len(fields)]))]
    return [(one.name, StringTensorType([None, 1]) if one.kind == "str" else number([None, 1])) for one in fields]


def takes_matrix(signature: Signature, hints: dict[str, Any]) -> bool:
    """Whether the ONNX form has one matrix of numbers as its input, rather than one input a column."""
    return signature.numeric and hints.get("way") != "parts"


def _register_boosters() -> None:
    """Teach skl2onnx the LightGBM estimators that may be steps of a pipeline, if LightGBM is there."""
    try:
        from lightgbm import LGBMClassifier, LGBMRegressor  # noqa: PLC0415 - start-up time
        from onnxmltools.convert.lightgbm.operator_converters.LightGbm import (  # noqa: PLC0415 - start-up time
            convert_lightgbm,
        )
    except ImportError:
        return
    from skl2onnx import update_registered_converter  # noqa: PLC0415 - start-up time
    from skl2onnx.common.shape_calculator import (  # noqa: PLC0415 - start-up time
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    update_registered_converter(
        LGBMClassifier,
        "LightGbmLGBMClassifier",
        calculate_linear_classifier_output_shapes,
        convert_lightgbm,
        options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
    )
    update_registered_converter(
        LGBMRegressor,
        "LightGbmLGBMRegressor",
        calculate_linear_regressor_output_shapes,
        convert_lightgbm,
        options={"split": None},
    )
