"""The queue: what goes together, who falls with whom, what is lost."""

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from tuneworthy.core.prediction import Prediction
from tuneworthy.serving.batching import Batcher, QueueFullError


def echoed(texts: Sequence[str]) -> list[Prediction]:
    """Each text as its own answer; "poison" fails."""
    if "poison" in texts:
        raise RuntimeError("poison")
    return [Prediction(example_id=str(i), value=text) for i, text in enumerate(texts)]


def values(predictions: Sequence[Prediction]) -> list[str | None]:
    return [one.value for one in predictions]


def test_what_comes_while_the_model_computes_goes_together() -> None:
    seen: list[int] = []

    def slow(texts: Sequence[str]) -> list[Prediction]:
        seen.append(len(texts))
        time.sleep(0.05)
        return echoed(texts)

    async def ask(batcher: Batcher) -> list[list[Prediction]]:
        return await asyncio.gather(*(batcher.predict("m", [f"text {i}"]) for i in range(40)))

    batcher = Batcher({"m": slow}, rows=16, wait_s=0.005, room=100)
    batcher.start()
    found = asyncio.run(ask(batcher))
    batcher.stop()
    assert [values(one) for one in found] == [[f"text {i}"] for i in range(40)]
    assert sum(seen) == 40 and len(seen) <= 5 and max(seen) <= 16


def test_one_request_that_fails_does_not_take_its_neighbours_along() -> None:
    async def ask(batcher: Batcher) -> list[object]:
        texts = ["a", "poison", "b"]
        asked = (batcher.predict("m", [text]) for text in texts)
        return await asyncio.gather(*asked, return_exceptions=True)

    batcher = Batcher({"m": echoed}, rows=8, wait_s=0.05, room=100)
    batcher.start()
    first, failed, last = asyncio.run(ask(batcher))
    batcher.stop()
    assert isinstance(failed, RuntimeError)
    assert values(first) == ["a"] and values(last) == ["b"]  # type: ignore[arg-type]


def test_a_full_queue_refuses_at_once_and_stopping_answers_what_it_took() -> None:
    gate = threading.Event()

    def held(texts: Sequence[str]) -> list[Prediction]:
        gate.wait(10)
        return echoed(texts)

    async def ask(batcher: Batcher) -> list[list[Prediction]]:
        first = asyncio.create_task(batcher.predict("m", ["first"]))
        while batcher.waiting or not first:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)
        while batcher.waiting:
            await asyncio.sleep(0.005)
        rest = [asyncio.create_task(batcher.predict("m", [f"{i}", "x"])) for i in range(2)]
        await asyncio.sleep(0.01)
        with pytest.raises(QueueFullError) as full:
            await batcher.predict("m", ["one too many"])
        assert full.value.retry_after >= 1
        gate.set()
        return await asyncio.gather(first, *rest)

    batcher = Batcher({"m": held}, rows=1, wait_s=0.0, room=4)
    batcher.start()
    found = asyncio.run(ask(batcher))
    batcher.stop()
    assert [values(one) for one in found] == [["first"], ["0", "x"], ["1", "x"]]


def test_models_take_turns_by_who_has_waited_longest() -> None:
    order: list[str] = []

    def named(name: str):  # type: ignore[no-untyped-def]
        def predict(texts: Sequence[str]) -> list[Prediction]:
            order.append(name)
            time.sleep(0.02)
            return echoed(texts)

        return predict

    async def ask(batcher: Batcher) -> None:
        waiting = []
        for name in ("a", "b", "a", "b"):
            waiting.append(asyncio.create_task(batcher.predict(name, [name])))
            await asyncio.sleep(0.002)
        await asyncio.gather(*waiting)

    batcher = Batcher({"a": named("a"), "b": named("b")}, rows=1, wait_s=0.0, room=10)
    batcher.start()
    asyncio.run(ask(batcher))
    batcher.stop()
    assert order == ["a", "b", "a", "b"]
