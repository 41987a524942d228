"""What a learning curve foresees, and when it is silent."""

import numpy as np

from tuneworthy.core.example import Example
from tuneworthy.core.learning import LearningCurve
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.assemble import ArmOutput
from tuneworthy.evaluation.learning_curve import learning_curve
from tuneworthy.metrics import METRICS

N = 200
ROWS = [Example(id=f"r{i:03d}", input="", target="yes") for i in range(N)]
SIZES = (30, 60, 120, 240)


def output(right: float, seed: int = 0, fits: int = 1) -> ArmOutput:
    """An arm with this share of its answers right; the rows it has right are nested over shares."""
    order = np.random.default_rng(7).permutation(N)

    def answers(repeat: int) -> list[Prediction]:
        shift = np.roll(order, 3 * repeat)
        known = set(shift[: round(right * N)].tolist())
        return [
            Prediction(example_id=row.id, value="yes" if i in known else "no") for i, row in enumerate(ROWS)
        ]

    return ArmOutput("tfidf", "classifier", answers(0), [], tuple(answers(i) for i in range(1, fits)))


def curve(*scores: float, sizes: tuple[int, ...] = SIZES, fits: int = 1) -> LearningCurve:
    return learning_curve(
        METRICS.get("accuracy"),
        [(size, output(score, fits=fits)) for size, score in zip(sizes, scores, strict=True)],
        300,
        ROWS,
        ("no", "yes"),
        method="tfidf",
        confidence=0.95,
        resamples=500,
        seed=0,
    )


def test_a_growing_score_is_foreseen_to_grow_less_and_less() -> None:
    growth = curve(0.5, 0.6, 0.67, 0.72).growth
    assert growth is not None and (growth.rows, growth.more_rows) == (300, 600)
    assert 0.01 < growth.gain < 0.05
    assert growth.low < growth.gain < growth.high


def test_a_score_that_stays_is_foreseen_to_stay() -> None:
    growth = curve(0.7, 0.71, 0.7, 0.705).growth
    assert growth is not None and abs(growth.gain) < 0.005


def test_points_that_jump_about_foresee_nothing() -> None:
    found = curve(0.3, 0.9, 0.2, 0.8)
    assert found.growth is None and found.reason == "the scores do not follow a power law"
    assert [point.rows for point in found.points] == list(SIZES)


def test_two_sizes_are_no_curve() -> None:
    assert curve(0.5, 0.6, sizes=(60, 120)).reason == "2 sizes are too few for a curve"


def test_sizes_that_never_differ_foresee_nothing() -> None:
    assert "score the same" in str(curve(0.7, 0.7, 0.7, 0.7).reason)


def test_the_order_of_the_sizes_does_not_matter() -> None:
    forth = curve(0.5, 0.6, 0.67, 0.72)
    back = curve(0.72, 0.67, 0.6, 0.5, sizes=SIZES[::-1])
    assert forth == back


def test_several_fits_of_a_size_are_averaged() -> None:
    found = curve(0.5, 0.6, 0.67, 0.72, fits=3)
    assert {point.fits for point in found.points} == {3}


def test_an_error_is_foreseen_to_fall() -> None:
    rows = [Example(id=f"r{i:03d}", input="", target="5") for i in range(N)]

    def off(by: float) -> ArmOutput:
        noise = np.random.default_rng(3).normal(0, by, N)
        return ArmOutput(
            "r",
            "classifier",
            [Prediction(example_id=r.id, value=f"{5 + e:.4f}") for r, e in zip(rows, noise, strict=True)],
            [],
        )

    found = learning_curve(
        METRICS.get("mae"),
        [(size, off(by)) for size, by in zip(SIZES, (2.0, 1.5, 1.2, 1.0), strict=True)],
        300,
        rows,
        ("1", "9"),
        method="r",
        confidence=0.95,
        resamples=500,
        seed=0,
    )
    assert found.growth is not None and found.growth.low < found.growth.gain < 0
