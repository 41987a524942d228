"""Weights & Biases: a folder in the workspace that `wandb sync` uploads; its server for who is logged in."""

import netrc
import os
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tuneworthy.trackers import Outcome, Point, Session, Tracked, Tracker

CLOUD = "https://api.wandb.ai"


def mode() -> str:
    """WANDB_MODE where it is set; else "online" for who is logged in. Nobody is ever asked."""
    if said := os.environ.get("WANDB_MODE"):
        return said
    return "online" if os.environ.get("WANDB_API_KEY") or _logged_in() else "offline"


def _logged_in() -> bool:
    """Whether `wandb login` has left a key."""
    host = urlsplit(os.environ.get("WANDB_BASE_URL", CLOUD)).hostname or ""
    file = Path(os.environ.get("NETRC", Path.home() / ".netrc"))
    try:
        return netrc.netrc(str(file)).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


class WandbSession:
    """One W&B run. Its step is the number of the point, which only grows, as W&B wants it."""

    def __init__(self, run: Tracked) -> None:
        import wandb

        self._wandb = wandb
        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or run.project,
            id=run.id,
            name=run.id,
            dir=str(run.place),
            resume="allow" if mode() == "online" else None,
            config=dict(run.parameters),
            tags=[f"{key}:{value}"[:64] for key, value in run.tags.items()],
            settings=wandb.Settings(
                mode=mode(),
                console="off",
                silent=True,
                disable_git=True,
                disable_code=True,
                save_code=False,
                x_disable_meta=True,  # host, user, command line
                x_disable_machine_info=True,
                x_disable_stats=True,
                x_save_requirements=False,
            ),
        )
        self.held = int(self._run.step)
        self._told = self.held
        self._axes: set[str] = set()

    def log(self, point: Point) -> None:
        """The values of a step, drawn over the steps of their unit."""
        axis = f"{point.unit}/step"
        for name in point.named:
            if name not in self._axes:
                self._run.define_metric(name, step_metric=axis, summary="last")
                self._axes.add(name)
        self._run.log({**point.named, axis: point.step}, step=self._told)
        self._told += 1

    def finish(self, outcome: Outcome | None) -> None:
        """Scores and verdict into the summary, settings into the configuration, files as an artefact."""
        if outcome is not None:
            self._run.config.update(outcome.parameters, allow_val_change=True)
            self._run.summary.update({**outcome.scores, **outcome.tags, "headline": outcome.headline})
            self._run.tags = tuple(f"{key}:{value}"[:64] for key, value in outcome.tags.items())
            artefact = self._wandb.Artifact(f"{self._run.id}-report", type="report")
            for file in outcome.files:
                artefact.add_file(str(file), name=file.name)
            self._run.log_artifact(artefact)
        self._run.finish(exit_code=0 if outcome is not None else 1)


class Wandb:
    """A project for each data set."""

    name = "wandb"
    title = "Weights & Biases"
    needs: tuple[str, ...] = ("wandb",)
    extra = "wandb"

    def open(self, run: Tracked) -> Session:
        """Begins the run; offline, a folder of an earlier replay that was never uploaded is replaced."""
        run.place.mkdir(parents=True, exist_ok=True)
        staged = run.place / "data" / run.id  # files that wait for their upload
        os.environ.setdefault("WANDB_DATA_DIR", str(staged))
        os.environ.setdefault("WANDB_CACHE_DIR", str(run.place / "cache"))
        os.environ.setdefault("WANDB_CONFIG_DIR", str(run.place / "config"))
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        if mode() != "online" and not any(list(one.glob("*.synced")) for one in _folders(run)):
            for earlier in (staged, *_folders(run)):
                shutil.rmtree(earlier, ignore_errors=True)
        return WandbSession(run)

    def look(self, run: Tracked) -> str:
        """The command that uploads an offline run, or where its page is."""
        if mode() == "online":
            project = os.environ.get("WANDB_PROJECT") or run.project
            return f"project {project} at {os.environ.get('WANDB_BASE_URL', CLOUD)}"
        return f"wandb sync {next(iter(_folders(run)), run.place / 'wandb')}"


def _folders(run: Tracked) -> list[Path]:
    return sorted((run.place / "wandb").glob(f"offline-run-*-{run.id}"))


PLUGIN: Tracker = Wandb()
