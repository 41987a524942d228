"""QLoRA: LoRA on a base whose linear layers are packed in four bits, for models that memory does not hold.

NF4 with double quantisation (Dettmers et al. 2023, arXiv:2305.14314). It answers with that very model.
"""

from tuneworthy.methods.lora import Lora

PLUGIN = Lora("qlora", "QLoRA fine-tune", four_bits=True)
