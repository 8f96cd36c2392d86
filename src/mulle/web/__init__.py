"""The web UI: pages rendered on the server, in English and Korean."""

from mulle.web.app import app

__all__ = ["app"]
