"""FlexAttention computes a token tree as the dense mask does. Forward only: on a CPU it has no backward."""

from pathlib import Path

import pytest
import torch

from tiny_models import save_decoder
from tuneworthy.engine.encoding import EncodedRow
from tuneworthy.engine.loss import packed_loss
from tuneworthy.engine.packing import pack
from tuneworthy.models.decoder import Decoder, load_decoder
from tuneworthy.models.tree_flex import flex, flex_mask

PREFIX = tuple(range(20, 180))  # longer than a tile of 128
ROWS = [EncodedRow(str(i), (*PREFIX, *range(i + 3, 3 * i + 9)), (i + 2, 5, 0)) for i in range(12)]


@pytest.mark.filterwarnings("ignore:flex_attention called without")
@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2", "phi"])
def test_flex_attention_gives_the_loss_of_the_dense_mask(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = load_decoder(save_decoder(tmp_path, kind), "float32")
    with torch.no_grad():
        dense = packed_loss(decoder, ROWS)
        seen = []
        monkeypatch.setattr("tuneworthy.models.tree_attention.flex", lambda *a: seen.append(1) or flex(*a))
        monkeypatch.setattr(Decoder, "flex_attention", True)
        by_flex = packed_loss(decoder, ROWS)
    assert seen, "the flex path was not taken"
    assert by_flex.item() == pytest.approx(dense.item(), rel=1e-5)


def test_the_flex_mask_skips_tiles_that_no_row_needs() -> None:
    ends = pack(ROWS).ends
    own = [EncodedRow(str(i), tuple(range(i * 300, i * 300 + 256)), (1, 0)) for i in range(4)]
    mask = flex_mask(pack(own).ends)
    assert mask.flex.sparsity() > 60  # per cent; causal attention alone skips less than half
    assert flex_mask(ends).flex.sparsity() < 60
