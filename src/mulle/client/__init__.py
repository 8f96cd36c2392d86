"""The same verbs over HTTP."""

from mulle.client.client import Client

__all__ = ["Client"]
