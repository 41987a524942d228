"""Finished runs behind HTTP: which of them predict here, and which write behind an engine."""

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tuneworthy.core.errors import JobError
from tuneworthy.exporters import EXPORTERS, Subject, named
from tuneworthy.exporting import PASSPORT, Wanted, changed_files, export_run
from tuneworthy.methods._tuned_decoder import FACTS
from tuneworthy.models.configuration import context_length
from tuneworthy.models.token_counts import tokenizer_of
from tuneworthy.refitting import final_fit
from tuneworthy.serving.chat import ChatRun
from tuneworthy.serving.engines import ENGINES, Engine
from tuneworthy.serving.server import Settings, api_key, listen, run_names, serving, told
from tuneworthy.units.refit import Refit

Say = Callable[[str], None]


def host(runs: Sequence[Path], settings: Settings, arm: str | None, engine: str | None, say: Say) -> None:
    """Serves until SIGTERM or Ctrl-C.

    Args:
        runs: run folders.
        settings: how to serve.
        arm: one of the runs' arms; the recommended one where it is None.
        engine: what serves runs that write texts, by the names in `engines.ENGINES`; None where they
            answer by /predict as every other, which needs no further process.
        say: told what is being done.

    Raises:
        TuneworthyError: a run cannot be served, the port is taken, or a key is missing; one sentence.
    """
    if engine is not None and engine not in ENGINES:
        raise JobError(f"no engine '{engine}': known: {', '.join(ENGINES)}.")
    key = api_key(settings.host, settings.behind)
    names = run_names(runs)
    fits = {name: final_fit(run, arm, say) for name, run in names.items()}
    with listen(settings.host, settings.port) as listener, _left_by_the_door(), ExitStack() as stack:
        chats = {}
        for name, fit in fits.items():
            if engine is not None and writes(fit):
                chats[name] = chat_run(name, fit, artefact_of(fit, arm, engine, say), engine)
                stack.callback(chats[name].engine.stop)
        say(f"loading {', '.join(names)} ...")
        predicting = {name: fit for name, fit in fits.items() if name not in chats}
        server = stack.enter_context(serving(predicting, chats, settings, key))
        for chat in chats.values():
            chat.engine.wait()
        for line in told(server.service, settings.host, listener.getsockname()[1], key, settings.behind):
            say(line)
        server.run(sockets=[listener])


@contextmanager
def _left_by_the_door() -> Iterator[None]:
    """Within it SIGTERM ends this process as an exception does, so that engines are stopped.

    While the server runs it has handlers of its own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def writes(fit: Refit) -> bool:
    """Whether a fit is a fine-tuned decoder whose answers are texts, which servers of chats can serve."""
    return fit.setting.task.open and not EXPORTERS.get("merged").unsuited(Subject(fit))


def artefact_of(fit: Refit, arm: str | None, engine: str, say: Say) -> Path:
    """What the engine reads: the run's export of this very fit, or a new one that passes the parity gate.

    Raises:
        ParityError: the artefact does not answer as the fit.
    """
    form = ENGINES[engine][0]
    exporter, _, variant = form.partition(":")
    folder = fit.run / "exports" / named(exporter, variant)
    try:
        stored = json.loads((folder / PASSPORT).read_text(encoding="utf-8"))
        if stored["unit"] == fit.unit.address:
            if not (changed := changed_files(folder, stored)):
                return folder
            say(f"{folder}: {changed[0]}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # none there, or one that is no export
    say(f"exporting {fit.run.name} to {form}, which {engine} reads")
    return export_run(fit.run, Wanted(to=(form,), arm=arm), say)[0].folder


def chat_run(name: str, fit: Refit, artefact: Path, engine: str) -> ChatRun:
    """Starts an engine on an artefact."""
    base = fit.models["decoder"]
    stored = json.loads((fit.model / FACTS).read_text(encoding="utf-8"))
    own = fit.unit.parameters
    return ChatRun(
        name=name,
        method=fit.unit.method,
        task=fit.setting.task,
        instruction=fit.setting.instruction,
        longest=int(stored["longest"]),
        most_input=int(own.get("settings", own)["max_input_tokens"]),
        speaker=tokenizer_of(base),
        context=context_length(base),
        engine=Engine(engine, artefact, name),
    )
