"""The page: every number is there, nothing of the user's is markup, nothing leaves the page."""

import re
from html.parser import HTMLParser

import pytest
from markupsafe import escape
from synthetic_parts import INJECTIONS
from synthetic_run import VARIANTS

from tuneworthy.reports import formats
from tuneworthy.reports.contents import load_contents
from tuneworthy.reports.html import render_html

VOID = {"meta", "br", "use", "path", "rect", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """What a browser would make of the page: tags, attributes, text, sections."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.extend((tag, name, value or "") for name, value in attrs)
        self.ids.extend(value for name, value in attrs if name == "id")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open, f"</{tag}> closes nothing"
            last = self.open.pop()
            assert last == tag, f"</{tag}> closes <{last}>"

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module", params=list(VARIANTS))
def rendered(request, run_of):
    """Variant name, contents, page source and parsed page."""
    contents = run_of(request.param)
    source = render_html(contents)
    return request.param, contents, source, Page(source)


def test_is_well_formed(rendered):
    _, _, source, page = rendered
    assert source.startswith("<!doctype html>")
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    for _, name, value in page.attributes:
        if name == "href":
            assert value[1:] in page.ids, f"{value} leads nowhere"


def test_verdict_stands_on_top(rendered):
    _, contents, _, page = rendered
    verdict = contents.verdict
    head = page.text[: page.text.index("What was asked")]
    for words in (formats.decision_title(verdict.decision), verdict.headline, verdict.paragraph):
        assert words.replace("`", "") in head


def test_every_estimate_of_the_recommended_method_is_printed(rendered):
    _, contents, _, page = rendered
    for estimate in contents.estimates:
        if estimate.method == contents.verdict.recommended_method:
            assert formats.metric_value(estimate.metric, estimate.value) in page.text
            if estimate.low is not None:
                assert formats.metric_range(estimate.metric, estimate.low, estimate.high) in page.text
            else:
                assert estimate.reason in page.text


def test_every_label_has_its_own_row_of_scores(rendered):
    _, contents, source, _ = rendered
    mine = [e for e in contents.estimates if e.method == contents.verdict.recommended_method and e.label]
    classes = source[source.index('<section id="classes"') :] if mine else ""
    for label in {estimate.label for estimate in mine}:
        found = {e.metric: formats.metric_value(e.metric, e.value) for e in mine if e.label == label}
        row = re.search(rf"<bdi>{re.escape(str(escape(label)))}</bdi></th>(.*?)</tr>", classes)
        assert row is not None
        values = re.findall(r'class="value">([^<]*)<', row[1])
        assert values == [found[metric] for metric in ("precision", "recall", "f1")]


def test_every_arm_and_comparison_is_printed(rendered):
    _, contents, _, page = rendered
    for arm in contents.arms:
        assert formats.estimate_text(arm.estimate).split(" (")[0] in page.text
        assert formats.seconds(arm.cost.seconds_per_1000) in page.text
    for item in contents.comparisons:
        assert formats.points(item.difference, item.metric) in page.text
        assert formats.p_value(item.p_adjusted) in page.text
        assert (item.reason or formats.difference_range(item)) in page.text


def test_thresholds_stand_beside_the_numbers(run_of):
    page = Page(render_html(run_of("holdout")))
    table = page.text[page.text.index("What was asked") : page.text.index("Rule that decided")]
    for words in ("smallest_gain_worth_having 2.0 points", "alpha 0.05", "target_score 85.0%", "50 rows"):
        assert words in table


def test_nothing_is_fetched_and_nothing_runs(rendered):
    _, _, source, page = rendered
    assert not {"script", "img", "link", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert "http://" not in source
    assert "https://" not in source
    assert "@import" not in source
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), f"<{tag} {name}>"
        assert name not in ("src", "srcset", "action", "formaction", "background")
        if name in ("href", "xlink:href"):
            assert value.startswith("#")
        assert "url(" not in value.replace("url(#", "")


def test_the_users_words_are_text(run_of):
    source = render_html(run_of("hostile"))
    page = Page(source)
    for words in INJECTIONS:
        assert words not in source or words == "{{7*7}}{% raise %}"  # braces need no escaping in HTML
        assert words in page.text
    assert "<b>bold" not in source
    assert source.count("</style>") == 1


def test_same_contents_same_bytes(run_of, monkeypatch):
    contents = run_of("crossfit")
    first = render_html(contents)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert render_html(load_contents(contents.folder)) == first


def test_a_users_own_matplotlib_style_changes_nothing(run_of):
    import matplotlib

    first = render_html(run_of("holdout"))
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert render_html(run_of("holdout")) == first
        assert matplotlib.rcParams["font.size"] == 30


def test_is_small(rendered):
    assert len(rendered[2].encode("utf-8")) < 500_000


def test_very_long_rows_stay_small(run_of):
    contents = run_of("holdout")
    long = {key: row.model_copy(update={"input": "word " * 40_000}) for key, row in contents.rows.items()}
    source = render_html(contents.model_copy(update={"rows": long}))
    assert len(source.encode("utf-8")) < 500_000
    assert "the rest is in the run folder" in source


def test_charts_follow_the_pages_colours(rendered):
    name, _, source, page = rendered
    charts = "".join(re.findall(r"<svg.*?</svg>", source, flags=re.DOTALL))
    assert not re.findall(r"#[0-9a-fA-F]{6}", charts)
    assert bool(charts) == (name != "blocked")
    labels = [value for tag, attribute, value in page.attributes if (tag, attribute) == ("svg", "aria-label")]
    assert len(labels) == charts.count("<svg")
    assert all(label.endswith(".") for label in labels)


def test_absent_intervals_print_their_reason(run_of):
    page = Page(render_html(run_of("no_intervals")))
    assert "No interval: the resampling was switched off in the job" in page.text
    assert "A hollow mark has no interval" in page.text


def test_many_labels_show_pairs_instead_of_a_matrix(run_of):
    many, few = (render_html(run_of(name)) for name in ("many_labels", "holdout"))
    assert "matrix" not in many[many.index("<body>") :]
    assert "The commonest mistakes" in many
    assert 'class="matrix"' in few


def test_crossfit_says_what_a_score_describes(run_of):
    page = Page(render_html(run_of("crossfit")))
    assert "models trained on 4/5 of the rows" in page.text
    assert "fitted again on all rows" in page.text
    assert page.text.count("Fold ") == 5


def test_lockbox_says_how_often_the_rows_were_opened(run_of):
    page = Page(render_html(run_of("holdout")))
    assert "opened 2 times, and 10 arms were scored on them in all" in page.text
    assert "count 2 tuned arms scored on them before" in page.text


def test_sections_of_what_did_not_happen_are_left_out(run_of):
    untuned, blocked = (render_html(run_of(name)) for name in ("target_met", "blocked"))
    assert "Did tuning help?" not in untuned
    assert "Arm against arm" in untuned
    assert 'id="differences"' not in blocked
    assert 'id="curves"' not in untuned
    assert "an untuned arm already meets the target score" in untuned
    assert "No arm was run" in blocked
    assert 'id="cost"' not in blocked


def test_error_rates_by_group_stand_with_their_intervals(run_of):
    contents = run_of("holdout")
    text = Page(render_html(contents)).text
    assert "Acme 12 30 40.0% 25.0% to 58.0% Zenith 4 40 10.0% 4.0% to 23.0%" in text
    assert "They differ by more than chance (p 0.004" in text
    assert "3 rows are in groups of fewer than ten" in text
    without = contents.details.model_copy(update={"groups": {}})
    assert 'id="groups"' not in render_html(contents.model_copy(update={"details": without}))


def test_rows_that_decide_are_shown_up_to_eight_a_side(run_of):
    contents = run_of("holdout")
    source = render_html(contents)
    part = source[source.index('<section id="rows"') : source.index('<section id="samples"')]
    won = contents.details.won
    assert part.count('class="row"') == min(8, len(won.only_winner)) + min(8, len(won.only_against))
    compared = contents.compared(won.winner, won.against)
    assert f"{compared.wins} rows, 8 shown" in part


def test_reasons_that_the_paragraph_tells_are_not_told_twice(run_of):
    contents = run_of("holdout")
    assert "<h3>Why</h3>" in render_html(contents)
    told = " ".join([contents.verdict.paragraph, *contents.verdict.reasons])
    verdict = contents.verdict.model_copy(update={"paragraph": told})
    assert "<h3>Why</h3>" not in render_html(contents.model_copy(update={"verdict": verdict}))


def test_job_is_shown_verbatim(run_of):
    contents = run_of("holdout")
    assert contents.job_text.strip() in "".join(Page(render_html(contents)).words)


def test_no_machine_path_is_shown(rendered):
    _, contents, source, _ = rendered
    assert str(contents.folder.parent) not in source


def test_broken_text_can_be_written(run_of):
    contents = run_of("holdout")
    dataset = contents.dataset.model_copy(update={"name": "half \ud83d of a pair"})
    render_html(contents.model_copy(update={"dataset": dataset})).encode("utf-8")


def test_commands_in_sentences_are_code(run_of):
    assert "<code>tuneworthy serve runs/demo --method lora</code>" in render_html(run_of("holdout"))


def test_seeds_are_listed_and_what_shows_the_first_seed_alone_says_so(run_of):
    contents = run_of("holdout")
    assert "seed" not in Page(render_html(contents)).text.partition("How it was measured")[0].replace(
        "which differ in their seed", ""
    )
    method = contents.verdict.recommended_method
    arms = tuple(
        arm.model_copy(update={"by_seed": (0.8, 0.81, 0.85)}) if arm.method == method else arm
        for arm in contents.evidence.arms
    )
    several = contents.model_copy(update={"evidence": contents.evidence.model_copy(update={"arms": arms})})
    text = Page(render_html(several)).text
    assert f"{method} is the mean of its seeds, 80.0%, 81.0% and 85.0%" in text
    for heading in ("What gets confused", "Label by label", f"What {method} gets right that"):
        section = text.rpartition(heading)[2][:400]
        assert f"Of {method} its first seed's answers are meant." in section, heading


def test_reasons_of_many_fits_are_folded_away(run_of):
    contents = run_of("holdout")
    unit = next(unit for unit in contents.units if unit.facts.get("kept_because"))
    fits = tuple(replaced(unit, seed) for seed in range(6))
    others = tuple(one for one in contents.units if one.method != unit.method)
    text = render_html(contents.model_copy(update={"units": (*others, *fits)}))
    assert "Why each of 6 fits kept its checkpoint" in text
    assert "<i>trained tokens</i> 100 to 105<" in text
    assert "Why each of" not in render_html(contents)


def replaced(unit, seed):
    return unit.model_copy(update={"seed": seed, "facts": {**unit.facts, "trained_tokens": 100 + seed}})
