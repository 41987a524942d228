"""QLoRA: LoRA on a base whose linear layers are packed in four bits, for models that memory does not hold.

NF4 with double quantisation (Dettmers et al. 2023, arXiv:2305.14314). It answers with that very model.
"""

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from tuneworthy.methods.lora import Lora, LoraParameters


class QloraParameters(LoraParameters):
    """Those of `lora`, in one process."""

    processes: int = Field(1, ge=1, description="1: weights in four bits cannot be split over processes")

    @field_validator("processes")
    @classmethod
    def _one(cls, given: int) -> int:
        if given > 1:
            raise PydanticCustomError(
                "whole_only",
                "weights packed in four bits cannot be split over processes, use lora.processes in its place",
            )
        return given


PLUGIN = Lora("qlora", "QLoRA fine-tune", four_bits=True, Parameters=QloraParameters)
