"""The HTTP face: the verbs over HTTP, derived from their signatures.

`mulle.http(url)` declares a source of rows. It has the name of this package, so the package may be called as well.
"""

import sys
from types import ModuleType
from typing import Any

from mulle.data.sources.http import http as _source
from mulle.http.app import app, routes
from mulle.http.guard import Guard, is_loopback

__all__ = ["Guard", "app", "is_loopback", "routes"]


class _Callable(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _source(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
