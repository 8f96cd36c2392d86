"""Settings from `mulle.toml` and the environment, and the format mark of a workspace folder."""

from mulle.config.format import check_format, write_format
from mulle.config.settings import Settings, load

__all__ = ["Settings", "check_format", "load", "write_format"]
