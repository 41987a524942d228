"""The parts a learning curve is measured on: nested, of the fold's own rows, whole groups at a time."""

from itertools import pairwise
from typing import Any

import pytest

from tuneworthy.core.errors import JobError
from tuneworthy.core.example import Example
from tuneworthy.core.job import CurveSpec, DataSpec, Job
from tuneworthy.data.splits import Split, make_split
from tuneworthy.units.curve import Parts, check_curve, draw_parts, has_curve, why_none


def rows(count: int, groups: int = 0) -> list[Example]:
    return [
        Example(id=f"r{i}", input=f"text {i}", target="ab"[i % 2], group=f"g{i % groups}" if groups else None)
        for i in range(count)
    ]


def job(**curve: Any) -> Job:
    return Job(data=DataSpec(path="x"), curve=CurveSpec(**curve))


def parts(count: int, protocol: Any = "crossfit", groups: int = 0, **curve: Any) -> tuple[Split, Parts]:
    some = rows(count, groups)
    split = make_split(some, protocol, 5, 0.25, 0.15, 0)
    return split, draw_parts(job(**curve), split, some)


@pytest.mark.parametrize("protocol", ["crossfit", "holdout"])
def test_no_part_holds_a_row_that_its_fold_predicts(protocol: Any) -> None:
    _, found = parts(200, protocol)
    assert found.parts
    for part in found.parts:
        fold = found.split.folds[part.fold]
        own = {*found.split.rows(part.fit), *found.split.rows(part.validation)}
        assert own and not own & set(found.split.rows(fold.predict))
        assert set(found.split.rows(part.fit)) <= set(found.split.rows(fold.fit))


@pytest.mark.parametrize("groups", [0, 20])
def test_a_smaller_part_lies_within_the_larger_one_of_its_draw(groups: int) -> None:
    _, found = parts(200, groups=groups)
    by_place: dict[tuple[int, int], list[set[str]]] = {}
    for part in sorted(found.parts, key=lambda part: part.share):
        by_place.setdefault((part.fold, part.draw), []).append(set(found.split.rows(part.fit)))
    for nested in by_place.values():
        assert all(small < large for small, large in pairwise(nested))


def test_a_part_cuts_through_one_group_at_most() -> None:
    some = {row.id: row for row in rows(200, groups=20)}
    _, found = parts(200, groups=20)
    for part in found.parts:
        fold = found.split.folds[part.fold]
        own, all_rows = set(found.split.rows(part.fit)), found.split.rows(fold.fit)
        cut = {some[row].group for row in own} & {some[row].group for row in all_rows if row not in own}
        assert len(cut) <= 1


def test_holdout_draws_as_many_parts_of_a_size_as_a_crossfit_has_folds() -> None:
    sizes = {
        protocol: len([part for part in parts(200, protocol)[1].parts if part.share == 0.5])
        for protocol in ("crossfit", "holdout")
    }
    assert sizes == {"crossfit": 5, "holdout": 5}


def test_too_few_rows_have_no_curve() -> None:
    assert parts(60)[1].parts == ()
    assert parts(100)[1].parts != ()


def test_too_few_rows_for_a_curve_are_said_where_an_arm_would_have_one() -> None:
    asked = job().model_copy(update={"arms": ("majority", "tfidf", "lora")})
    (said,) = why_none(asked, parts(60)[1])
    assert said.startswith("No learning curve of tfidf: there are too few rows")
    assert why_none(asked, parts(100)[1]) == []
    assert why_none(asked.model_copy(update={"curve": CurveSpec(arms=())}), parts(60)[1]) == []


def test_fewer_parts_than_a_curve_has_unknowns_are_refused() -> None:
    with pytest.raises(JobError, match=r"^curve\.shares names 2 parts"):
        check_curve(job(shares=(0.25, 0.5)))
    check_curve(job(shares=(0.25, 0.5), arms=()))


def test_cheap_classifiers_have_a_curve_and_others_where_the_job_names_them() -> None:
    assert has_curve("tfidf", job()) and has_curve("probe", job())
    assert not any(has_curve(arm, job()) for arm in ("lora", "few_shot", "majority", "probe_decoder"))
    assert has_curve("lora", job(arms=["lora"])) and not has_curve("tfidf", job(arms=["lora"]))


@pytest.mark.parametrize(
    ("arm", "said"), [("lora", "which is not compared: majority, tfidf"), ("majority", "fitted on no rows")]
)
def test_a_curve_of_an_arm_that_can_have_none_is_refused(arm: str, said: str) -> None:
    with pytest.raises(JobError, match=said):
        check_curve(job(arms=[arm]).model_copy(update={"arms": ("majority", "tfidf")}))


def test_many_rows_have_one_part_of_a_size() -> None:
    assert len([part for part in parts(1200, "holdout")[1].parts if part.share == 0.5]) == 1
