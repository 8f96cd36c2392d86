"""The main job: a year of real flights through the whole wheel, and what was found."""

from mulle.workspace.demo.play import play

__all__ = ["play"]
