"""The report as one HTML file: no network, no script, light and dark, screen and print."""

from markupsafe import Markup

from tuneworthy.reports import formats
from tuneworthy.reports.charts import arms_chart, differences_chart
from tuneworthy.reports.contents import Contents
from tuneworthy.reports.glossary import glossary
from tuneworthy.reports.growth import growth_view
from tuneworthy.reports.templating import environment, writable
from tuneworthy.reports.views_forgetting import forgetting_view
from tuneworthy.reports.views_judge import judge_view
from tuneworthy.reports.views_record import (
    chosen_view,
    curves_view,
    data_view,
    findings_view,
    lockbox_view,
    record_view,
)
from tuneworthy.reports.views_rows import (
    classes_view,
    confusion_view,
    groups_view,
    samples_view,
    slices_view,
    won_view,
    wording_view,
)
from tuneworthy.reports.views_scores import View, arms_view, comparisons_view, metric_heading, verdict_view
from tuneworthy.reports.views_search import learned_view, search_view


def render_html(contents: Contents) -> str:
    """The report as one self-contained page; the same contents give the same bytes."""
    return writable(environment().get_template("report.html.j2").render(_views(contents)))


def _views(contents: Contents) -> View:
    verdict, evidence = contents.verdict, contents.evidence
    comparisons = comparisons_view(contents)
    gain = verdict.thresholds.smallest_gain_worth_having * contents.evidence.whole
    gain = -gain if contents.evidence.error else gain
    curves = curves_view(contents)
    for view in curves:
        view["charts"] = [Markup(chart) for chart in view["charts"]]
    return {
        "contents": contents,
        "data": contents.dataset,
        "evidence": evidence,
        "verdict": verdict,
        "heading": metric_heading(contents),
        "metric": formats.metric_title(evidence.metric),
        "top": verdict_view(contents),
        "arms": arms_view(contents),
        "arms_charts": _arms_charts(contents),
        "comparisons": comparisons,
        "gain_charts": [
            Markup(
                differences_chart(
                    comparisons["drawn"],
                    evidence.metric,
                    smallest_gain=gain if comparisons["tuned"] else None,
                    kinds=comparisons["kinds"],
                    deciding=comparisons["deciding"],
                    narrow=narrow,
                )
            )
            for narrow in (False, True)
            if comparisons["drawn"]
        ],
        "thrift": contents.thrift,
        "confusion": confusion_view(contents),
        "classes": classes_view(contents),
        "groups": groups_view(contents),
        "slices": slices_view(contents),
        "growth": growth_view(contents),
        "forgetting": forgetting_view(contents),
        "wording": wording_view(contents),
        "learned": learned_view(contents),
        "search": search_view(contents),
        "curves": curves,
        "won": won_view(contents),
        "judge": judge_view(contents),
        "samples": samples_view(contents),
        "facts": data_view(contents),
        "findings": findings_view(contents),
        "chosen": chosen_view(contents),
        "lockbox": lockbox_view(contents),
        "record": record_view(contents),
        "glossary": glossary(contents),
    }


def _arms_charts(contents: Contents) -> list[Markup]:
    if not contents.arms:
        return []
    return [
        Markup(
            arms_chart(
                contents.arms,
                contents.evidence.metric,
                recommended=contents.verdict.recommended_method,
                target=contents.verdict.thresholds.target_score,
                narrow=narrow,
            )
        )
        for narrow in (False, True)
    ]
