"""Signatures by the workspace's own key: what was not made here is not unpickled here."""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from blake3 import blake3

from mulle.errors import AccessError

_SIZE = 32
_PREFIX = "b3k:"


class Signer:
    """Keyed BLAKE3 with a secret of this workspace, made on first use and readable by its owner only."""

    def __init__(self, keys_dir: Path) -> None:
        self._path = keys_dir / "signing.key"
        self._key = b""

    def sign(self, data: bytes) -> str:
        """The signature of some bytes: `b3k:` and 64 hexadecimal digits."""
        return _PREFIX + blake3(data, key=self._secret()).hexdigest()

    def verify(self, data: bytes, signature: str) -> bool:
        """Whether this workspace signed exactly these bytes; takes as long for a wrong signature as for a right one."""
        return hmac.compare_digest(self.sign(data).encode(), signature.encode("utf-8", "surrogatepass"))

    def _secret(self) -> bytes:
        if not self._key:
            self._key = self._read() or self._make()
        return self._key

    def _read(self) -> bytes:
        try:
            key = self._path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise AccessError(
                "the workspace's signing key cannot be read", cause=str(error), cure=f"chown $USER {self._path}"
            ) from error
        if len(key) != _SIZE:
            raise AccessError(
                "the workspace's signing key is damaged",
                cause=f"{self._path} has {len(key)} bytes, not {_SIZE}",
                cure=f"restore {self._path} from a backup",
            )
        return key

    def _make(self) -> bytes:
        """Make the key; of several processes that try at once, the first one's counts."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(fd, os.urandom(_SIZE))
            os.fsync(fd)
        finally:
            os.close(fd)
        try:
            os.link(temporary, self._path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
        return self._read()
