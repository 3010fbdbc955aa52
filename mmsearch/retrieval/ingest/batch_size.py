"""How many items are embedded at once: more while that makes an encoder faster, fewer where memory is short."""

from __future__ import annotations

_LONGEST_S = 0.5  # what a batch may take: commits must not wait for a long one
_SHORT_S = 0.02  # what costs of its own are too much of: such batches grow at once
_MEASURED = 3  # full batches of a size that are timed before it is compared with half of it
_GAIN = 1.01


class BatchSize:
    """The number of items in a batch. Grows by doubling, while larger batches are faster and do not take long.

    Args:
        first: the size of the first batch.
        most: the largest size; equal to ``first`` for batches of one size.

    Attributes:
        now: the size of the next batch.
        most: the largest size that a batch can have.
        was_halved: whether memory was short.
    """

    def __init__(self, first: int, most: int) -> None:
        self.now = min(first, most)
        self.most = most
        self.was_halved = False
        self._limit = most
        self._times: list[float] = []
        self._rate_of_half = 0.0

    def measured(self, count: int, seconds: float) -> None:
        """Take in what a batch of ``count`` items took; batches of other sizes than ``now`` tell nothing."""
        if count != self.now or self.now >= self._limit:
            return
        self._times.append(seconds)
        is_short = seconds < _SHORT_S
        if len(self._times) < _MEASURED and not is_short:
            return
        rate = count / max(min(self._times), 1e-9)
        self._times = []
        if rate < _GAIN * self._rate_of_half and not is_short:
            self.now = self._limit = max(self.now // 2, 1)
        elif count / rate < _LONGEST_S / 2:
            self._rate_of_half = rate
            self.now = min(2 * self.now, self._limit)
        else:
            self._limit = self.now

    def halve(self, count: int) -> None:
        """Make batches at most half of one of ``count`` items, for which memory was short, from now on."""
        self.was_halved = True
        self.now = self._limit = max(min(self.now, count // 2), 1)
