"""The verdict as a small card in a notebook."""

from tuneworthy.reports import formats
from tuneworthy.reports.contents import Contents
from tuneworthy.reports.templating import environment, writable
from tuneworthy.reports.views_scores import arms_view, deciding_comparison, metric_heading, tone


def verdict_card(contents: Contents) -> str:
    """A piece of HTML for `_repr_html_`: decision, arms, next step; styles inline, data escaped."""
    deciding = deciding_comparison(contents)
    card = environment().get_template("card.html.j2")
    return writable(
        card.render(
            verdict=contents.verdict,
            badge=formats.decision_title(contents.verdict.decision),
            tone=tone(contents.verdict.decision),
            metric=metric_heading(contents),
            arms=arms_view(contents)["rows"],
            deciding=deciding,
            gain="" if deciding is None else formats.comparison_text(deciding),
            report=str(contents.folder / "report.html"),
        )
    )
