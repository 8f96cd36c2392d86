"""The spool: crash-safe appends of facts that come too fast for the catalog."""

from mulle.spool.reading import Segment, read_segment, read_segments
from mulle.spool.writing import SpoolWriter

__all__ = ["Segment", "SpoolWriter", "read_segment", "read_segments"]
