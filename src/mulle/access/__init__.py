"""Who acts, and what this workspace signed."""

from mulle.access.principal import principal
from mulle.access.signing import Signer

__all__ = ["Signer", "principal"]
