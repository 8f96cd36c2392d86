"""How values look on a page: instants, lengths of time, sizes, numbers, digests, and the tone of a status."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from markupsafe import Markup

TELLING = ("roc_auc", "log_loss", "accuracy", "r2", "rmse", "mae", "brier")
DESCRIBING = ("share", "rows")
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(?:Z|\+00:00)")
NOTHING = "–"  # noqa: RUF001 - the dash that says so
_INSTANT = re.compile(r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_TONES = {
    "ok": {
        "succeeded",
        "complete",
        "executed",
        "passed",
        "champion",
        "live",
        "ready",
        "verified",
        "full",
        "promoted",
        "healthy",
        "done",
        "on",
    },
    "warn": {
        "warning",
        "shadow",
        "canary",
        "challenger",
        "waiting",
        "not evaluated",
        "acknowledged",
        "held",
        "unknown",
    },
    "bad": {"failed", "cancelled", "alert", "firing", "refused", "rolled_back", "critical", "damaged", "error"},
    "live": {"running", "queued", "started", "in progress", "rolling"},
}


def tone(status: str) -> str:
    """The colour class of a status; nothing for one that is neither good nor bad."""
    return next((name for name, statuses in _TONES.items() if status.lower() in statuses), "")


def instant(value: datetime | None) -> str:
    """An instant as UTC to the second, or to the day when it is midnight."""
    if value is None:
        return NOTHING
    moment = value.astimezone(UTC)
    text = f"{moment:%Y-%m-%d %H:%M}" if moment.second == 0 else f"{moment:%Y-%m-%d %H:%M:%S}"
    attribute = Markup('<time datetime="{}" title="{} UTC" class="nowrap">{}</time>')
    return attribute.format(moment.isoformat(), moment.isoformat(sep=" ", timespec="milliseconds")[:-6], text)


def seconds(value: float | timedelta | None) -> str:
    """A length of time with three figures at most."""
    if value is None:
        return NOTHING
    length = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if length < 0.001:  # noqa: PLR2004
        return f"{length * 1e6:.0f} µs"
    if length < 1:
        return f"{length * 1000:.0f} ms"
    if length < 120:  # noqa: PLR2004
        return f"{length:.1f} s"
    minutes, rest = divmod(round(length), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    return f"{hours} h {minutes:02d} m" if hours else f"{minutes} m {rest:02d} s"


def size(value: float | None) -> str:
    """A number of bytes in the unit that keeps it short."""
    if value is None:
        return NOTHING
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:  # noqa: PLR2004
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"  # noqa: PLR2004
        value /= 1000
    return f"{value:.1f} TB"


def number(value: Any, digits: int = 4) -> str:  # noqa: PLR0911 - one line a kind of value
    """A number for a table: whole numbers by thousands, others to `digits` decimals."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NOTHING
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e15):  # noqa: PLR2004
        return f"{int(value):,}"
    if abs(value) >= 1000:  # noqa: PLR2004
        return f"{value:,.1f}"
    if abs(value) >= 10**-digits:
        return f"{value:.{digits}f}"
    return f"{value:.2g}" if abs(value) >= 1e-4 else f"{value:.2e}"  # noqa: PLR2004


def signed(value: float | None) -> str:
    """A change, with its sign."""
    return NOTHING if value is None else f"{value:+.4f}".replace("-", "−")  # noqa: RUF001 - a minus is as wide as a plus


def tidy(text: str) -> str:
    """A message with its instants as people write them."""
    return _ISO.sub(lambda found: found[1] + ("" if found[2].startswith("00:00") else " " + found[2]), text)


def cell(value: Any) -> str:
    """A value from a table of rows, as it is."""
    if value is None:
        return Markup('<span class="muted">null</span>')
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    if _INSTANT.match(text):
        return text.replace("T", " ").removesuffix("+00:00").removesuffix("Z").removesuffix(":00")
    return text if len(text) <= 80 else text[:79] + "…"  # noqa: PLR2004


def brief(payload: dict[str, Any]) -> str:
    """The first few things that a payload says."""
    parts = [f"{name} {_short(value)}" for name, value in payload.items() if isinstance(value, str | int | float)]
    text = ", ".join(parts[:4]) or ", ".join(payload)
    return text if len(text) <= 90 else text[:89] + "…"  # noqa: PLR2004


def _short(value: Any) -> str:
    return value[3:15] if isinstance(value, str) and value.startswith("b3:") else cell(value)


def metric_order(names: Iterable[str]) -> list[str]:
    """Metrics with the telling ones first; what only describes the rows comes last."""
    known = (*TELLING, *(name for name in names if name not in {*TELLING, *DESCRIBING}), *DESCRIBING)
    return [name for name in dict.fromkeys(known) if name in set(names)]


def pretty(value: Any) -> str:
    """A value as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode()


def percent(value: float | None) -> str:
    """A share of one as a percentage."""
    return NOTHING if value is None else f"{value * 100:.1f} %"


def short(text: str | None) -> str:
    """A digest or an id, short enough for a table; the whole of it on hover."""
    if not text:
        return NOTHING
    brief = text[3:15] if text.startswith("b3:") else (text[:8] + "…" + text[-5:] if len(text) == 36 else text)  # noqa: PLR2004
    return Markup('<span class="mono" title="{}">{}</span>').format(text, brief)


def epoch(value: datetime) -> float:
    """Seconds since 1970, as the charts take them."""
    return value.timestamp()
