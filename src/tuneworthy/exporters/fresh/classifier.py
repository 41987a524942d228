"""Asks a scikit-learn file as its user does: skops, scikit-learn, and transformers where texts are embedded.

python -P classifier.py request.json reply.json

The request has `folder`, which holds `classifier.skops` and, where the classifier reads vectors,
`embedding.json`; and `texts`. The reply has for each text probabilities by class, or a number.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import skops.io


def load(file: Path) -> Any:
    """The estimator; only what skops itself knows to be harmless is built."""
    return skops.io.load(file, trusted=[])


def embed(folder: Path, how: dict[str, Any], texts: list[str]) -> Any:
    """Vectors [texts, D] by the model, layer and pooling that `embedding.json` names."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    inside = folder / str(how["model"])
    name = str(inside) if inside.exists() else how["model"]
    tokenizer = AutoTokenizer.from_pretrained(name)
    model = AutoModel.from_pretrained(name, dtype=torch.float32).eval()
    vectors = []
    for text in texts:
        encoded = tokenizer(text, truncation=True, max_length=how["max_length"], return_tensors="pt")
        with torch.inference_mode():
            states = model(**encoded, output_hidden_states=True).hidden_states[how["layer"]][0]
        vector = {"mean": states.mean(0), "cls": states[0], "last": states[-1]}[how["pooling"]]
        vectors.append(torch.nn.functional.normalize(vector, dim=0) if how["normalise"] else vector)
    return torch.stack(vectors).numpy()


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Asks every text."""
    folder = Path(request["folder"])
    model = load(folder / "classifier.skops")
    given: Any = request["texts"]
    if (folder / "embedding.json").exists():
        how = json.loads((folder / "embedding.json").read_text(encoding="utf-8"))
        given = embed(folder, how, request["texts"])
    reply: dict[str, Any] = {"modules": sorted(name for name in sys.modules if "." not in name)}
    if hasattr(model, "predict_proba"):
        classes = [str(label) for label in model.classes_]
        table = np.asarray(model.predict_proba(given), dtype=float)
        return {**reply, "labels": classes, "table": table.tolist()}
    return {**reply, "numbers": np.asarray(model.predict(given), dtype=float).tolist()}


if __name__ == "__main__":
    asked, replied = map(Path, sys.argv[1:])
    reply = main(json.loads(asked.read_text(encoding="utf-8")))
    replied.write_text(json.dumps(reply, ensure_ascii=False), encoding="utf-8")
