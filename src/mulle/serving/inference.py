"""The Open Inference Protocol, version 2, by HTTP and JSON: a deployment is a model, its revisions are versions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from mulle.errors import ServingError, UnknownNameError
from mulle.flavors.signature import Field

if TYPE_CHECKING:
    from mulle.serving.app import App
    from mulle.serving.plane import Asked, Served

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

EXTENSIONS: list[str] = []
_DATATYPES = {"float": "FP64", "int": "INT64", "bool": "BOOL", "str": "BYTES", "datetime": "BYTES", "date": "BYTES"}
_OK = 200


class Tensor(msgspec.Struct, frozen=True):
    """A named tensor of a request; `data` may be flat or nested."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]
    parameters: dict[str, Any] = {}


class Output(msgspec.Struct, frozen=True):
    """An output that the caller wants."""

    name: str
    parameters: dict[str, Any] = {}


class Infer(msgspec.Struct, frozen=True):
    """An inference request."""

    inputs: list[Tensor]
    id: str = ""
    outputs: list[Output] = []
    parameters: dict[str, Any] = {}


_decode = msgspec.json.Decoder(Infer).decode


async def respond(app: App, method: str, path: str, receive: Receive) -> tuple[int, Any]:
    """The status and JSON for one request below `/v2`.

    Raises:
        UnknownNameError: no such model, version or path.
        ServingError: the tensors are not what the model takes.
    """
    parts = path.strip("/").split("/")[1:]
    match parts:
        case [] | [""]:
            return _OK, {"name": "mulle", "version": "2", "extensions": EXTENSIONS}
        case ["health", "live"]:
            return _OK, {"live": True}
        case ["health", "ready"]:
            ready = app.plane.generation > 0 and not app.draining
            return (_OK if ready else 503), {"ready": ready}
        case ["models", name, *rest]:
            return await _model(app, method, name, rest, receive)
        case _:
            raise UnknownNameError(f"there is no {path}", cause="the path is not of this protocol", cure="GET /v2")


async def _model(app: App, method: str, name: str, rest: list[str], receive: Receive) -> tuple[int, Any]:
    served = app.plane.served(name)
    version = None
    if rest[:1] == ["versions"] and len(rest) > 1:
        version, rest = _version(served, rest[1]), rest[2:]
    match rest:
        case []:
            return _OK, _metadata(served)
        case ["ready"]:
            return _OK, {"name": name, "ready": True}
        case ["infer"] if method == "POST":
            return _OK, await _infer(app, served, _decode(await app.body(receive)), version)
        case _:
            raise UnknownNameError(
                f"{method} /{'/'.join(rest)} is not of this protocol",
                cause="a model has metadata, ready and infer",
                cure=f"POST /v2/models/{name}/infer",
            )


def _version(served: Served, text: str) -> int:
    if not text.isdigit() or int(text) not in served.loaded:
        raise UnknownNameError(
            f"'{served.plan.name}' does not serve version '{text}'",
            cause=f"it serves {', '.join(str(number) for number in served.loaded)}",
            cure=f"GET /v2/models/{served.plan.name}",
        )
    return int(text)


def _metadata(served: Served) -> dict[str, Any]:
    signature = served.loaded[served.primary].predictor.signature
    return {
        "name": served.plan.name,
        "versions": [str(number) for number in sorted(served.loaded)],
        "platform": "mulle",
        "inputs": [_tensor(field) for field in signature.inputs],
        "outputs": [_tensor(field) for field in signature.outputs],
    }


def _tensor(field: Field) -> dict[str, Any]:
    return {"name": field.name, "datatype": _DATATYPES[field.kind], "shape": [-1]}


async def _infer(app: App, served: Served, request: Infer, version: int | None) -> dict[str, Any]:
    rows = rows_of(served.shape.fields, request.inputs)
    typed = msgspec.convert(rows, list[served.shape.row], strict=False)  # type: ignore[name-defined]
    asked = served.ask(_Rows(typed), app.plane.ids)
    if version is not None:
        asked.revision = version
    await app.answer(served, asked)
    return _response(served, request, asked)


class _Rows:
    """What `Served.ask` takes."""

    ids = None
    key = None

    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows


def rows_of(fields: list[Field], tensors: list[Tensor]) -> list[dict[str, Any]]:
    """Rows out of tensors: one tensor a column, or one matrix with the columns in order.

    Raises:
        ServingError: shapes that do not fit.
    """
    if len(tensors) == 1 and len(tensors[0].shape) == 2 and tensors[0].shape[1] == len(fields) > 1:  # noqa: PLR2004
        names = [field.name for field in fields]
        return [dict(zip(names, row, strict=True)) for row in _values(tensors[0]).tolist()]
    columns = {one.name: _values(one).reshape(-1).tolist() for one in tensors}
    if len({len(values) for values in columns.values()}) != 1:
        raise ServingError(
            "the inputs have different numbers of rows",
            cause=", ".join(f"{name}: {len(values)}" for name, values in columns.items()) or "there are none",
            cure="give every input tensor the same first dimension",
        )
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _values(tensor: Tensor) -> Any:
    try:
        found = np.array(tensor.data, dtype=object).reshape(tensor.shape)
    except ValueError as error:
        raise ServingError(
            f"input '{tensor.name}' does not have the shape {tensor.shape}",
            cause=str(error),
            cure="give as many values as the shape says",
        ) from None
    return found


def _response(served: Served, request: Infer, asked: Asked) -> dict[str, Any]:
    answers = [one for one in asked.answers if one is not None]
    wanted = {one.name for one in request.outputs}
    kinds = {field.name: field.kind for field in served.loaded[answers[0].revision].predictor.signature.outputs}
    outputs = []
    for name in answers[0].output:
        if wanted and name not in wanted:
            continue
        values = [one.output[name] for one in answers]
        shape = [len(values), len(values[0])] if isinstance(values[0], list) else [len(values)]
        flat = [part for value in values for part in value] if len(shape) > 1 else values
        outputs.append({
            "name": name, "shape": shape, "datatype": _DATATYPES[kinds.get(name, "float")], "data": flat
        })  # fmt: skip
    return {
        "model_name": served.plan.name,
        "model_version": str(answers[0].revision),
        "id": request.id or asked.ids[0],
        "outputs": outputs,
        "parameters": {"prediction_ids": asked.ids},
    }
