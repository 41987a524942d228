"""Folders of strangers: their code is never run, their templates end, and nothing of ours is unpickled."""

import ast
import json
import pickle
import shutil
import zipfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io

from tiny_models import CHAT_TEMPLATE, save_decoder, save_embedder
from tuneworthy.core.bounded import bounded
from tuneworthy.core.errors import ModelError, NotFoundError
from tuneworthy.methods._saved import load_fitted
from tuneworthy.models.contrastive import has_setfit, train_contrastively
from tuneworthy.models.resolve import resolve
from tuneworthy.models.strangers import vet
from tuneworthy.models.token_counts import tokenizer_of

SOURCE = Path(__file__).parents[2] / "src" / "tuneworthy"
LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
BOMBS = (
    LOOP,
    "{{ 'a' * 99999999999 }}",
    "{% set n = namespace(x='aaaaaaaa') %}{% for i in range(64) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "{{ '%099999999999d' | format(1) }}",
)
AT_THE_THIRD_TURN = f"{CHAT_TEMPLATE}{{% if messages|length == 3 %}}{LOOP}{{% endif %}}"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEWORTHY_CACHE", str(tmp_path / "cache"))


class Evil:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, (f"open({str(self._trace)!r}, 'w')",))


def edit(file: Path, **fields: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


@pytest.fixture
def coded(tmp_path: Path) -> Path:
    """A model that is code of its own, which leaves a trace."""
    folder = save_decoder(tmp_path / "remote")
    code = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model", "AutoModel": "evil.Model"}
    edit(folder / "config.json", model_type="unheard_of", auto_map=code)
    edit(
        folder / "tokenizer_config.json", tokenizer_class="Evil", auto_map={"AutoTokenizer": ["evil.T", None]}
    )
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'it-ran')!r}, 'w')")
    return folder


def test_a_model_of_its_own_code_is_refused_before_anything_of_it_is_read(
    coded: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="never run here"):
        resolve(str(coded))
    assert not (tmp_path / "it-ran").exists()


def test_nobody_is_asked_at_the_terminal_whether_to_run_it(
    coded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers asks where nothing says no, and a 'y' would run it."""
    monkeypatch.setattr("builtins.input", lambda *asked: "y")
    from tuneworthy.models.configuration import hidden_size
    from tuneworthy.models.decoder import load_decoder
    from tuneworthy.models.embedder import load_embedder
    from tuneworthy.models.headed import load_headed

    edit(coded / "config.json", architectures=["Evil"])
    for load in (
        lambda: load_decoder(coded, "float32"),
        lambda: load_embedder(coded),
        lambda: load_headed(coded, "sequence", 2, 0),
        lambda: hidden_size(coded),
        lambda: tokenizer_of(coded),
    ):
        with pytest.raises((ModelError, ValueError)):
            load()
    assert not (tmp_path / "it-ran").exists()


def test_a_known_architecture_that_also_brings_code_is_used_without_it(tmp_path: Path) -> None:
    folder = save_decoder(tmp_path / "known")
    edit(folder / "config.json", auto_map={"AutoModelForCausalLM": "evil.Model"})
    assert resolve(str(folder)) == folder


def test_every_load_in_the_source_says_that_no_code_is_run() -> None:
    careless = []
    for file in SOURCE.rglob("*.py"):
        if "fresh" in file.parts or file.name in ("fetch.py", "portable.py"):
            continue  # what was just exported, or was pinned by its sha256
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
                continue
            whose = ast.unparse(call.func.value)
            if call.func.attr == "from_pretrained" and not whose.startswith("Peft"):
                said = ast.unparse(call)
                if "AS_DATA" not in said and "WEIGHTS" not in said:
                    careless.append(f"{file.name}: {said}")
    assert careless == []
    text = "".join(file.read_text(encoding="utf-8") for file in SOURCE.rglob("*.py"))
    assert "trust_remote_code=True" not in text and '"trust_remote_code": True' not in text


def test_what_unpickles_is_called_nowhere_but_with_weights_only() -> None:
    found = []
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = (
                    [node.module or ""] if isinstance(node, ast.ImportFrom) else [n.name for n in node.names]
                )
                found += [file.name for name in names if name.split(".")[0] in PICKLERS]
            if isinstance(node, ast.Call):
                called = ast.unparse(node)
                if called.startswith("torch.load(") and "weights_only=True" not in called:
                    found.append(called)
                if called.startswith("np.load(") and "allow_pickle=False" not in called:
                    found.append(called)
                if called.startswith("skops.io.load(") and "trusted=[]" not in called:
                    found.append(called)
    assert found == []


PICKLERS = {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal", "yaml"}


@pytest.mark.parametrize("template", BOMBS, ids=["loop", "text", "doubling", "width"])
def test_a_template_that_does_not_end_is_refused(
    template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuneworthy.models.strangers.TRIAL_CPU_S", 1)
    folder = save_decoder(tmp_path / "bomb")
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(ModelError, match=r"the chat template of .* does not end"):
        resolve(str(folder))
    if template is BOMBS[1]:
        (folder / "chat_template.jinja").unlink()
        edit(folder / "tokenizer_config.json", chat_template=[{"name": "default", "template": template}])
        with pytest.raises(ModelError, match="does not end"):
            vet(folder)


def test_a_template_that_waits_for_its_moment_is_stopped_in_any_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    folder = save_decoder(tmp_path / "late")
    (folder / "chat_template.jinja").write_text(AT_THE_THIRD_TURN)
    decoder = tokenizer_of(folder)
    monkeypatch.setattr(bounded.__wrapped__, "__defaults__", (0.5, 2**30))
    turn = {"role": "user", "content": "hi"}
    assert "hi" in decoder.render([turn])  # type: ignore[list-item]
    with ThreadPoolExecutor(1) as pool, pytest.raises(ModelError, match=r"takes more than 0\.5 s"):
        pool.submit(decoder.render, [turn] * 3).result()  # type: ignore[arg-type]
    assert "hi" in decoder.render([turn])  # type: ignore[list-item]


def test_a_template_reaches_neither_python_nor_files(tmp_path: Path) -> None:
    folder = save_decoder(tmp_path / "curious")
    for probe in (
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__ }}",
        "{% include '/etc/passwd' %}",
        "{{ messages.append(1) }}",
        "{{ lipsum.__globals__['os'].system('x') }}",
    ):
        (folder / "chat_template.jinja").write_text(f"{CHAT_TEMPLATE}{probe}")
        try:
            shown = tokenizer_of(folder).render([{"role": "user", "content": "hi"}])
        except (ModelError, Exception):
            continue
        assert "class" not in shown and "root:" not in shown


def skops_that_calls(file: Path, module: str, name: str, *arguments: str) -> None:
    """A skops file that has a function called while it is read."""

    def value(text: str) -> dict[str, Any]:
        kind = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode"}
        return {**kind, "content": json.dumps(text), "is_json": True, "__id__": hash(text) % 9999}

    schema = {
        "__class__": name,
        "__module__": module,
        "__loader__": "ConstructorFromReduceNode",
        "content": {
            "__class__": "tuple",
            "__module__": "builtins",
            "__loader__": "TupleNode",
            "content": [value(text) for text in arguments],
            "__id__": 2,
        },
        "__id__": 1,
        "protocol": 2,
        "_skops_version": "0.16.0",
    }
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))


@pytest.mark.parametrize(("module", "name"), [("numpy", "savetxt"), ("numpy", "save"), ("os", "mkdir")])
def test_a_classifier_of_a_stranger_calls_nothing_not_even_of_numpy(
    module: str, name: str, tmp_path: Path
) -> None:
    trace = tmp_path / "it-ran.npy"
    skops_that_calls(tmp_path / "tfidf.skops", module, name, str(trace), "a")
    with pytest.raises(ModelError, match="refused"):
        load_fitted(tmp_path / "tfidf.skops")
    assert not trace.exists()
    if module == "numpy":  # the file does what it is meant to, where numpy is trusted
        with pytest.raises(Exception):  # noqa: B017 - or not: the call has been made
            skops.io.load(tmp_path / "tfidf.skops", trusted=[f"numpy.{name}", "builtins.str"])
            raise ValueError
        assert trace.exists()


def test_a_pickle_in_place_of_a_classifier_or_of_vectors_is_not_read(tmp_path: Path) -> None:
    trace = tmp_path / "it-ran"
    (tmp_path / "tfidf.skops").write_bytes(pickle.dumps(Evil(trace)))
    with pytest.raises(ModelError, match="refused"):
        load_fitted(tmp_path / "tfidf.skops")
    np.save(tmp_path / "probe.npy", np.array([Evil(trace)], dtype=object))
    with pytest.raises(ValueError, match="pickle"):
        np.load(tmp_path / "probe.npy", allow_pickle=False)
    assert not trace.exists()


def test_a_pickled_head_beside_an_encoder_is_not_read(tmp_path: Path) -> None:
    if not has_setfit():
        pytest.skip("setfit is not installed")
    import joblib

    folder, trace = save_embedder(tmp_path / "encoder"), tmp_path / "it-ran"
    joblib.dump(Evil(trace), folder / "model_head.joblib")
    texts, labels = ["good dog", "lazy dog", "late parcel", "broken parcel"], [["a"], ["a"], ["b"], ["b"]]

    def train(target: str) -> int:
        place = tmp_path / target
        return train_contrastively(
            folder,
            texts,
            labels,
            1,
            4,
            1e-3,
            0,
            place,
            lambda done, total: None,
            lambda *given: nullcontext(),
        )

    done = train("out")
    assert done >= 1 and not trace.exists()
    modules = [{"idx": 0, "name": "0", "path": "", "type": "evil.Module"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "evil.py").write_text(f"open({str(trace)!r}, 'w')")
    with pytest.raises(ModelError, match="is not run here"):
        train("again")
    assert not trace.exists()


def test_a_gguf_file_of_a_stranger_is_no_model_here(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF" + b"\xff" * 64)
    with pytest.raises(NotFoundError, match="no model"):
        resolve(str(file))
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.move(file, folder)
    (folder / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="holds no weights"):
        resolve(str(folder))
