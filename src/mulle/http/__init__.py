"""The HTTP face: the verbs over HTTP, derived from their signatures."""

from mulle.http.app import app, routes
from mulle.http.guard import Guard, is_loopback

__all__ = ["Guard", "app", "is_loopback", "routes"]
