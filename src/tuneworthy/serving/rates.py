"""How often one client may ask."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter


class Rates:
    """Requests of each client, by its address, in a window of a minute that slides.

    Two counters a client, which are forgotten after two minutes: what is kept does not grow with requests.

    Args:
        per_minute: most requests of one client.
    """

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._limit = RateLimitItemPerMinute(per_minute)
        self._counted = SlidingWindowCounterRateLimiter(MemoryStorage())

    def wait_s(self, client: str) -> int:
        """Counts a request; 0 where it may come in, else seconds to wait for the next."""
        if self._counted.hit(self._limit, client):
            return 0
        again = self._counted.get_window_stats(self._limit, client).reset_time
        return max(1, math.ceil(again - time.time()))
