"""One server for people and programs: the web UI and the HTTP face, beside the process that has the project's code."""

from mulle.server.faces import app, listen, serve

__all__ = ["app", "listen", "serve"]
