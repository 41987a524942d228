"""Reading a run folder: complete, or one sentence that says what is missing and what to type."""

import json
import shutil

import pytest
from synthetic_run import VARIANTS, unit_address, write_run

from tuneworthy.core.errors import RunFolderError
from tuneworthy.reports.contents import load_contents

FILES = (
    "job.yaml",
    "dataset.json",
    "rows.jsonl",
    "findings.json",
    "estimates.json",
    "comparisons.json",
    "details.json",
    "evidence.json",
    "verdict.json",
    "lockbox.jsonl",
    "environment.json",
    "plan.json",
)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_loads(name, tmp_path):
    contents = load_contents(write_run(tmp_path / "run", VARIANTS[name]))
    assert len(contents.units) == len(contents.arms) * max(VARIANTS[name].folds, 1)
    values = [arm.estimate.value for arm in contents.arms]
    assert values == sorted(values, reverse=True)


def test_job_text_is_verbatim(folder):
    assert load_contents(folder).job_text == (folder / "job.yaml").read_text(encoding="utf-8")


def test_units_come_by_method_and_fold(folder):
    contents = load_contents(folder)
    assert [unit.fold for unit in contents.units_of("lora")] == [0, 1, 2, 3, 4]
    assert contents.units_of("lora")[0].facts["rank"] == 8


@pytest.mark.parametrize("name", FILES)
def test_missing_file_is_one_sentence(name, folder):
    (folder / name).unlink()
    with pytest.raises(RunFolderError) as caught:
        load_contents(folder)
    message = str(caught.value)
    assert name in message
    assert "tuneworthy run" in message
    assert "\n" not in message


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(("json", "jsonl"))])
def test_torn_file_is_one_sentence(name, folder):
    text = (folder / name).read_text(encoding="utf-8").rstrip()
    (folder / name).write_text(text[: len(text) - 9], encoding="utf-8")
    with pytest.raises(RunFolderError, match="damaged") as caught:
        load_contents(folder)
    assert name in str(caught.value)
    assert "tuneworthy run" in str(caught.value)


def test_wrong_shape_names_the_field(folder):
    evidence = json.loads((folder / "evidence.json").read_text(encoding="utf-8"))
    evidence["rows"] = "many"
    (folder / "evidence.json").write_text(json.dumps(evidence), encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"evidence\.json .*rows"):
        load_contents(folder)


def test_torn_line_is_counted(folder):
    with (folder / "rows.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "abc", "inp')
    with pytest.raises(RunFolderError, match="line 301"):
        load_contents(folder)


def test_binary_file_is_one_sentence(folder):
    (folder / "verdict.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunFolderError, match=r"verdict\.json"):
        load_contents(folder)


def test_no_folder_is_one_sentence(tmp_path):
    with pytest.raises(RunFolderError, match="no run folder"):
        load_contents(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["metrics.json", "unit.json"])
def test_unfinished_unit_is_one_sentence(name, folder):
    (folder / "units" / unit_address(6, 3) / name).unlink()
    with pytest.raises(RunFolderError, match=f"{unit_address(6, 3)}/{name}"):
        load_contents(folder)


def test_units_outside_the_plan_are_left_alone(folder):
    before = load_contents(folder).units
    for name in ("e" * 16, f".{'a' * 16}.77.partial"):
        shutil.copytree(folder / "units" / unit_address(6, 0), folder / "units" / name)
        (folder / "units" / name / "metrics.json").unlink()
    assert load_contents(folder).units == before


def with_seconds(contents, arm: str, seconds: float):
    def told(one):
        cost = one.cost.model_copy(update={"seconds_per_1000": seconds})
        return one.model_copy(update={"cost": cost}) if one.method == arm else one

    arms = tuple(told(one) for one in contents.evidence.arms)
    return contents.model_copy(update={"evidence": contents.evidence.model_copy(update={"arms": arms})})


def test_what_the_recommended_arm_saves_is_told_from_twice_on(run_of):
    contents = run_of("crossfit")
    cheap, rival = contents.best_untuned.method, contents.best_tuned.method
    verdict = contents.verdict.model_copy(update={"recommended_method": cheap})
    contents = with_seconds(contents.model_copy(update={"verdict": verdict}), rival, 30.0)
    told = with_seconds(contents, cheap, 0.1).thrift
    assert told == f"{cheap} predicts about 300 times cheaper than {rival}."
    assert with_seconds(contents, cheap, 20.0).thrift == ""
