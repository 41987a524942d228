"""sklearn: the linear arms as one skops file, no pickle, and what embeds texts for them.

There is no ONNX file: its TF-IDF has no character n-grams at word edges and no Unicode folding, so that it
would be another model than the one that was measured.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge

from tuneworthy.core.example import Example
from tuneworthy.exporters import Exporter, Given, Side, Subject, Tolerance
from tuneworthy.exporters.asking import ask
from tuneworthy.methods import _label_sets as sets
from tuneworthy.methods._ridge import to_answers
from tuneworthy.methods._saved import save_fitted
from tuneworthy.models.embedder import embedding_of
from tuneworthy.models.resolve import at_hand, is_hub_id, model_ref
from tuneworthy.models.states import LONGEST

CLASSIFIER, EMBEDDING = "classifier.skops", "embedding.json"
OF_TEXTS = {"tfidf": "tfidf", "tfidf_ridge": "tfidf", "tfidf_one_vs_rest": "one_vs_rest"}
OF_VECTORS = ("probe", "probe_decoder", "probe_ridge", "probe_one_vs_rest", "setfit")
NUMBERS = ("tfidf_ridge", "probe_ridge")
INSIDE = "encoder"  # folder of an encoder that is nowhere but in the run
NATS = 0.01


class Sklearn:
    """scikit-learn's own estimators; probes besides say which vectors of which model they read."""

    name = "sklearn"
    title = "scikit-learn classifier (skops)"
    variants: tuple[str, ...] = ()

    def unsuited(self, subject: Subject) -> str:
        """Only linear arms are scikit-learn's."""
        arm = subject.refit.arm
        if arm in OF_TEXTS or arm in OF_VECTORS:
            return ""
        return (
            f"it holds a linear classifier, which {subject.refit.unit.method} is not: export an arm among "
            f"{', '.join((*OF_TEXTS, *OF_VECTORS))}"
        )

    def write(self, subject: Subject, folder: Path) -> None:
        """The estimator, and how vectors are made where it reads some."""
        arm, model = subject.refit.arm, subject.refit.model
        if arm in OF_TEXTS:
            shutil.copyfile(model / f"{OF_TEXTS[arm]}.skops", folder / CLASSIFIER)
            return
        if (model / "one_vs_rest.skops").exists():
            shutil.copyfile(model / "one_vs_rest.skops", folder / CLASSIFIER)
        else:
            stored = np.load(model / "probe.npz", allow_pickle=False)
            labels = subject.refit.unit.labels
            estimator = _ridge(stored) if arm in NUMBERS else _regression(stored, labels)
            save_fitted(estimator, folder / CLASSIFIER)
        if (own := _own_encoder(subject)) is not None:
            shutil.copytree(own, folder / INSIDE)
        how = _embedding(subject)
        (folder / EMBEDDING).write_text(json.dumps(how, indent=1) + "\n", encoding="utf-8")

    def expected(self, subject: Subject, rows: Sequence[Example]) -> Side:
        """The fit's answers and log-probabilities."""
        predictions = subject.refit.fitted.predict([row.without_target() for row in rows])
        given = tuple(Given(p.value, _logs(p.scores)) for p in predictions)
        traits: dict[str, Any] = {}
        if subject.refit.arm not in NUMBERS and not subject.refit.setting.task.open:
            traits["labels"] = _known_labels(subject)
        for ref in subject.refit.unit.models.values():
            traits["base_model"] = ref.digest
        return Side(given, traits)

    def found(self, subject: Subject, folder: Path, rows: Sequence[Example]) -> Side:
        """What scikit-learn makes of the file."""
        reply = ask(
            "classifier", {"folder": str(folder), "texts": [row.input for row in rows]}, "what was written"
        )
        traits: dict[str, Any] = {}
        if (folder / EMBEDDING).exists() and not (folder / INSIDE).exists():
            named = str(json.loads((folder / EMBEDDING).read_text(encoding="utf-8"))["model"])
            base = at_hand(named)
            traits["base_model"] = "not on this machine" if base is None else model_ref(named, base).digest
        if "numbers" in reply:
            answers = to_answers(rows, np.array(reply["numbers"]), subject.refit.unit.labels)
            return Side(tuple(Given(p.value) for p in answers), traits)
        table = np.array(reply["table"])
        if subject.refit.setting.task.open:
            flags = table >= _thresholds(subject)
            sets_of = sets.answers(rows, flags, subject.refit.unit.labels)
            return Side(tuple(Given(p.value) for p in sets_of), traits)
        given = tuple(_chosen(reply["labels"], line) for line in table)
        return Side(given, {**traits, "labels": reply["labels"]})

    def tolerance(self, subject: Subject, precision: str) -> Tolerance:
        """Vectors are padded in batches in the fit and read one by one here: little differs."""
        return Tolerance(nats=NATS)

    def usage(self, subject: Subject) -> str:
        """skops, scikit-learn, and transformers for vectors."""
        start = """```python
import skops.io

model = skops.io.load("THIS FOLDER/classifier.skops")  # builds only what skops knows to be harmless"""
        call = "predict" if subject.refit.arm in NUMBERS else "predict_proba"
        labels = "" if subject.refit.arm in NUMBERS else ", model.classes_"
        if subject.refit.arm in OF_TEXTS:
            return f'{start}\nprint(model.{call}(["YOUR TEXT"]){labels})\n```{_more(subject)}'
        how = _embedding(subject)
        pooled = {"mean": "states.mean(0)", "cls": "states[0]", "last": "states[-1]"}[how["pooling"]]
        whole = f"torch.nn.functional.normalize({pooled}, dim=0)" if how["normalise"] else pooled
        name = "THIS FOLDER/encoder" if how["model"] == INSIDE else how["model"]
        return f"""{start}

import torch
from transformers import AutoModel, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({name!r})
encoder = AutoModel.from_pretrained({name!r}, dtype=torch.float32).eval()
encoded = tokenizer("YOUR TEXT", truncation=True, max_length={how["max_length"]}, return_tensors="pt")
with torch.inference_mode():
    states = encoder(**encoded, output_hidden_states=True).hidden_states[{how["layer"]}][0]
    vector = {whole}
print(model.{call}(vector[None].numpy()){labels})
```{_more(subject)}"""


def _regression(stored: Any, labels: Sequence[str]) -> LogisticRegression | DummyClassifier:
    """scikit-learn's own estimator with these weights; a label without rows is none of its classes."""
    weights, bias = stored["weights"], stored["bias"]
    seen = [i for i in range(len(labels)) if bias[i] > -1e8]
    weights, bias = weights[seen], bias[seen]
    if len(seen) == 1:
        return DummyClassifier(strategy="most_frequent").fit(weights, [labels[seen[0]]])
    if len(seen) == 2:
        weights, bias = weights[1:] - weights[:1], bias[1:] - bias[:1]
    model = LogisticRegression()
    model.coef_, model.intercept_ = weights, bias
    model.classes_ = np.array([labels[i] for i in seen])
    model.n_features_in_ = weights.shape[1]
    return model


def _ridge(stored: Any) -> Ridge:
    model = Ridge()
    model.coef_, model.intercept_ = stored["weights"], float(stored["bias"])
    model.n_features_in_ = len(stored["weights"])
    return model


def _embedding(subject: Subject) -> dict[str, Any]:
    """Model, layer, pooling and length of the vectors."""
    refit, own = subject.refit, _own_encoder(subject)
    if refit.arm == "setfit" and own is not None:
        return {**embedding_of(own), "model": INSIDE}
    [(role, ref)] = refit.unit.models.items()
    folder = refit.models[role]
    name = ref.name if is_hub_id(ref.name) else str(folder.resolve())
    name = INSIDE if own is not None else name
    stored = refit.model / "probe.json"
    states = json.loads(stored.read_text(encoding="utf-8"))["states"] if stored.exists() else ""
    if not states:
        return {**embedding_of(folder), "model": name}
    pooling, layer = states.split("@")
    return {"model": name, "layer": int(layer), "pooling": pooling, "max_length": LONGEST, "normalise": False}


def _own_encoder(subject: Subject) -> Path | None:
    """The encoder that only this run has: tuned for the classifier, or one that has read unlabelled text."""
    refit = subject.refit
    if refit.arm == "setfit":
        return refit.model / "encoder"
    [folder] = refit.models.values()
    inside = refit.unit.start is not None and folder.resolve().is_relative_to(refit.run.resolve())
    return folder if inside else None


def _known_labels(subject: Subject) -> list[str]:
    """The labels that the fit has seen, as its estimator orders them."""
    fitted: Any = subject.refit.fitted
    if hasattr(fitted, "pipeline"):
        return [str(label) for label in fitted.pipeline.classes_]
    probe = fitted.probe if hasattr(fitted, "probe") else fitted
    pairs = zip(subject.refit.unit.labels, probe.bias, strict=True)
    return [label for label, bias in pairs if bias > -1e8]


def _thresholds(subject: Subject) -> Any:
    stored = json.loads((subject.refit.model / "one_vs_rest.json").read_text(encoding="utf-8"))
    return np.array([stored[label] for label in subject.refit.unit.labels])


def _logs(scores: dict[str, float] | None) -> dict[str, float]:
    """Log-probabilities; the fit's are rounded to six places, so that the smallest say nothing."""
    return {label: float(np.log(max(p, 1e-4))) for label, p in (scores or {}).items()}


def _chosen(labels: Sequence[str], line: Any) -> Given:
    scores = _logs(dict(zip(labels, line.tolist(), strict=True)))
    return Given(labels[int(line.argmax())], scores)


def _more(subject: Subject) -> str:
    """From which probability a label is given, where a text may have several."""
    if subject.refit.arm in NUMBERS or not subject.refit.setting.task.open:
        return ""
    stored = json.loads((subject.refit.model / "one_vs_rest.json").read_text(encoding="utf-8"))
    shown = json.dumps(stored, ensure_ascii=False)
    return f"\n\nColumns and the probability from which each label is given:\n\n```json\n{shown}\n```"


PLUGIN: Exporter = Sklearn()
