"""TRL's SFTTrainer with PEFT on the rows of a task file; one line of JSON. Runs in TRL's own environment."""

import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from datasets import Dataset
from peak import peak_gib
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer

task = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
torch.set_num_threads(task["threads"])
SETTINGS = {
    "defaults": {},
    "best": {"gradient_checkpointing": False, "bf16": False},  # weights in bfloat16 instead of autocast
    "float32": {"gradient_checkpointing": False, "bf16": False},
}[task["settings"]]
dtype = torch.bfloat16 if task["settings"] == "best" else torch.float32


class Clock(TrainerCallback):
    """Wall seconds and loss of every step."""

    def __init__(self):
        self.seconds, self.losses, self.started = [], [], 0.0

    def on_step_begin(self, *_, **__):
        self.started = time.perf_counter()

    def on_step_end(self, *_, **__):
        self.seconds.append(time.perf_counter() - self.started)

    def on_log(self, *_, logs=None, **__):
        if logs and "loss" in logs:
            self.losses.append(float(logs["loss"]))


tokenizer = AutoTokenizer.from_pretrained(task["model"])
model = AutoModelForCausalLM.from_pretrained(task["model"], dtype=dtype)
clock = Clock()
with tempfile.TemporaryDirectory() as folder:
    trainer = SFTTrainer(
        model=model,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(task["rows"]),
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
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
            use_cpu=True,
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
