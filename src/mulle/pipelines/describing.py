"""How what a run did is put into words and plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from mulle.data.definition import Dataset
from mulle.data.partitions import Partition as DataPartition
from mulle.pipelines.model import StepRun, ValueRef
from mulle.pipelines.promise import Promise, index_of, is_tuple, node_of
from mulle.pipelines.task import Argument, Failure, Items, Partition, Version

_LONGEST = 200


def text(failure: Failure) -> str:
    """The failure in a few lines, the user's own line first."""
    message = f"{failure.kind}: {failure.message}"
    return f"{failure.where}\n{message}" if failure.where else message


def told(step: StepRun, failure: Failure) -> dict[str, str]:
    """A run's failure as error, cause and cure."""
    return {
        "error": f"the step '{step.name}' failed: {failure.kind}: {failure.message}",
        "cause": failure.where,
        "cure": failure.cure or f"mend it and run again; what it printed: mulle runs logs {step.id}",
    }


def described(value: Any) -> Any:
    """An argument as pages show it: a promise by its step, a dataset by its name, others as they are or by repr."""
    if isinstance(value, Promise):
        node = node_of(value)
        return {"step": node.name, "output": index_of(value)}
    if isinstance(value, Dataset | DataPartition):
        return _read(value)
    if type(value) is list or is_tuple(value):
        return [described(item) for item in value]
    if type(value) is dict:
        return {str(key): described(item) for key, item in value.items()}
    if value is None or type(value) in {bool, int, float, str}:
        return value
    return getattr(value, "name", None) or f"{value!r:.{_LONGEST}}"


def _read(value: Dataset | DataPartition) -> dict[str, str]:
    if isinstance(value, Dataset):
        return {"dataset": value.name}
    return {"dataset": value.ref, "partition": value.key, "digest": value.digest}


def plain(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as JSON can hold them."""
    found: dict[str, Any] = {}
    for name, value in params.items():
        try:
            found[name] = msgspec.to_builtins(value)
            msgspec.json.encode(found[name])
        except (TypeError, ValueError, msgspec.MsgspecError):
            found[name] = f"{value!r:.{_LONGEST}}"
    return found


def versions_in(argument: Argument) -> Iterator[Version | Partition]:
    """The dataset versions that an argument holds, and the partitions of versions."""
    if isinstance(argument, Version | Partition):
        yield argument
    elif isinstance(argument, Items):
        for item in argument.items:
            yield from versions_in(item)


def returned(value: Any, outputs: Mapping[str, Sequence[ValueRef]]) -> dict[str, ValueRef]:
    """What the pipeline's function returned: one promise as "result", several by their place, name or key.

    A list under a name gives `name[0]`, `name[1]`, …; what was skipped, and what no step gave, is left out.
    """
    if isinstance(value, Promise | ValueRef):
        named: Mapping[str, Any] = {"result": value}
    elif is_tuple(value) and type(value) is not tuple:
        named = value._asdict()
    elif isinstance(value, list | tuple):
        named = {str(place): item for place, item in enumerate(value)}
    else:
        named = value if isinstance(value, Mapping) else {}
    found: dict[str, ValueRef] = {}
    for name, item in named.items():
        parts = {f"{name}[{place}]": each for place, each in enumerate(item)} if type(item) is list else {name: item}
        for key, each in parts.items():
            if isinstance(each, ValueRef):
                found[str(key)] = each
            elif isinstance(each, Promise) and node_of(each).name in outputs:
                found[str(key)] = outputs[node_of(each).name][index_of(each)]
    return found
