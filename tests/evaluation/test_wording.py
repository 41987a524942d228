"""How an arm writes: words, new pairs of words, copied runs."""

import doctest

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation import wording as module
from tuneworthy.evaluation.wording import wording, wordings

TEXT = "the parcel is late and nobody knows where it is"


def test_the_example_of_the_docstring_holds() -> None:
    assert doctest.testmod(module).failed == 0


def test_a_copy_has_nothing_new_and_is_copied_whole() -> None:
    assert wording([TEXT], [TEXT]) == {"words": 10.0, "novel": 0.0, "copied": 1.0}


def test_two_words_in_a_row_are_no_copy() -> None:
    assert wording(["parcel is gone"], [TEXT])["copied"] == 0.0


def test_an_answer_without_words_is_left_out_of_the_means() -> None:
    assert wording(["late again", ""], [TEXT, TEXT]) == wording(["late again"], [TEXT])


def test_the_reference_stands_beside_the_arms_whatever_the_order_of_rows() -> None:
    rows = [Example(id="b", input="x y z", target="x"), Example(id="a", input=TEXT, target='["late", "no"]')]
    given = [Prediction(example_id="b", value="x y z"), Prediction(example_id="a", value="sorry")]
    found = wordings({"lora": given}, rows)
    assert found["reference"]["words"] == 1.0
    assert found["lora"] == {"words": 2.0, "novel": 0.0, "copied": 0.5}
