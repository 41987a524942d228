"""Trackio: a SQLite file in the workspace, with a dashboard; or the Space or server its variables name."""

import os
from typing import Any
from urllib.parse import urlsplit

from tuneworthy.trackers import Outcome, Point, Scalar, Session, Tracked, Tracker


class TrackioSession:
    """One Trackio run; its name is the run's."""

    def __init__(self, run: Tracked) -> None:
        self._about = run
        self._run = _begin(run, run.parameters)
        logs = _logs(run)
        self._finished = any("verdict" in line for line in logs)
        self.held = len(logs) - self._finished

    def log(self, point: Point) -> None:
        """The values of a step."""
        self._run.log(dict(point.named), step=point.step)

    def finish(self, outcome: Outcome | None) -> None:
        """Settings into the configuration; the scores as a table, and the verdict as a text beside it."""
        import trackio

        self._run.finish()
        if outcome is None or self._finished:
            return
        self._run = _begin(self._about, {**outcome.parameters, **outcome.tags, "headline": outcome.headline})
        for file in outcome.files:
            self._run.log_artifact(file, name=f"{self._about.id}-{file.stem}", type="report")
        self._run.log(
            {
                "verdict": trackio.Markdown(_page(outcome)),
                "estimates": trackio.Table(data=_rows(outcome)),
                # One point each, to be seen beside other runs'; the ends of the intervals are in the table.
                **{
                    key: value for key, value in outcome.scores.items() if key.endswith(f"/{outcome.primary}")
                },
            },
            step=0,
        )
        self._run.finish()


def _begin(run: Tracked, settings: dict[str, Scalar]) -> Any:
    import trackio

    return trackio.init(
        project=_project(run),
        name=run.id,
        config=dict(settings),
        resume="allow",
        embed=False,
        auto_log_gpu=False,
        auto_log_cpu=False,
    )


def _project(run: Tracked) -> str:
    return os.environ.get("TRACKIO_PROJECT") or run.project


def _logs(run: Tracked) -> list[dict[str, Any]]:
    """What the file has of this run already."""
    from trackio.sqlite_storage import SQLiteStorage

    return list(SQLiteStorage.get_logs(_project(run), run.id))


def _rows(outcome: Outcome) -> list[dict[str, Any]]:
    return [
        {
            "arm": one.method,
            "metric": one.metric,
            "value": one.value,
            "low": one.low,
            "high": one.high,
            "rows": one.n,
        }
        for one in outcome.estimates
    ]


def _page(outcome: Outcome) -> str:
    return f"### {outcome.headline}\n\n" + "\n".join(
        f"- {key}: {value}" for key, value in outcome.tags.items()
    )


class Trackio:
    """A project for each data set."""

    name = "trackio"
    title = "Trackio"
    needs: tuple[str, ...] = ("trackio",)
    extra = "trackio"

    def open(self, run: Tracked) -> Session:
        """Begins the run, or takes it up again."""
        os.environ.setdefault("TRACKIO_DIR", str(run.place))
        if not os.environ.get("TRACKIO_SPACE_ID"):
            os.environ.setdefault("HF_HUB_OFFLINE", "1")  # or it asks the Hub for the user's name
        return TrackioSession(run)

    def look(self, run: Tracked) -> str:
        """The command that opens the dashboard."""
        if space := os.environ.get("TRACKIO_SPACE_ID"):
            return f"project {_project(run)} in the Space {space}"
        if server := os.environ.get("TRACKIO_SERVER_URL"):
            return f"project {_project(run)} at {urlsplit(server).hostname}"  # the URL may hold a token
        place = os.environ.get("TRACKIO_DIR", run.place)
        return f"TRACKIO_DIR={place} trackio show --project {_project(run)}"


PLUGIN: Tracker = Trackio()
