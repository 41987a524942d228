"""Rows of different lengths as padded batches: every row once, with little padding."""

import numpy as np
import pytest
import torch

from tuneworthy.models.padded import PADDING, Padded, padded_batches

CPU = torch.device("cpu")
MIXED = [list(range(1, 1 + int(n))) for n in np.random.default_rng(0).integers(2, 256, 200)]


def batches(ids: list[list[int]], most: int = 4096) -> list[Padded]:
    return list(padded_batches(ids, 0, CPU, most))


def test_every_row_comes_once_with_its_own_tokens() -> None:
    found = {
        row: one.tokens[place][one.mask[place].bool()].tolist()
        for one in batches(MIXED)
        for place, row in enumerate(one.rows)
    }
    assert found == dict(enumerate(MIXED))


@pytest.mark.parametrize("most", [64, 500, 4096])
def test_a_batch_has_no_more_tokens_than_allowed_unless_it_is_one_row(most: int) -> None:
    assert all(one.tokens.numel() <= most or len(one.rows) == 1 for one in batches(MIXED, most))


def test_a_batch_has_little_padding_on_a_cpu() -> None:
    assert max(int((one.mask == 0).sum()) for one in batches(MIXED)) <= PADDING["cpu"]


def test_rows_of_one_length_share_a_batch() -> None:
    assert len(batches([[1] * 40] * 100)) == 1
