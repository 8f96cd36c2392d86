"""The frozen records of the validation plane."""

from __future__ import annotations

import msgspec

from mulle.stats.checks import Violation


class Validation(msgspec.Struct, frozen=True, kw_only=True):
    """A version against its dataset's declared schema. Without one there is nothing to break."""

    ref: str
    rows: int
    declared: bool
    violations: list[Violation]

    @property
    def passed(self) -> bool:
        """Whether nothing was violated."""
        return not self.violations

    @property
    def usable(self) -> bool:
        """Whether the columns and types are the declared ones, whatever the values are."""
        return all(violation.severity != "schema" for violation in self.violations)
