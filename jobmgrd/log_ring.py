"""The last log lines, kept in memory for log.dmesg, as flux-core's broker keeps its own (log.c).

Lines are RFC 5424 as Flux uses it: `<PRI>1 TIMESTAMP RANK APPNAME PROCID MSGID SD MSG`, where PRI
has the severity in its upper bits. The name before an event's first dot is the APPNAME.
"""

from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Any, Final

SIZE: Final = 1024
"""Lines that are kept; flux-core's log-ring-size."""
LINE_MAX: Final = 4096
"""Bytes of one line; what is longer is cut."""

_SEVERITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_NOT_SHOWN: Final = frozenset({"event", "level", "timestamp", "exc_info"})

Listener = Callable[[bytes], None]


class LogRing:
    """Lines, the oldest first, and those who want to see the next ones."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque(maxlen=SIZE)
        self._listeners: dict[object, Listener] = {}
        self._unseen: deque[bytes] = deque()

    @property
    def lines(self) -> list[bytes]:
        """What is kept."""
        return list(self._lines)

    def add(self, line: bytes) -> None:
        """Keep a line, and show it to those who listen."""
        line = line[:LINE_MAX].replace(b"\0", b" ")
        self._lines.append(line)
        if not self._listeners:
            return
        self._unseen.append(line)
        if len(self._unseen) > 1:  # a listener has logged: the call that called it goes on
            return
        while self._unseen:
            for listener in list(self._listeners.values()):
                listener(self._unseen[0])
            self._unseen.popleft()

    def clear(self) -> None:
        """Forget all lines."""
        self._lines.clear()

    def listen(self, key: object, listener: Listener) -> None:
        """Have a function called with every line from now on; it may not raise."""
        self._listeners[key] = listener

    def unlisten(self, key: object) -> None:
        """Call it no more."""
        self._listeners.pop(key, None)

    def process(
        self, _logger: object, _name: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """A structlog processor that keeps what passes; to be placed after level and timestamp."""
        app, _, what = str(event["event"]).partition(".")
        keys = [f"{key}={value!r}" for key, value in event.items() if key not in _NOT_SHOWN]
        priority = _SEVERITIES.get(event["level"], _SEVERITIES["info"]) << 3
        text = " ".join([what or app, *keys])
        self.add(f"<{priority}>1 {event['timestamp']} 0 {app} - - - {text}".encode())
        return event


RING: Final = LogRing()
"""Of this process: logging is one for all of it."""
