"""TRL's SFTTrainer with PEFT on the rows of a task file; one line of JSON. Runs in TRL's own environment."""

import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from datasets import Dataset
from peak import cap, peak_gib
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, TrainerCallback
from trl import SFTConfig, SFTTrainer

task = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
torch.set_num_threads(task["threads"])
cap(task.get("cap_gb"))
GPU = torch.cuda.is_available()
FOUR_BITS = task.get("four_bits", False)
SETTINGS = {
    "defaults": {},
    "flash": {"gradient_checkpointing": False, "bf16": False, "padding_free": True},
    "unsloth": {"bf16": True},
    "best": {"gradient_checkpointing": False, "bf16": False},  # weights in bfloat16 instead of autocast
    "float32": {"gradient_checkpointing": False, "bf16": False},
}[task["settings"]]
dtype = torch.float32 if task["settings"] in ("defaults", "float32") else torch.bfloat16
if FOUR_BITS and GPU:
    dtype = torch.bfloat16  # what is not packed, and what the packed layers multiply in
LORA = {"r": 16, "lora_alpha": 32}
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class Clock(TrainerCallback):
    """Wall seconds and loss of every step."""

    def __init__(self):
        self.seconds, self.losses, self.started = [], [], 0.0

    def on_step_begin(self, *_, **__):
        self.started = time.perf_counter()

    def on_step_end(self, *_, **__):
        if GPU:
            torch.cuda.synchronize()
        self.seconds.append(time.perf_counter() - self.started)

    def on_log(self, *_, logs=None, **__):
        if logs and "loss" in logs:
            self.losses.append(float(logs["loss"]))


def load():
    """Model, tokenizer and what the trainer is to put on it."""
    if task["settings"] == "unsloth":
        from unsloth import FastLanguageModel

        model, tokenizer = FastLanguageModel.from_pretrained(
            task["model"], dtype=dtype, load_in_4bit=FOUR_BITS, max_seq_length=2048
        )
        return FastLanguageModel.get_peft_model(model, target_modules=LINEAR, **LORA), tokenizer, None
    options = {"attn_implementation": "flash_attention_2"} if task["settings"] == "flash" else {}
    if FOUR_BITS:
        options["device_map"] = {"": 0 if GPU else "cpu"}
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    model = AutoModelForCausalLM.from_pretrained(task["model"], dtype=dtype, **options)
    adapter = LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM", **LORA)
    return model, AutoTokenizer.from_pretrained(task["model"]), adapter


model, tokenizer, adapter = load()
clock = Clock()
with tempfile.TemporaryDirectory() as folder:
    trainer = SFTTrainer(
        model=model,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(task["rows"]),
        peft_config=adapter,
        args=SFTConfig(
            output_dir=folder,
            per_device_train_batch_size=task["batch"] // task["accumulate"],
            gradient_accumulation_steps=task["accumulate"],
            max_steps=task["steps"],
            learning_rate=task["learning_rate"],
            lr_scheduler_type="constant",
            warmup_steps=0,
            weight_decay=0.0,
            train_sampling_strategy="sequential",
            logging_steps=1,
            report_to=[],
            save_strategy="no",
            use_cpu=not GPU,
            disable_tqdm=True,
            dataloader_num_workers=0,
            **SETTINGS,
        ),
        callbacks=[clock],
    )
    trainer.train()
print(
    json.dumps(
        {
            "seconds": clock.seconds,
            "losses": clock.losses,
            "peak_gib": peak_gib(),
        }
    )
)
