"""How a project says where rows come from."""

from mulle.data.sources.files import files
from mulle.data.sources.http import http
from mulle.data.sources.lines import lines
from mulle.data.sources.objects import objects
from mulle.data.sources.sql import sql

__all__ = ["files", "http", "lines", "objects", "sql"]
