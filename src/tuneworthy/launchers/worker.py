"""What runs elsewhere: unpacks a bundle, runs its job, leaves an archive. Ends in the same run as here.

    python -m tuneworthy.launchers.worker --bundle DIR --work DIR --out DIR [--limit SECONDS] [--began TIME]
        [--put URL]

A run that is stopped (SIGTERM, Ctrl-C, the time limit) leaves its archive too. Started again on the same
work folder it goes on where it was. With --put the archive is copied to shared storage as well. The exit code
is 0 when the run has finished, 2 for a job that cannot be run, 3 when it was stopped.
"""

import argparse
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from tuneworthy.core.duration import brief
from tuneworthy.core.ending import Ended, request
from tuneworthy.core.errors import TuneworthyError
from tuneworthy.core.hashing import file_digest
from tuneworthy.launchers.archive import ARCHIVE, End, archive_of, pack
from tuneworthy.launchers.bundle import LEDGER, BundleManifest, read_bundle
from tuneworthy.runfolder.folder import write_text

STOPPED = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a bundle; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tuneworthy.launchers.worker", description=__doc__)
    parser.add_argument("--is", dest="source", help="only say whether this is the package of that digest")
    parser.add_argument("--bundle", type=Path, help="the folder that was sent")
    parser.add_argument("--work", type=Path, help="where it runs; kept, a stopped run goes on from there")
    parser.add_argument("--out", type=Path, help="where the archive is left")
    parser.add_argument("--put", help="where the archive is copied: a path or URL of shared storage")
    parser.add_argument("--limit", type=float, help="seconds after which it is stopped")
    parser.add_argument("--began", type=float, help="Unix time at which the limit began; default: now")
    parser.add_argument("--opt-ml", type=Path, help="SageMaker's folder, /opt/ml, in place of all three")
    parser.add_argument("--attempt", help="the job's name there, for the archive among its checkpoints")
    given = parser.parse_args(arguments)
    if given.source is not None:
        from tuneworthy.runfolder.source import source_digest

        return 0 if source_digest() == given.source else 1
    limit = time_left(given.limit, given.began)
    if given.opt_ml is not None:
        return run_container(given.opt_ml, limit, given.attempt)
    if None in (given.bundle, given.work, given.out):
        parser.error("--bundle, --work and --out are needed")
    out = given.out.resolve()  # the run goes to another folder
    (out / ARCHIVE).unlink(missing_ok=True)  # of an earlier attempt
    try:
        return run_bundle(given.bundle, given.work, out, limit)
    finally:  # also where it has crashed: what it has done is paid for
        if given.put is not None and (out / ARCHIVE).exists():
            put(out / ARCHIVE, given.put)


def time_left(limit: float | None, began: float | None) -> float | None:
    """Seconds that the run may still take: the place's clock ran while the package was installed."""
    if limit is None or began is None:
        return limit
    gone = max(0.0, time.time() - began)
    _say(f"{brief(gone)} of {brief(limit)} went into installing")
    return max(1.0, limit - gone)


def put(archive: Path, place: str) -> None:
    """Copies the archive to a path or URL; it has its name there once it is whole."""
    import fsspec

    system, path = fsspec.core.url_to_fs(place)
    system.makedirs(path.rpartition("/")[0], exist_ok=True)
    system.put_file(str(archive), f"{path}.part")
    system.mv(f"{path}.part", path)
    _say(f"the archive is at {place}")


def run_container(opt_ml: Path, limit: float | None = None, attempt: str | None = None) -> int:
    """The same in a SageMaker training container, whose folders have fixed places.

    The archive is left among the checkpoints too, which are kept where a job fails, under the attempt's name:
    those of earlier attempts lie there as well. A stop is no failure there: its model folder would be thrown
    away.
    """
    work, out = opt_ml / "checkpoints", opt_ml / "model"
    try:
        code = run_bundle(
            opt_ml / "input" / "data" / "bundle", work, out, limit, opt_ml / "output" / "failure"
        )
    finally:  # also where it has crashed: what it has done is paid for
        if (out / ARCHIVE).exists():
            shutil.copyfile(out / ARCHIVE, work / archive_of(attempt))
    return 0 if code == STOPPED else code


def run_bundle(
    bundle: Path, work: Path, out: Path, limit: float | None = None, failure: Path | None = None
) -> int:
    """Runs the job of a bundle and leaves its archive in `out`; returns the exit code."""
    started = time.monotonic()
    bundle, work, out = bundle.resolve(), work.resolve(), out.resolve()
    state: End = "failed"
    told, run, digest = "", work, ""
    _listen_for_the_end(limit)
    try:
        manifest = read_bundle(bundle)
        digest, run = manifest.digest, work / manifest.run
        _lay_out(bundle, work, manifest)
        _execute(work / manifest.job, run, Tell())
        state = "finished"
    except TuneworthyError as error:
        told = str(error)
    except (Ended, KeyboardInterrupt) as end:
        state, told = "stopped", str(end) or "it was stopped"
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        raise
    finally:
        _end_listening()
        seconds = time.monotonic() - started
        if digest:
            pack(run, out / ARCHIVE, digest, state, told, seconds)
        _say(f"{state} after {brief(seconds)}" + (f": {told}" if told else ""))
        if told and failure is not None:
            write_text(failure, told)
    return {"finished": 0, "stopped": STOPPED, "failed": TuneworthyError.exit_code}[state]


def _lay_out(bundle: Path, work: Path, manifest: BundleManifest) -> None:
    """Copies data and job to where they are run, once."""
    for file in manifest.files:
        target = work / file.path
        if file.path.startswith("place/") and not (target.is_file() and file_digest(target) == file.sha256):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle / file.path, target)
    ledger = (work / manifest.run).parent / LEDGER
    if not ledger.exists():
        ledger.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle / LEDGER, ledger)


def _execute(job_file: Path, run: Path, tell: "Tell") -> None:
    """The main job, in the folder that stands for the user's."""
    os.environ["TUNEWORTHY_WORKSPACE"] = str(run.parent)
    os.chdir(job_file.parent)
    from tuneworthy import pipeline
    from tuneworthy.data.jobfile import load_job
    from tuneworthy.methods import METHODS

    pipeline.run(load_job(job_file, (), METHODS.names()), run, None, tell)


def _listen_for_the_end(limit: float | None) -> None:
    """Turns SIGTERM and the end of the time into a request to end."""

    def stop(number: int, frame: FrameType | None) -> None:
        late = limit is not None and number == signal.SIGALRM
        request(f"its time limit of {brief(limit or 0)} was over" if late else "it was stopped")

    signal.signal(signal.SIGTERM, stop)
    if limit is not None:
        signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, limit)


def _end_listening() -> None:
    """Nothing may interrupt the packing; who waits for it kills in the end."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


class Tell:
    """Prints a run's events as lines of a log: `[3/12] lora fold 1`."""

    def __init__(self) -> None:
        self._done, self._all = 0, 0

    def __call__(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "run_started":
                _say(f"{event['rows']} rows, protocol {event['protocol']}")
            case "note" | "power":
                _say(event["text"])
            case "stage_started":
                self._done, self._all = 0, len(event["units"])
                _say(f"{event['stage']}: {self._all} units")
            case "unit_finished" | "unit_reused":
                self._done += 1
                _say(f"[{self._done}/{self._all}] {event['title']}")
            case "run_finished":
                _say(f"verdict: {event['decision']} ({event['recommended_method']})")


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
