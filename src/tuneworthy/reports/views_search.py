"""What the report says about transfer: how much of a model each arm trained, and how settings were found."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from tuneworthy.core.study import Study, Trial
from tuneworthy.metrics import METRICS, is_error
from tuneworthy.reports import formats
from tuneworthy.reports.charts import trials_chart
from tuneworthy.reports.contents import Contents
from tuneworthy.reports.views_scores import View


def learned_view(contents: Contents) -> list[View]:
    """Arms by how many parameters they trained, from none to all: transfer learning from least to most."""
    views: list[View] = []
    for arm in contents.arms:
        facts = next((unit.facts for unit in contents.units_of(arm.method)), {})
        if arm.kind == "prompt":
            trained, whole = 0, None
        elif "parameters_trained" in facts:
            trained, whole = int(facts["parameters_trained"]), facts.get("parameters")
        else:
            continue
        views.append(
            {
                "method": arm.method,
                "kind": arm.kind,
                "trained": trained,
                "count": formats.count(trained),
                "share": formats.percent(trained / whole) if whole else formats.DASH,
                "value": formats.estimate_text(arm.estimate),
            }
        )
    ranked = sorted(views, key=lambda view: view["trained"])
    return ranked if any(view["trained"] for view in ranked) else []


def search_view(contents: Contents) -> list[View]:
    """Every study: what was tried, how it did on validation rows, what was chosen and why."""
    return [
        {
            "title": study.method if study.fold is None else f"{study.method}, fold {study.fold + 1}",
            "study": study,
            "because": study.because[0].upper() + study.because[1:],
            "metric": formats.metric_title(study.metric),
            "names": [name.replace("_", " ") for name in study.parameters],
            "trials": [_trial(study, trial) for trial in study.trials],
            "importance": [
                (name.replace("_", " "), formats.percent(share)) for name, share in study.importance.items()
            ],
            "charts": _charts(study),
        }
        for study in contents.studies
    ]


def _trial(study: Study, trial: Trial) -> View:
    return {
        "number": trial.number,
        "values": [formats.plain(trial.values[name]) for name in study.parameters],
        "share": f"{trial.share:.0%}",
        "score": formats.metric_value(study.metric, own(study, trial)) if trial.score is not None else "",
        "log_loss": f"{trial.log_loss:.3f}" if trial.log_loss is not None else "",
        "chosen": trial.number == study.chosen,
        "failed": trial.failed,
    }


def own(study: Study, trial: Trial) -> float:
    """The trial's score as the metric has it: an error's is kept negative, the higher the better."""
    error = study.metric in METRICS.names() and is_error(METRICS.get(study.metric))
    score = trial.score or 0.0
    return -score if error else score


def _charts(study: Study) -> list[Markup]:
    """Score against the first numeric setting, the learning rate where it was searched; often nothing."""
    names = [name for name in study.parameters if _numeric([trial.values[name] for trial in study.trials])]
    scored = [trial for trial in study.trials if trial.score is not None]
    if not names or len(scored) < 3:
        return []
    points = [
        (float(trial.values[names[0]]), own(study, trial), trial.share, trial.number == study.chosen)
        for trial in scored
    ]
    return [
        Markup(trials_chart(points, names[0].replace("_", " "), study.metric, study.method, narrow=narrow))
        for narrow in (False, True)
    ]


def _numeric(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and value > 0 for value in values)
