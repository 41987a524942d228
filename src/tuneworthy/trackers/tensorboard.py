"""TensorBoard: a folder of event files in the workspace. Needs neither torch nor TensorFlow."""

import json
import shutil
from pathlib import Path
from typing import Any

from tuneworthy.trackers import Outcome, Point, Session, Tracked, Tracker


class TensorBoardSession:
    """One folder of event files."""

    held = 0

    def __init__(self, folder: Path, run: Tracked) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.plugins.text import metadata
        from tensorboard.summary.writer.record_writer import RecordWriter

        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._folder, self._event, self._text = folder, Event, metadata
        # TensorBoard's own file writer would put the machine's name into that of the file.
        file = (folder / f"events.out.tfevents.{int(run.started)}.tuneworthy").open("wb")
        self._records: Any = RecordWriter(file)
        self._write(Event(wall_time=run.started, file_version="brain.Event:2"))
        self._write_text("parameters", _table(run.parameters), run.started)

    def log(self, point: Point) -> None:
        """A scalar for each value."""
        for name, value in point.named.items():
            self._write_scalar(name, value, point.step, point.time)
        self._records.flush()

    def finish(self, outcome: Outcome | None) -> None:
        """Scores as scalars at step 0; parameters, verdict and tags as text."""
        if outcome is not None:
            for name, value in outcome.scores.items():
                self._write_scalar(name, value, 0, outcome.ended)
            self._write_text("parameters", _table(outcome.parameters), outcome.ended, step=1)
            told = f"{outcome.headline}\n\n{_table(outcome.tags)}"
            self._write_text("verdict", told, outcome.ended)
            for file in outcome.files:
                shutil.copyfile(file, self._folder / file.name)
        self._records.close()

    def _write(self, event: Any) -> None:
        self._records.write(event.SerializeToString())

    def _write_scalar(self, tag: str, value: float, step: int, time: float) -> None:
        event: Any = self._event(wall_time=time, step=step)
        event.summary.value.add(tag=tag, simple_value=value)
        self._write(event)

    def _write_text(self, tag: str, text: str, time: float, step: int = 0) -> None:
        event: Any = self._event(wall_time=time, step=step)
        summary = event.summary.value.add(tag=tag)
        summary.metadata.CopyFrom(self._text.create_summary_metadata(tag, ""))
        summary.tensor.dtype = 7  # a string
        summary.tensor.tensor_shape.dim.add(size=1)
        summary.tensor.string_val.append(text.encode())
        self._write(event)


def _table(values: dict[str, Any]) -> str:
    """Names and values as a Markdown table, which the text tab shows."""
    lines = [f"| {name} | {json.dumps(value, ensure_ascii=False)} |" for name, value in values.items()]
    return "\n".join(["| name | value |", "| --- | --- |", *lines])


class TensorBoard:
    """A folder of event files for each run."""

    name = "tensorboard"
    title = "TensorBoard"
    needs: tuple[str, ...] = ("tensorboard",)
    extra = "tensorboard"

    def open(self, run: Tracked) -> Session:
        """Begins the run's folder anew: a replay brings every point."""
        return TensorBoardSession(run.place / run.project / run.id, run)

    def look(self, run: Tracked) -> str:
        """The command that shows the folder."""
        return f"tensorboard --logdir {run.place}"


PLUGIN: Tracker = TensorBoard()
