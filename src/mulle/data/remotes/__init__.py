"""Datasets on another machine: pushed, pulled, listed."""

from mulle.data.remotes.service import Remotes

__all__ = ["Remotes"]
