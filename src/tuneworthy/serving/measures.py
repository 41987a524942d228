"""What Prometheus is told: counts and times, never a text."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Measures:
    """The server's own registry: several servers in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "tuneworthy_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "tuneworthy_request_seconds",
            "Seconds from a request's arrival to the end of its answer",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._batch_rows = Histogram(
            "tuneworthy_batch_rows", "Rows of a batch", ["model"], buckets=ROWS, registry=self.registry
        )
        self._batch_seconds = Histogram(
            "tuneworthy_batch_seconds",
            "Seconds a batch was computed",
            ["model"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._answers = Counter(
            "tuneworthy_answers", "Texts answered", ["model", "outcome"], registry=self.registry
        )
        self._restarts = Counter(
            "tuneworthy_restarts",
            "Times that the process that computes was started again",
            registry=self.registry,
        )

    def watch(self, waiting: Callable[[], int], active: Callable[[], int]) -> None:
        """Gauges that are read when they are asked for."""
        for name, told, read in (
            ("tuneworthy_waiting_rows", "Rows in the queue", waiting),
            ("tuneworthy_active_requests", "Requests being answered", active),
        ):
            Gauge(name, told, registry=self.registry).set_function(read)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request has its answer."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def batch(self, model: str, rows: int, seconds: float) -> None:
        """A batch has been computed."""
        self._batch_rows.labels(model).observe(rows)
        self._batch_seconds.labels(model).observe(seconds)

    def answered(self, model: str, outcome: str) -> None:
        """A text has its answer: labelled, abstained, unparseable, failed."""
        self._answers.labels(model, outcome).inc()

    def restarted(self) -> None:
        """A process took the place of one that died."""
        self._restarts.inc()

    def page(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)
