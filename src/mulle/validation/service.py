"""The verbs of the validation plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mulle.stats.checks import check_table
from mulle.validation.model import Validation
from mulle.verbs import verb

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mulle.data.definition import Dataset
    from mulle.data.service import DataService


class ValidationService:
    """Versions against the schemas that the project declares."""

    plane = "validation"

    def __init__(self, data: DataService, datasets: Callable[[], Mapping[str, Dataset]]) -> None:
        """`datasets` gives the project's datasets by name."""
        self._data = data
        self._datasets = datasets

    @verb("read")
    def check(self, ref: str) -> Validation:
        """Every row of a version against its dataset's declared schema."""
        version = self._data.resolve(ref)
        definition = self._datasets().get(version.dataset)
        if definition is None or definition.expect is None or version.kind != "table":
            return Validation(ref=version.ref, rows=version.rows, declared=False, violations=[])
        wanted = [name for name in definition.expect.columns() if name in dict(version.schema)]
        violations = check_table(definition.expect, self._data.read(version, wanted))
        return Validation(ref=version.ref, rows=version.rows, declared=True, violations=violations)
