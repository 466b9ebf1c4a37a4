"""Sends the many values of a stream no faster than its peer reads them.

ZeroMQ has no acknowledgements and queues what a peer does not read, but it tells when a buffer is
no longer needed: once the kernel has it, or its peer is gone. A flow waits for that, so that a
peer which does not read costs a few values and not all of them.
"""

import asyncio
from collections import deque
from typing import Final

from jobmgrd.call import Gone, Stream

AHEAD_MAX: Final = 4
"""Values of one stream that may wait in memory."""
_POLL_SECONDS: Final = (0.0005, 0.05)
"""How soon, and at last how rarely, to look whether a value has gone: nobody tells."""


class Flow:
    """One stream's values, of which the last few are on their way.

    All that are large, or the last of so many small ones, go through this.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._ahead: deque[Gone] = deque()

    async def send(self, body: bytes) -> None:
        """Send an encoded value, and wait until there is room for another one.

        The stream may have been closed when this returns.
        """
        self._ahead.append(self._stream.send_tracked(body))
        delay, longest = _POLL_SECONDS
        while self._stream.open and len(self._ahead) >= AHEAD_MAX:
            if self._ahead[0]():
                self._ahead.popleft()
            else:
                await asyncio.sleep(delay)
                delay = min(delay * 2, longest)
