"""The principal behind a command on this machine."""

from __future__ import annotations

import getpass
import os
import socket


def principal() -> str:
    """`user@host` of this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        user = f"uid{os.getuid()}"
    return f"{user}@{socket.gethostname()}"
