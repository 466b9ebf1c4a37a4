"""What systemd is told (sd_notify(3)): ready, reloading, stopping, and that the loop goes round."""

import asyncio
import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Sends to $NOTIFY_SOCKET; does nothing without one."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._path = environ.get("NOTIFY_SOCKET", "")
        self._watchdog = int(environ.get("WATCHDOG_USEC", "0")) / 1e6

    def send(self, state: str) -> None:
        """Send one state, for example "READY=1"; a supervisor that is gone is no error."""
        if not self._path:
            return
        address = "\0" + self._path[1:] if self._path.startswith("@") else self._path
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            try:
                sock.sendto(state.encode(), address)
            except OSError:
                return

    def reloading(self) -> None:
        """Say that a reload has begun; READY=1 ends it."""
        self.send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    async def watchdog(self) -> None:
        """Feed the watchdog from the event loop, twice within its time, until cancelled."""
        while self._path and self._watchdog:
            self.send("WATCHDOG=1")
            await asyncio.sleep(self._watchdog / 2)
