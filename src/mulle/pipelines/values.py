"""Values between steps: every kind of value has a codec, every value is an object (or a tree) in the store."""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

import msgspec

from mulle.access import Signer
from mulle.errors import PipelineError
from mulle.hashing.sources import project_file
from mulle.hashing.tree import children
from mulle.pipelines.model import ValueRef
from mulle.store import ObjectStore, get_tree, put_tree
from mulle.types import Digest

_SCALARS = (bool, int, float, str, bytes, type(None))
_LARGEST = 1 << 63
_LARGE = 4 << 20
"""A table or array of so many bytes is written as it is made."""
_TREES = {"model", "file", "folder"}
_LOOKED_AT = 100


@dataclass(frozen=True)
class Shelf:
    """Where values are kept: the store, what signs for this workspace, and a folder for files that values need."""

    store: ObjectStore
    signer: Signer
    scratch: Path


class Codec(msgspec.Struct, frozen=True):
    """How one kind of value is kept and found again."""

    name: str
    accepts: Callable[[Any], bool]
    encode: Callable[[Any, Shelf], ValueRef]
    decode: Callable[[ValueRef, Shelf], Any]


def encode(value: Any, shelf: Shelf) -> ValueRef:
    """Keep the value.

    Raises:
        PipelineError: it cannot be kept, as a lock or an open file cannot.
    """
    return next(codec for codec in _CODECS if codec.accepts(value)).encode(value, shelf)


def decode(ref: ValueRef, shelf: Shelf) -> Any:
    """The value again: an equal one, not the same object."""
    return _BY_NAME[ref.codec].decode(ref, shelf)


def there(ref: ValueRef, shelf: Shelf) -> bool:
    """Whether the value is in the store: its object, or its tree with all that is in it."""
    if ref.codec not in _TREES:
        return shelf.store.has(_digest(ref))
    waiting, counted = [_digest(ref)], 0
    while waiting:
        counted += len(waiting)
        if not all(map(shelf.store.has, waiting)):
            return False
        if counted > _LOOKED_AT:  # a large tree is as whole as its beginning: gc takes all of it or nothing
            return True
        nodes, waiting = waiting, []
        for node in nodes:
            for child in children(shelf.store.get(node)):
                if child.is_node:
                    waiting.append(child.digest)
                elif not shelf.store.has(child.digest):
                    return False
    return True


def _object(name: str, data: bytes, shelf: Shelf, code: list[str] | None = None, seal: str = "") -> ValueRef:
    return ValueRef(name, shelf.store.put(data), len(data), code or [], seal)


def _written(name: str, size: int, write: Callable[[Any], None], shelf: Shelf) -> ValueRef:
    """Keep what `write` writes, some `size` bytes; a large value goes to the disk without being held a second time."""
    pour: Callable[..., tuple[Digest, int]] | None = getattr(shelf.store, "put_written", None)
    if size < _LARGE or pour is None:
        buffer = io.BytesIO()
        write(buffer)
        return _object(name, buffer.getvalue(), shelf)
    digest, length = pour(write)
    return ValueRef(name, digest, length)


def _digest(ref: ValueRef) -> Digest:
    return Digest(ref.digest)


def _loaded(module: str, name: str, value: Any) -> bool:
    """Whether the value is of a class that another library defines; a library not loaded has no values here."""
    library = sys.modules.get(module)
    kind = getattr(library, name, None)
    return isinstance(kind, type) and bool(isinstance(value, kind))


# -- plain values ----------------------------------------------------------------------------------------------------


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind is int:
        return bool(-_LARGEST <= value < _LARGEST)
    if kind is list:
        return all(map(_is_plain, value))
    if kind is dict:
        return all(type(key) is str and _is_plain(item) for key, item in value.items())
    return kind in _SCALARS


def _encode_plain(value: Any, shelf: Shelf) -> ValueRef:
    return _object("plain", msgspec.msgpack.encode(value), shelf)


def _decode_plain(ref: ValueRef, shelf: Shelf) -> Any:
    return msgspec.msgpack.decode(shelf.store.get(_digest(ref)))


# -- tables and arrays -----------------------------------------------------------------------------------------------


def _encode_table(value: Any, shelf: Shelf) -> ValueRef:
    from mulle.pipelines import arrow  # noqa: PLC0415 - start-up time: pyarrow

    table = arrow.canonical(value)
    return _written("arrow", table.get_total_buffer_size(), lambda sink: arrow.write(table, sink), shelf)


def _decode_table(ref: ValueRef, shelf: Shelf) -> Any:
    from mulle.pipelines import arrow  # noqa: PLC0415 - start-up time: pyarrow

    return arrow.decode(shelf.store.path(_digest(ref)))


def _is_array(value: Any) -> bool:
    return bool(_loaded("numpy", "ndarray", value) and type(value).__name__ == "ndarray" and not value.dtype.hasobject)


def _encode_array(value: Any, shelf: Shelf) -> ValueRef:
    import numpy as np  # noqa: PLC0415 - start-up time

    array = np.ascontiguousarray(value) if value.ndim else value
    return _written("numpy", array.nbytes, lambda sink: np.save(sink, array, allow_pickle=False), shelf)


def _decode_array(ref: ValueRef, shelf: Shelf) -> Any:
    import numpy as np  # noqa: PLC0415 - start-up time

    path = shelf.store.path(_digest(ref))
    try:
        mapped = np.load(path, mmap_mode="c", allow_pickle=False)
    except ValueError:  # an array without elements cannot be mapped
        return np.load(path, allow_pickle=False)
    return mapped.view(np.ndarray)


# -- models and reports ----------------------------------------------------------------------------------------------


def _encode_model(value: Any, shelf: Shelf) -> ValueRef:
    from mulle import flavors  # noqa: PLC0415 - start-up time: the model's library comes with it

    with tempfile.TemporaryDirectory(dir=_scratch(shelf)) as folder:
        flavors.save(value, Path(folder), shelf.signer)
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        return ValueRef("model", put_tree(shelf.store, Path(folder)), size, _project_code(value.native))


def _decode_model(ref: ValueRef, shelf: Shelf) -> Any:
    from mulle import flavors  # noqa: PLC0415 - start-up time, as above

    return flavors.restore(materialised(ref, shelf), shelf.signer)


def _encode_report(value: Any, shelf: Shelf) -> ValueRef:
    return _object("report", value.to_bytes(), shelf)


def _decode_report(ref: ValueRef, shelf: Shelf) -> Any:
    from mulle.stats import Report  # noqa: PLC0415 - start-up time: polars

    return Report.from_bytes(shelf.store.get(_digest(ref)))


# -- files -----------------------------------------------------------------------------------------------------------


def _encode_path(value: Path, shelf: Shelf) -> ValueRef:
    if not value.exists():
        raise PipelineError(
            f"there is no file '{value}' to pass on",
            cause="a path between steps stands for the file's content",
            cure="return a path that exists, or text (str(path)) if only the name is meant",
        )
    size = value.stat().st_size if value.is_file() else 0
    return ValueRef("file" if value.is_file() else "folder", put_tree(shelf.store, value), size)


def _decode_path(ref: ValueRef, shelf: Shelf) -> Path:
    folder = materialised(ref, shelf)
    return next(folder.iterdir()) if ref.codec == "file" else folder


def materialised(ref: ValueRef, shelf: Shelf) -> Path:
    """A folder with the tree's files, made once for each tree."""
    folder = shelf.scratch / "values" / ref.digest.removeprefix("b3:")
    if not folder.is_dir():
        partial = Path(tempfile.mkdtemp(dir=_scratch(shelf)))
        get_tree(shelf.store, _digest(ref), partial)
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.rename(folder)
        except OSError:  # another process made it meanwhile
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def _scratch(shelf: Shelf) -> Path:
    shelf.scratch.mkdir(parents=True, exist_ok=True)
    return shelf.scratch


# -- anything else ---------------------------------------------------------------------------------------------------


def _encode_pickle(value: Any, shelf: Shelf) -> ValueRef:
    try:
        data, code = _pickled(value)
    except Exception as error:
        raise PipelineError(
            f"a value of type {type(value).__name__} cannot be kept between steps",
            cause=f"{type(error).__name__}: {error}",
            cure="return data (tables, arrays, models, files, plain values) instead of open resources",
        ) from error
    return _object("pickle", data, shelf, code, shelf.signer.sign(data))


def _decode_pickle(ref: ValueRef, shelf: Shelf) -> Any:
    import cloudpickle  # noqa: PLC0415 - start-up time: few values need it

    data = shelf.store.get(_digest(ref))
    if not shelf.signer.verify(data, ref.seal):
        raise PipelineError(
            f"the pickled value {ref.digest[:15]} is not signed by this workspace",
            cause="loading a pickle runs whatever code it carries",
            cure="compute it here: mulle run",
        )
    return cloudpickle.loads(data)


def _pickled(value: Any) -> tuple[bytes, list[str]]:
    """The pickle of a value, and the project's functions and classes that it names."""
    import cloudpickle  # noqa: PLC0415 - start-up time, as above

    named: set[str] = set()

    class Noting(cloudpickle.Pickler):  # type: ignore[misc]
        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, type | FunctionType):
                module = sys.modules.get(obj.__module__)
                if module is not None and project_file(module) is not None:
                    named.add(f"{obj.__module__}:{obj.__qualname__}")
            return super().reducer_override(obj)

    buffer = io.BytesIO()
    Noting(buffer, protocol=5).dump(value)
    return buffer.getvalue(), sorted(named)


def _project_code(value: Any) -> list[str]:
    """The project's code that a model carries; none when only its own flavor can write it."""
    try:
        return _pickled(value)[1]
    except Exception:  # noqa: BLE001 - user classes raise anything; the flavor has saved it already
        return []


_CODECS = (
    Codec("plain", _is_plain, _encode_plain, _decode_plain),
    Codec("arrow", lambda value: _loaded("polars", "DataFrame", value), _encode_table, _decode_table),
    Codec("numpy", _is_array, _encode_array, _decode_array),
    Codec("model", lambda value: _loaded("mulle.flavors.model", "Model", value), _encode_model, _decode_model),
    Codec("report", lambda value: _loaded("mulle.stats.evaluation", "Report", value), _encode_report, _decode_report),
    Codec("file", lambda value: isinstance(value, Path), _encode_path, _decode_path),
    Codec("pickle", lambda _: True, _encode_pickle, _decode_pickle),
)
_BY_NAME = {codec.name: codec for codec in _CODECS} | {"folder": Codec("folder", bool, _encode_path, _decode_path)}
