"""A fine-tune that was hardly trained is told from one that learned little."""

from tuneworthy.units.untrained import why_untrained


def facts(losses: list[float], epochs: float = 2.0) -> dict:
    return {"train": [{"loss": loss} for loss in losses], "epochs": epochs}


FALLING = [2.0, 1.5, 1.2, 1.1, 1.0, 0.9]


def test_a_fit_of_less_than_a_pass_was_hardly_trained() -> None:
    assert why_untrained([facts(FALLING, 0.4)]) == "6 steps are 0.4 passes over its training rows"


def test_a_loss_that_does_not_fall_is_no_training() -> None:
    assert "did not fall (2 over the first steps, 2.1 over the last)" in str(
        why_untrained([facts([2.0, 2.0, 2.05, 2.05, 2.1, 2.1])])
    )


def test_a_small_fall_of_the_loss_is_training() -> None:
    assert why_untrained([facts([2.0, 2.0, 1.99, 1.99, 1.98, 1.98])]) is None


def test_one_fold_of_several_that_did_not_learn_does_not_condemn_the_arm() -> None:
    assert why_untrained([facts(FALLING), facts(FALLING), facts([1.0, 1.2])]) is None
    assert why_untrained([facts(FALLING), facts([1.0, 1.2]), facts([1.0, 1.2])]) is not None


def test_methods_without_a_training_curve_are_not_judged() -> None:
    assert why_untrained([{"penalty": 1.0}, {"epochs": 3}]) is None
