"""Models and their versions, who is champion, and which engine serves them."""

from mulle.registry.evaluation import evaluate
from mulle.registry.model import Candidate, Comparison, Inputs, ModelSummary, ModelVersion, ViewInput
from mulle.registry.service import Registry
from mulle.registry.versions import candidate, register

__all__ = [
    "Candidate",
    "Comparison",
    "Inputs",
    "ModelSummary",
    "ModelVersion",
    "Registry",
    "ViewInput",
    "candidate",
    "evaluate",
    "register",
]
