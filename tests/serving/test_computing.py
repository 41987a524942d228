"""The process that computes may die at any time: the answers are the same, and none is lost."""

import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import psutil
import pytest

from serving.conftest import client_of
from toy import toy_rows
from tuneworthy.core.errors import RunFolderError
from tuneworthy.refitting import final_fit
from tuneworthy.serving.computing import Computer
from tuneworthy.serving.server import Settings, listen, serving
from tuneworthy.units.predictor import Predictor

TEXTS = [row["text"] for row in toy_rows(12)]


@pytest.fixture
def computer(runs: dict[str, Path]) -> Iterator[Computer]:
    found = Computer({"probe": final_fit(runs["probe"])}, 1)
    yield found
    found.stop()


def computing() -> list[psutil.Process]:
    """The processes that compute for this one."""
    children = psutil.Process().children()
    return [child for child in children if "tuneworthy.serving.worker" in child.cmdline()]


def test_a_process_of_its_own_predicts_exactly_what_this_one_does(
    computer: Computer, runs: dict[str, Path]
) -> None:
    computer.start()
    assert computer.predict("probe", TEXTS) == Predictor(runs["probe"]).predict(TEXTS)


def test_clients_notice_no_kill_of_the_process_that_computes(serve: Any) -> None:
    served = serve("probe")
    expected = [served.post("/predict", {"input": text}).json()["label"] for text in TEXTS]
    [first] = computing()
    with ThreadPoolExecutor(6) as clients:
        waiting = clients.map(lambda text: served.post("/predict", {"input": text}), TEXTS * 4)
        first.kill()
        answers = list(waiting)
    assert [one.json().get("label") for one in answers] == expected * 4
    assert first not in computing()
    assert "tuneworthy_restarts_total 1.0" in served.client.get("/metrics").text


def test_texts_that_kill_two_processes_are_given_up_and_the_next_ones_answered(
    computer: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = computer._asked
    computer.start()
    before = computer.predict("probe", TEXTS)

    def deadly(request: Any) -> Any:
        if request.get("texts") == ["poison"]:
            assert computer._process is not None
            computer._process.kill()
        return ask(request)

    monkeypatch.setattr(computer, "_asked", deadly)
    with pytest.raises(RuntimeError, match="and so did the one before it"):
        computer.predict("probe", ["poison"])
    assert computer.predict("probe", TEXTS) == before


def test_a_restart_that_fails_is_tried_again_by_the_next_request(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(runs["probe"], tmp_path / "run")
    others = set(computing())
    computer = Computer({"probe": final_fit(tmp_path / "run")}, 1)
    computer.start()
    try:
        before = computer.predict("probe", TEXTS)
        [first] = set(computing()) - others
        first.kill()
        (tmp_path / "run" / "units").rename(tmp_path / "away")
        with pytest.raises(RunFolderError, match="is missing, or was damaged"):
            computer.predict("probe", TEXTS)
        assert set(computing()) == others
        (tmp_path / "away").rename(tmp_path / "run" / "units")
        assert computer.predict("probe", TEXTS) == before
    finally:
        computer.stop()


def test_a_second_signal_ends_a_server_whose_model_hangs(runs: dict[str, Path]) -> None:
    before = set(computing())
    context = serving({"probe": final_fit(runs["probe"])}, {}, Settings(port=0, threads=1), None)
    server = context.__enter__()
    listener = listen("127.0.0.1", 0)
    running = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    running.start()
    [process] = set(computing()) - before
    process.suspend()
    try:
        client = client_of(f"http://127.0.0.1:{listener.getsockname()[1]}")

        def ask(text: str) -> None:
            with suppress(httpx.HTTPError):
                client.post("/predict", json={"input": text})

        for text in TEXTS[:4]:
            Thread(target=ask, args=(text,), daemon=True).start()
        until = time.monotonic() + 60
        while server._keeper.active < 4 and time.monotonic() < until:
            time.sleep(0.05)
        server.handle_exit(signal.SIGTERM, None)
        server.handle_exit(signal.SIGTERM, None)
        running.join(60)
        ending = Thread(target=context.__exit__, args=(None, None, None), daemon=True)
        ending.start()
        ending.join(60)
        assert not running.is_alive() and not ending.is_alive()
        assert set(computing()) == before, "another one was started"
    finally:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def test_a_fit_that_cannot_be_loaded_is_one_sentence(runs: dict[str, Path], tmp_path: Path) -> None:
    fit = final_fit(runs["probe"])
    fit.run = tmp_path / "gone"
    with pytest.raises(RunFolderError, match="is missing, or was damaged"):
        Computer({"probe": fit}, 1).start()
