"""MLflow: a SQLite store in the workspace, or the server that MLFLOW_TRACKING_URI names."""

import os
from collections.abc import Mapping
from itertools import islice
from typing import Any

from tuneworthy.trackers import Outcome, Point, Scalar, Session, Tracked, Tracker

BATCH = 100  # parameters of one request, at most (MLflow's own limit)
LONGEST = 500  # letters of a value that every server takes
ID, HELD = "tuneworthy.run", "tuneworthy.points"


def store(run: Tracked) -> str:
    """The store's address."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(run.place / 'mlflow.db').as_posix()}"


class MlflowSession:
    """One MLflow run, found again by a tag of ours."""

    def __init__(self, client: Any, run: Tracked) -> None:
        self._client = client
        found = self._find(run)
        if found is None:
            found = self._create(run)
        else:
            client.update_run(found.info.run_id, status="RUNNING")
        self._id: str = found.info.run_id
        self._known: dict[str, str] = dict(found.data.params)
        self.held = int(found.data.tags.get(HELD, 0))
        self._told = self.held
        self._send(params=run.parameters, tags=run.tags)

    def _find(self, run: Tracked) -> Any | None:
        experiment = self._client.get_experiment_by_name(self._experiment(run))
        if experiment is None:
            return None
        runs = self._client.search_runs([experiment.experiment_id], f"tags.`{ID}` = '{run.id}'")
        return next(iter(runs), None)

    def _create(self, run: Tracked) -> Any:
        name = self._experiment(run)
        experiment = self._client.get_experiment_by_name(name)
        local = "MLFLOW_TRACKING_URI" not in os.environ
        number = (
            experiment.experiment_id
            if experiment is not None
            else self._client.create_experiment(
                name, artifact_location=(run.place / "artifacts").as_uri() if local else None
            )
        )
        started = int(1000 * run.started)
        return self._client.create_run(number, start_time=started, tags={ID: run.id}, run_name=run.id)

    def _experiment(self, run: Tracked) -> str:
        return os.environ.get("MLFLOW_EXPERIMENT_NAME") or run.project

    def log(self, point: Point) -> None:
        """The values of a step, and the count of what was sent, in one request."""
        from mlflow.entities import Metric

        self._told += 1
        time = int(1000 * point.time)
        metrics = [Metric(name, value, time, point.step) for name, value in point.named.items()]
        self._send(metrics=metrics, tags={HELD: str(self._told)})

    def finish(self, outcome: Outcome | None) -> None:
        """Settings, scores and files; a run that was stopped is KILLED in MLflow's words."""
        from mlflow.entities import Metric

        if outcome is None:
            self._client.set_terminated(self._id, "KILLED")
            return
        time = int(1000 * outcome.ended)
        metrics = [Metric(name, value, time, 0) for name, value in outcome.scores.items()]
        self._send(metrics=metrics, params=outcome.parameters, tags=outcome.tags)
        self._client.set_tag(self._id, "mlflow.note.content", outcome.headline)
        for file in outcome.files:
            self._client.log_artifact(self._id, str(file))
        self._client.set_terminated(self._id, "FINISHED", end_time=time)

    def _send(
        self,
        metrics: list[Any] | None = None,
        params: Mapping[str, Scalar] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """One or more requests; a parameter is written once, since MLflow lets none be changed."""
        from mlflow.entities import Param, RunTag

        new = {key: str(value)[:LONGEST] for key, value in (params or {}).items() if key not in self._known}
        self._known |= new
        rest = iter(new.items())
        first = [Param(key, value) for key, value in islice(rest, BATCH)]
        marks = [RunTag(key, value) for key, value in (tags or {}).items()]
        self._client.log_batch(self._id, metrics=metrics or [], params=first, tags=marks)
        while more := [Param(key, value) for key, value in islice(rest, BATCH)]:
            self._client.log_batch(self._id, params=more)


class Mlflow:
    """An experiment for each data set, a run for each run folder."""

    name = "mlflow"
    title = "MLflow"
    needs: tuple[str, ...] = ("mlflow", "sqlalchemy", "alembic")
    extra = "mlflow"

    def open(self, run: Tracked) -> Session:
        """Finds the run, or creates it."""
        from mlflow import MlflowClient

        run.place.mkdir(parents=True, exist_ok=True)
        return MlflowSession(MlflowClient(store(run)), run)

    def look(self, run: Tracked) -> str:
        """The command that shows the store, or the server's address."""
        if server := os.environ.get("MLFLOW_TRACKING_URI"):
            return server
        return f"mlflow ui --backend-store-uri {store(run)}"


PLUGIN: Tracker = Mlflow()
