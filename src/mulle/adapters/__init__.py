"""Doors to other systems, one a file: found by their entry points, imported by nothing else in mulle."""
