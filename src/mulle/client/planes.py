"""Which services a workspace has, by plane: the same here, in the faces and on the other side of a wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mulle.data.service import DataService

SERVICES = {
    "data": "mulle.data.service:DataService",
}
"""Where the class of each plane's service is; loaded when the plane is first used."""
