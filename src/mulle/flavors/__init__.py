"""Model engines: how a model of any library is described, saved, loaded, converted and compared."""

from mulle.flavors.bundle import Bundle, Sealer, load, read, save
from mulle.flavors.conversion import EngineReport, prepare
from mulle.flavors.engines import load_engine
from mulle.flavors.model import Model, restore
from mulle.flavors.predictor import Predictor
from mulle.flavors.signature import Field, Signature, columns_of

__all__ = [
    "Bundle",
    "EngineReport",
    "Field",
    "Model",
    "Predictor",
    "Sealer",
    "Signature",
    "columns_of",
    "load",
    "load_engine",
    "prepare",
    "read",
    "restore",
    "save",
]
