"""Rows as one token tree: every token once, every row intact."""

import torch

from tuneworthy.engine.encoding import EncodedRow
from tuneworthy.engine.packing import TokenTree, pack

ROWS = [
    EncodedRow("a", (1, 2, 3, 4), (9, 0)),
    EncodedRow("b", (1, 2, 5), (8, 0)),
    EncodedRow("c", (1, 2, 3, 6), (9, 0)),
    EncodedRow("d", (7,), (9, 8, 0)),
]


def read(tree: TokenTree, at: int) -> list[int]:
    """What token `at` can see, in the order of positions: its row up to itself."""
    seen = tree.allowed[at].nonzero().flatten()
    return tree.tokens[seen[tree.positions[seen].argsort()]].tolist()


def test_every_supervised_token_sees_exactly_its_own_row() -> None:
    tree = pack(ROWS)
    found = sorted(
        (tuple(read(tree, at)), int(target)) for at, target in zip(tree.sources, tree.targets, strict=True)
    )
    wanted = []
    for row in ROWS:
        whole = (*row.prompt, *row.answer)
        wanted += [(whole[: len(row.prompt) + i], token) for i, token in enumerate(row.answer)]
    assert found == sorted(wanted)


def test_what_rows_share_stands_there_once() -> None:
    tree = pack(ROWS)
    assert len(tree.tokens) == len({tuple(read(tree, at)) for at in range(len(tree.tokens))}) == 12


def test_positions_count_from_the_beginning_of_the_row() -> None:
    tree = pack(ROWS)
    for at in range(len(tree.tokens)):
        assert tree.positions[at] == len(read(tree, at)) - 1


def test_rows_with_the_same_prompt_share_it_and_keep_their_answers() -> None:
    tree = pack([EncodedRow("a", (1, 2), (5, 0)), EncodedRow("b", (1, 2), (6, 0))])
    assert tree.tokens.tolist() == [1, 2, 5, 6]
    assert sorted(zip(tree.sources.tolist(), tree.targets.tolist(), strict=True)) == [
        (1, 5),
        (1, 6),
        (2, 0),
        (3, 0),
    ]


def test_filler_changes_no_row() -> None:
    plain, filled = pack(ROWS), pack(ROWS, width_multiple=16, filler=3)
    n = len(plain.tokens)
    assert len(filled.tokens) == 16
    assert torch.equal(filled.allowed[:n, :n], plain.allowed)
    assert not filled.allowed[:n, n:].any()
    assert filled.allowed.any(1).all()  # a row of nothing but masked keys would be NaN
