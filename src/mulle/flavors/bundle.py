"""A model on disk: `model.json`, the native file and the input example; the same model gives the same bytes."""

from __future__ import annotations

import importlib.metadata
import math
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from mulle.errors import FlavorError
from mulle.flavors.kinds import FLAVORS
from mulle.flavors.predictor import Outputs, Predictor
from mulle.flavors.signature import Signature, columns_from

if TYPE_CHECKING:
    from pathlib import Path

    from mulle.flavors.model import Model

FORMAT = 1
_LIBRARIES = {"sklearn": ("scikit-learn",), "lightgbm": ("lightgbm",)}


class Sealer(Protocol):
    """Signs for this workspace. `mulle.access.Signer` is one."""

    def sign(self, data: bytes) -> str:
        """A signature that only this workspace can make."""

    def verify(self, data: bytes, signature: str) -> bool:
        """Whether this workspace made the signature over exactly these bytes."""


class Bundle(msgspec.Struct, frozen=True):
    """The contents of `model.json`."""

    format: int
    flavor: str
    file: str
    signature: Signature
    outputs: Outputs
    hints: dict[str, Any]
    libraries: dict[str, str]
    rows: int
    seal: str = ""


def save(model: Model, directory: Path, signer: Sealer | None = None) -> Bundle:
    """Write a model into a directory; cheap, native form only.

    Raises:
        FlavorError: it is written as a pickle and there is no signer to vouch for it.
    """
    flavor = model.flavor
    data = flavor.dump(model.native)
    if flavor.pickled and signer is None:
        raise FlavorError(
            f"a {flavor.name} model is a pickle and nobody signs it",
            cause="pickles run code when loaded, so mulle loads only those that this workspace signed",
            cure="save it inside a workspace: mulle init, then mulle run",
        )
    bundle = Bundle(
        format=FORMAT,
        flavor=flavor.name,
        file=flavor.file,
        signature=model.signature,
        outputs=model.outputs,
        hints=flavor.hints(model.native, model.example, model.outputs),
        libraries={name: importlib.metadata.version(name) for name in _LIBRARIES.get(flavor.name, ())},
        rows=model.example.height,
        seal=signer.sign(data) if flavor.pickled and signer is not None else "",
    )
    directory.mkdir(parents=True, exist_ok=True)
    (directory / flavor.file).write_bytes(data)
    (directory / "example.json").write_bytes(_example_bytes(model))
    (directory / "model.json").write_bytes(msgspec.json.format(msgspec.json.encode(bundle, order="sorted"), indent=1))
    return bundle


def _example_bytes(model: Model) -> bytes:
    columns = {name: _plain(model.example.get_column(name).to_list()) for name in model.signature.names}
    return msgspec.json.encode(columns)


def _plain(values: list[Any]) -> list[Any]:
    """NaN has no place in JSON and means the same as null here."""
    return [None if isinstance(value, float) and not math.isfinite(value) else value for value in values]


def read(directory: Path) -> Bundle:
    """What a bundle's directory says about itself.

    Raises:
        FlavorError: there is no bundle, or it is of a newer format.
    """
    try:
        bundle = msgspec.json.decode((directory / "model.json").read_bytes(), type=Bundle)
    except (OSError, msgspec.DecodeError) as error:
        raise FlavorError(
            f"{directory} holds no model", cause=str(error), cure="register the model again: mulle run"
        ) from error
    if bundle.format > FORMAT or bundle.flavor not in FLAVORS:
        raise FlavorError(
            f"the model in {directory} was written by a newer mulle",
            cause=f"format {bundle.format}, flavor '{bundle.flavor}'",
            cure="pip install --upgrade mulle",
        )
    return bundle


def native_of(directory: Path, signer: Sealer | None) -> tuple[Bundle, Any]:
    """The loaded model itself; a pickle only when this workspace signed it."""
    bundle = read(directory)
    data = (directory / bundle.file).read_bytes()
    flavor = FLAVORS[bundle.flavor]
    if flavor.pickled and (signer is None or not signer.verify(data, bundle.seal)):
        raise FlavorError(
            f"the {bundle.flavor} model in {directory} is not signed by this workspace",
            cause="it is a pickle, and loading a pickle runs whatever code it carries",
            cure="train it here with mulle run, or move the workspace's keys with it",
        )
    try:
        return bundle, flavor.load(data)
    except ModuleNotFoundError as error:
        raise FlavorError(
            f"the {bundle.flavor} model needs the module '{error.name}'",
            cause="it is not installed in this environment",
            cure=f"pip install {error.name}",
        ) from error


def load(directory: Path, signer: Sealer | None = None) -> Predictor:
    """A predictor by the model's own library."""
    bundle, native = native_of(directory, signer)
    return FLAVORS[bundle.flavor].predictor(native, bundle.signature, bundle.outputs, bundle.hints)


def example(directory: Path, bundle: Bundle) -> dict[str, Any]:
    """The bundle's example rows as arrays."""
    values = msgspec.json.decode((directory / "example.json").read_bytes())
    return columns_from(values, bundle.signature.inputs)
