"""Where a thing has its page: from a lineage name such as `model:delay@3` to an address."""

from __future__ import annotations

from urllib.parse import quote

_PLAIN = {
    "prediction": "/predictions/",
    "run": "/runs/",
    "deployment": "/deployments/",
    "pipeline": "/pipelines/",
    "backtest": "/backtests/",
    "study": "/studies/",
}
_VERSIONED = {"model": "/models/", "dataset": "/datasets/"}
_GRAPH_ONLY = {"step_run", "object"}


def page_of(name: str) -> str | None:
    """The address of a thing's page, or None where it has none."""
    kind, _, rest = name.partition(":")
    if not rest:
        return None
    if kind in _PLAIN:
        return _PLAIN[kind] + quote(rest)
    if kind in _VERSIONED:
        thing, _, version = rest.partition("@")
        return _VERSIONED[kind] + quote(thing) + (f"/{quote(version)}" if version else "")
    if kind == "revision":
        deployment, _, number = rest.partition("/")
        return f"/deployments/{quote(deployment)}#revision-{quote(number)}"
    if kind in _GRAPH_ONLY:
        return f"/lineage/{quote(name)}"
    return None


def reference(name: str) -> str:
    """A lineage name, short enough to read: ids and digests keep their beginning and end."""
    if name.startswith("b3:"):
        return name[3:15]
    kind, _, rest = name.partition(":")
    if len(rest) == 36:  # noqa: PLR2004 - a UUID
        return f"{kind} {rest[:8]}…{rest[-5:]}"
    if rest.startswith("b3:"):
        return f"{kind} {rest[3:15]}"
    return f"{kind} {rest}" if rest else name
