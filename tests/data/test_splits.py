"""Splits: nothing that belongs together is torn apart, and every row is where it should be."""

from collections import Counter
from random import Random

import pytest

from toy import toy_rows
from tuneworthy.core.errors import DataError
from tuneworthy.core.example import Example
from tuneworthy.data.splits import Split, choose_protocol, make_split


def examples(count: int = 60, groups: int | None = None) -> list[Example]:
    return [
        Example(
            id=f"r{i}",
            input=row["text"],
            target=row["label"],
            group=None if groups is None else f"g{i % groups}",
            row=i + 2,
        )
        for i, row in enumerate(toy_rows(count))
    ]


def split_of(rows: list[Example], protocol: str = "crossfit", **options: object) -> Split:
    settings = {"folds": 5, "test_fraction": 0.25, "validation_fraction": 0.15, "seed": 0, **options}
    return make_split(rows, protocol, **settings)  # type: ignore[arg-type]


def test_crossfit_predicts_every_row_once() -> None:
    rows = examples()
    assert sorted(split_of(rows).test_ids) == sorted(row.id for row in rows)


@pytest.mark.parametrize("protocol", ["holdout", "crossfit"])
def test_fit_validation_and_predicted_rows_never_overlap(protocol: str) -> None:
    split = split_of(examples(), protocol)
    for fold in split.folds:
        fit, validation, predict = (
            set(split.rows(address)) for address in (fold.fit, fold.validation, fold.predict)
        )
        assert fit and validation and predict
        assert not fit & validation
        assert not (fit | validation) & predict


def test_labels_keep_their_shares_in_every_part() -> None:
    rows = examples()
    by_id = {row.id: row for row in rows}
    for fold in split_of(rows).folds:
        counts = Counter(by_id[row].target for row in split_of(rows).rows(fold.predict))
        assert set(counts.values()) == {4}


@pytest.mark.parametrize("protocol", ["holdout", "crossfit"])
def test_rows_of_one_group_are_always_on_one_side(protocol: str) -> None:
    rows = examples(groups=13)
    group = {row.id: row.group for row in rows}
    split = split_of(rows, protocol)
    for fold in split.folds:
        sides = [{group[row] for row in split.rows(a)} for a in (fold.fit, fold.validation, fold.predict)]
        assert not (sides[0] | sides[1]) & sides[2]
        assert not sides[0] & sides[1]


def test_exact_duplicates_are_never_split() -> None:
    rows = examples(30)
    twins = [row.model_copy(update={"id": f"{row.id}-1", "input": row.input.upper() + " "}) for row in rows]
    split = split_of([*rows, *twins])
    for fold in split.folds:
        predicted = {row.split("-")[0] for row in split.rows(fold.predict)}
        fitted = {row.split("-")[0] for row in (*split.rows(fold.fit), *split.rows(fold.validation))}
        assert not predicted & fitted


def test_the_seed_decides_the_split() -> None:
    assert split_of(examples(), seed=1) == split_of(examples(), seed=1)
    assert split_of(examples(), seed=1) != split_of(examples(), seed=2)


def test_the_users_test_rows_are_what_is_predicted() -> None:
    rows = examples(60)
    split = make_split(rows[:45], "holdout", 5, 0.25, 0.15, 0, rows[45:])
    assert split.test_ids == tuple(row.id for row in rows[45:])
    assert set(split.rows(split.everything)) == {row.id for row in rows[:45]}


def test_fewer_groups_than_folds_is_one_sentence() -> None:
    with pytest.raises(DataError, match="3 groups cannot be split into 5"):
        split_of(examples(groups=3))


def test_small_tables_are_crossfitted_and_test_files_honoured() -> None:
    assert choose_protocol("auto", 300, False) == "crossfit"
    assert choose_protocol("auto", 1000, False) == "holdout"
    assert choose_protocol("auto", 300, True) == "holdout"
    with pytest.raises(DataError, match="exclude each other"):
        choose_protocol("crossfit", 300, True)


@pytest.mark.parametrize("fraction", [0.1, 0.15, 0.25, 0.3, 0.4])
def test_the_held_out_share_is_the_one_asked_for(fraction: float) -> None:
    rows = examples(300)
    assert len(split_of(rows, "holdout", test_fraction=fraction).test_ids) == pytest.approx(
        300 * fraction, abs=4
    )


def with_a_large_group(large: int, groups: int, each: int) -> list[Example]:
    """Rows of one large group and of many small ones."""
    draw = Random(0)
    names = ["large"] * large + [f"g{number}" for number in range(groups) for _ in range(each)]
    return [
        Example(id=f"r{i}", input=f"text {i}", target=draw.choice(("yes", "no", "no")), group=name)
        for i, name in enumerate(names)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_a_group_larger_than_the_held_out_part_is_learned_from(seed: int) -> None:
    split = split_of(with_a_large_group(300, 100, 7), "holdout", test_fraction=0.2, seed=seed)
    assert "r0" not in split.test_ids
    assert len(split.test_ids) == pytest.approx(0.2 * 1000, rel=0.35)


def test_a_large_group_takes_no_training_rows_for_validation_where_others_can_be_held_back() -> None:
    split = split_of(with_a_large_group(120, 60, 3))
    shares = [len(split.rows(fold.fit)) / 300 for fold in split.folds]
    assert sorted(shares)[1] > 0.7  # one fold predicts the large group; the others learn from it


@pytest.mark.parametrize("groups", [5, 7, 9])
def test_few_groups_are_enough_for_as_many_folds(groups: int) -> None:
    split = split_of(examples(groups=groups))
    assert all(split.rows(fold.fit) and split.rows(fold.validation) for fold in split.folds)


def test_one_group_cannot_be_held_out_and_says_so() -> None:
    with pytest.raises(DataError, match="all rows are one group"):
        split_of(examples(groups=1), "holdout")
