"""The user's facade, and the only place where things are wired together."""

from mulle.workspace.facade import Workspace

__all__ = ["Workspace"]
