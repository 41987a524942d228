"""The base model of a finished run before anything was trained: the zero-shot prompt, loaded to answer."""

from collections.abc import Iterator
from pathlib import Path

from tuneworthy.core.endpoint import endpoint_of
from tuneworthy.core.errors import ModelError
from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import Unit
from tuneworthy.engine.generation import generate
from tuneworthy.methods import METHODS, Fitted, Report
from tuneworthy.methods._prompting import FittedPrompt
from tuneworthy.methods._tuned_decoder import FittedDecoder
from tuneworthy.models.resolve import at_hand
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.runfolder.unit_output import is_finished, read_metrics
from tuneworthy.units.execute import run_rows, setting_of
from tuneworthy.units.plan import NOTHING

ZERO_SHOT = "zero_shot"
CHUNK = 8  # tokens between two looks at an answer that is being written (ours)


def untuned(
    run: Path, final: Unit, base_model: str, report: Report = lambda done, total, facts: None
) -> Fitted:
    """The zero-shot prompt of a run's base model: same instruction, same labels, no training.

    Where the run measured that arm, its correction of the model's prior is the one that most folds chose;
    else the labels are scored as they are.

    Args:
        run: the folder of a finished run.
        final: its refit, which says what is asked.
        base_model: what its job calls the base model.
        report: told how far the correction is.

    Raises:
        ModelError: the base model is an endpoint, or is not on this machine.
    """
    if endpoint_of(base_model) is not None:
        raise ModelError("the base model is an endpoint: there is none on this machine to compare with.")
    stored = RunFolder(run).read("model.json").get("folders", {}).get("decoder")
    folder = Path(stored) if stored and (Path(stored) / "config.json").exists() else at_hand(base_model)
    if folder is None:
        raise ModelError(
            f"the base model {base_model} is not on this machine: nothing is fetched for a look."
        )
    method = METHODS.get(ZERO_SHOT)
    facts = list(_measured(run))
    parameters = method.freeze(method.Parameters(), facts, [1] * len(facts), 1)
    if parameters.correction != "batch":  # the only one that rows are needed for
        parameters = parameters.model_copy(update={"calibration_rows": 0})
    unit = final.model_copy(
        update={"method": ZERO_SHOT, "models": {}, "dtype": "float32", "validation": NOTHING, "start": None}
    )
    setting = setting_of(unit.model_copy(update={"metric": _metric(unit)}), {}, None, report)
    setting.models["prompter"] = folder
    rows, row_sets = run_rows(str(run))
    return method.fit(setting, parameters, [rows[row] for row in row_sets[unit.fit]], [])


def _metric(unit: Unit) -> str:
    """One of the task's own: code that came with a folder is not run."""
    from tuneworthy.tasks import TASKS

    return TASKS.get(unit.task).metrics[0]


def _measured(run: Path) -> Iterator[dict[str, object]]:
    """What the run's zero-shot units chose."""
    plan = RunFolder(run).read("plan.json")
    for unit in (unit for stage in plan["stages"] for unit in stage["units"]):
        folder = run / "units" / unit["address"]
        if unit["method"] == ZERO_SHOT and is_finished(folder):
            yield read_metrics(folder)["facts"]


def written(fitted: Fitted, text: str) -> Iterator[Prediction]:
    """An answer while it is written: ever more of its text (`raw`), and in the end the answer itself.

    Only decoders that write freely show their text on the way; everything else yields its answer at once.
    """
    row = Example(id="0", input=text)
    if isinstance(fitted, FittedDecoder | FittedPrompt) and _is_free(fitted):
        decoder, setting = fitted.decoder, fitted.setting
        prompts = (
            fitted.prompts([row])
            if isinstance(fitted, FittedDecoder)
            else fitted.prompts([row], False, fitted.longest)
        )
        stop = sorted(
            {
                decoder.encode_answer(setting.task.messages(setting.instruction, ""), "x")[-1],
                decoder.tokenizer.eos_token_id,
            }
        )
        answer: list[int] = []
        while len(answer) < fitted.longest:
            room = min(CHUNK, fitted.longest - len(answer))
            more = generate(decoder, [[*prompts[0], *answer]], stop, room)[0]
            answer += more
            raw = decoder.decode(answer)
            yield Prediction(example_id="0", value=None, status="unparseable", raw=raw)
            if len(more) < room:
                break
        raw = decoder.decode(answer)
        value = setting.task.parse(raw, setting.labels)
        yield Prediction(
            example_id="0", value=value, status="unparseable" if value is None else "parsed", raw=raw
        )
        return
    yield fitted.predict([row])[0]


def _is_free(fitted: FittedDecoder | FittedPrompt) -> bool:
    """Whether it writes texts that are held to no schema, by a decoder that is here."""
    here = not isinstance(fitted, FittedPrompt) or fitted.endpoint is None
    return here and fitted.setting.task.open and fitted.schema is None and fitted.longest > 0
