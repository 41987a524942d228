"""Dynamic batching: requests of many clients go through the model together.

One thread computes. While it does, requests pile up; then it takes what waits for the model whose turn it is,
up to so many rows, or what has come within a few milliseconds where that is fewer. A client that asks alone,
one request after the other, is not kept waiting for company. The queue is bounded: a request that finds it
full is refused at once instead of waiting for an answer nobody wants any more.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tuneworthy.core.prediction import Prediction

Predict = Callable[[Sequence[str]], list[Prediction]]
Observe = Callable[[str, int, float], None]
SLOWEST_RETRY_S = 60


class QueueFullError(Exception):
    """No room for these rows now.

    Attributes:
        retry_after: whole seconds after which the rows that wait will have been answered.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"the queue is full: try again in {retry_after} s")
        self.retry_after = retry_after


@dataclass(slots=True)
class _Request:
    """Rows of one request, and who waits for them."""

    texts: Sequence[str]
    answer: "asyncio.Future[list[Prediction]]"
    loop: asyncio.AbstractEventLoop
    came: float = field(default_factory=time.monotonic)


class Batcher:
    """A bounded queue in front of the models, and the thread that empties it."""

    def __init__(
        self,
        models: Mapping[str, Predict],
        rows: int,
        wait_s: float,
        room: int,
        observe: Observe = lambda name, rows, seconds: None,
    ) -> None:
        """Starts nothing yet.

        Args:
            models: what predicts, by name.
            rows: most rows of one batch; a single request of more is a batch of its own.
            wait_s: how long the first row of a batch waits for company, in seconds.
            room: most rows that wait.
            observe: told name, rows and seconds of every batch.
        """
        self._models = models
        self._rows, self._wait_s, self._room = rows, wait_s, room
        self._observe = observe
        self._queues: dict[str, deque[_Request]] = {name: deque() for name in models}
        self._waiting = 0
        self._company = dict.fromkeys(models, False)  # whether the last batch had several requests
        self._seconds_per_row = 0.01
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="batches", daemon=True)

    @property
    def waiting(self) -> int:
        """Rows in the queue."""
        return self._waiting

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread once everything that was accepted is answered."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    async def predict(self, name: str, texts: Sequence[str]) -> list[Prediction]:
        """Predictions of one request, in its order.

        Raises:
            QueueFullError: there is no room for so many rows.
        """
        loop = asyncio.get_running_loop()
        request = _Request(texts, loop.create_future(), loop)
        with self._changed:
            if self._waiting + len(texts) > self._room:
                seconds = self._waiting * self._seconds_per_row
                raise QueueFullError(min(SLOWEST_RETRY_S, 1 + int(seconds)))
            self._waiting += len(texts)
            self._queues[name].append(request)
            self._changed.notify()
        return await request.answer

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if not self._waiting:
                    return
                name = min(
                    (name for name in self._queues if self._queues[name]),
                    key=lambda name: self._queues[name][0].came,
                )
                self._let_company_come(name)
                batch = self._taken(name)
            self._answer(name, [one for one in batch if not one.answer.cancelled()])

    def _let_company_come(self, name: str) -> None:
        """Waits, the lock released, until the batch is full or its first row has waited long enough."""
        queue = self._queues[name]
        if len(queue) == 1 and not self._company[name]:
            return
        until = queue[0].came + self._wait_s
        while not self._stopping and sum(len(one.texts) for one in queue) < self._rows:
            left = until - time.monotonic()
            if left <= 0 or not self._changed.wait(left):
                return

    def _taken(self, name: str) -> list[_Request]:
        """The oldest requests of a model, as many as a batch takes, at least one."""
        queue, rows = self._queues[name], 0
        batch: list[_Request] = []
        while queue and (not batch or rows + len(queue[0].texts) <= self._rows):
            batch.append(queue.popleft())
            rows += len(batch[-1].texts)
        self._waiting -= rows
        self._company[name] = len(batch) > 1
        return batch

    def _answer(self, name: str, batch: Sequence[_Request]) -> None:
        """Predicts a batch; where that fails, each request alone, so that none falls with its neighbours."""
        if not batch:
            return
        texts = [text for one in batch for text in one.texts]
        started = time.monotonic()
        try:
            predictions = self._models[name](texts)
            if len(predictions) != len(texts):
                raise RuntimeError(f"{len(predictions)} predictions for {len(texts)} texts")
        except Exception as error:
            if len(batch) > 1:
                for one in batch:
                    self._answer(name, [one])
                return
            _tell(batch[0], error)
            return
        seconds = time.monotonic() - started
        self._seconds_per_row += 0.2 * (seconds / len(texts) - self._seconds_per_row)
        self._observe(name, len(texts), seconds)
        at = 0
        for one in batch:
            _tell(one, predictions[at : at + len(one.texts)])
            at += len(one.texts)


def _tell(request: _Request, outcome: "list[Prediction] | Exception") -> None:
    """Hands a result over to the event loop that waits for it, if anyone still does."""

    def settle() -> None:
        if request.answer.done():
            return
        if isinstance(outcome, Exception):
            request.answer.set_exception(outcome)
        else:
            request.answer.set_result(outcome)

    try:
        request.loop.call_soon_threadsafe(settle)
    except RuntimeError:
        return  # the loop is closed: nobody waits
