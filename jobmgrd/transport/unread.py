"""The large answers that one peer has not read, and whether there is room for another."""

from collections import deque

from jobmgrd.call import Gone


class Unread:
    """Bytes are counted from the send until ZeroMQ says that it has let go of them."""

    def __init__(self) -> None:
        self._answers: deque[tuple[Gone, int]] = deque()
        self._bytes = 0
        self._full = False

    def settle(self) -> int:
        """Forget what has gone; the bytes that are left."""
        while self._answers and self._answers[0][0]():
            self._bytes -= self._answers.popleft()[1]
        return self._bytes

    def has_room(self, size: int, limit: int) -> bool:
        """Whether an answer of a size may wait, too; a single one always may."""
        self._full = bool(self.settle()) and self._bytes + size > limit
        return not self._full

    def is_full(self, limit: int) -> bool:
        """Whether there was no room, and no half of it has become free since."""
        if self._full and self.settle() * 2 <= limit:
            self._full = False
        return self._full

    def add(self, gone: Gone, size: int) -> None:
        """Count an answer that was sent."""
        self._answers.append((gone, size))
        self._bytes += size
