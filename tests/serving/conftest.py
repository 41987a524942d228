"""A run with two arms, made once for this room, and servers of it."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

import tuneworthy as tw
from toy import toy_rows, write_csv
from tuneworthy.refitting import final_fit
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.serving.server import DrainingServer, Settings, listen, serving


@dataclass
class Served:
    """A server in a thread."""

    url: str
    server: DrainingServer
    client: httpx.Client
    own: dict[str, Any] = field(default_factory=dict)  # what the run answers without a server

    def post(self, path: str, body: Any, **more: Any) -> httpx.Response:
        return self.client.post(path, json=body, **more)


def client_of(url: str) -> httpx.Client:
    """For fifty threads; without certificates, whose reading takes longer than a test."""
    limits = httpx.Limits(max_connections=100)
    return httpx.Client(base_url=url, timeout=60, verify=False, limits=limits, trust_env=False)


@pytest.fixture(scope="session")
def models(decoder_folder: Path, embedder_folder: Path) -> dict[str, Path]:
    """The base models by role."""
    return {"decoder": decoder_folder, "prompter": decoder_folder, "embedder": embedder_folder}


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, models: dict[str, Path]) -> dict[str, Path]:
    """One measured job, with another arm as its final model each time."""
    place = tmp_path_factory.mktemp("served")
    table = write_csv(place / "toy.csv", toy_rows(60))
    made = tw.run(
        table,
        target="label",
        input="text",
        output=place / "probe",
        arms=["majority", "probe", "lora"],
        base_model=str(models["decoder"]),
        embedding_model=str(models["embedder"]),
        protocol="crossfit",
        folds=2,
        workers=1,
        threads=1,
        resamples=200,
        train_anyway=True,
        lora={"max_steps": 4, "learning_rate": 0.01},
        curve={"arms": []},
    )
    lora = final_fit(made.path, "lora").unit
    for name in ("lora", "twin"):
        shutil.copytree(made.path, place / name)
    for name, method, unit in (
        ("probe", "probe", final_fit(made.path, "probe").unit),
        ("lora", "lora", lora),
        ("twin", "lora", lora),
    ):
        folders = {role: str(models[role]) for role in unit.models}
        RunFolder(place / name).write(
            "model.json", {"unit": unit.address, "method": method, "folders": folders}
        )
    return {name: place / name for name in ("probe", "lora", "twin")}


@pytest.fixture(scope="module")
def serve(runs: dict[str, Path]) -> Iterator[Any]:
    """Starts servers: names of runs, a key, settings; all end with the module."""
    started: list[tuple[Any, Served, Thread]] = []

    def start(*names: str, key: str | None = None, **settings: Any) -> Served:
        fits = {name: final_fit(runs[name]) for name in names}
        context = serving(fits, {}, Settings(port=0, **{"threads": 1, **settings}), key)
        server = context.__enter__()
        listener = listen("127.0.0.1", 0)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        served = Served(url, server, client_of(url))
        started.append((context, served, thread))
        return served

    yield start
    for context, served, thread in started:
        served.server.should_exit = True
        thread.join(10)
        context.__exit__(None, None, None)


@pytest.fixture(scope="module")
def both(serve: Any) -> Served:
    """A server of two runs."""
    served: Served = serve("probe", "lora")
    return served
