"""What a job file may hold: keys and values of every kind, and YAML that is none."""

from pathlib import Path
from random import Random
from typing import NamedTuple

from hypothesis import strategies as st

from properties.files import File, mutated, sheet_of
from properties.pieces import randoms, text_of
from properties.promise import Target
from tuneworthy.core.job import Job
from tuneworthy.data.job_yaml import dump_yaml
from tuneworthy.data.jobfile import dump_job, load_job
from tuneworthy.data.table import table_from_rows
from tuneworthy.methods import METHODS
from tuneworthy.proposing import propose_job
from tuneworthy.tasks import TASKS
from tuneworthy.units.plan import validated_parameters

METHOD_NAMES = METHODS.names()
LOADED = [METHODS.get(name) for name in METHOD_NAMES]  # now: torch is large, and no part of a case
SECTIONS = ("data", "search", "curve", "judge", "verdict", "lora", "adapt", "tfidf")
KEYS = (
    *Job.model_fields,
    *METHOD_NAMES,
    "path",
    "input",
    "target",
    "text",
    "rank",
    "arms",
    "alpha",
    "<<",
    "methods",
)
YAML = (
    "[",
    "]",
    "{",
    "}",
    "- a",
    "? a",
    ": ",
    "|",
    ">",
    "|9",
    "&a b",
    "*a",
    "[*a, *a]",
    "!!int 'x'",
    "!!int ''",
)
YAML += (
    "!!bool x",
    "!!float x",
    "!!binary aGk=",
    "!!binary x",
    "!!set {a}",
    "!!omap [a: 1]",
    "!!pairs [a]",
    "!!map x",
)
YAML += (
    "!!timestamp x",
    "!!null x",
    "!x y",
    "!!python/object:os.system x",
    "%YAML 1.1\n---",
    "---",
    "...",
    "# c",
    "~",
)
YAML += (
    '"\\uD800"',
    '"\\0"',
    '"\\xff',
    "'",
    "0x" + "f" * 5000,
    "-0x" + "f" * 5000,
    ".nan",
    "-.inf",
    "1e999",
    "190:20:30",
)
YAML += (
    "[a.csv]",
    "{path: a.csv}",
    "a.csv",
    "../../etc/passwd",
    "~/a",
    "openai:a@http://[",
    "my.py:f",
    "x" * 300,
)
YAML += (
    "[" * 60 + "]" * 60,
    "{a: " * 60 + "}" * 60,
    "&a [*a]",
    "=",
    "<<: *a",
    "2024-01-31",
    "0o9",
    "\t- a",
    "ray://a:1",
)


def value_of(random: Random) -> str:
    """One value, or what is none."""
    if random.random() < 0.6:
        return random.choice(YAML)
    return text_of(random)[:2000]


def job_of(random: Random) -> File:
    """A job file: mostly a section of data, then lines of keys and values, then maybe a few bytes changed."""
    lines = ["data: {path: a.csv}"] if random.random() < 0.8 else []
    for _ in range(random.randint(0, 5)):
        if random.random() < 0.3:
            lines.append(f"{random.choice(SECTIONS)}:")
        lines.append(f"{' ' * random.choice([0, 0, 2, 2, 1])}{random.choice(KEYS)}: {value_of(random)}")
    if random.random() < 0.2:
        lines.append(bomb_of(random))
    file = File("job.yaml", "\n".join(lines).encode())
    return mutated(file, random) if random.random() < 0.3 else file


def bomb_of(random: Random) -> str:
    """A section in which each alias stands for several of the one before."""
    wide, deep = random.randint(1, 9), random.randint(1, 30)
    lines = ["lora:", "  k0: &k0 [1]"]
    lines += [f"  k{i}: &k{i} [{', '.join([f'*k{i - 1}'] * wide)}]" for i in range(1, deep)]
    return "\n".join(lines)


def read_job(file: File, folder: Path) -> None:
    """A job that is read is written out and read back as the same."""
    path = folder / file.name
    path.write_bytes(file.content)
    job = load_job(path, (), METHOD_NAMES)
    for name in job.methods:
        validated_parameters(METHODS.get(name), job)
    path.write_text(dump_job(job), encoding="utf-8")
    assert load_job(path, (), METHOD_NAMES) == job


class Override(NamedTuple):
    """What is typed after --set."""

    text: str


def override_of(random: Random) -> Override:
    """A key, mostly, and a value, mostly."""
    key = ".".join(random.choice(KEYS) for _ in range(random.randint(1, 3)))
    return Override(f"{key}{random.choice(['=', '=', '=', ''])}{value_of(random)}")


def set_key(override: Override, folder: Path) -> None:
    """A job with one key set is a job, or is refused."""
    (folder / "job.yaml").write_text("data: {path: a.csv}\n", encoding="utf-8")
    load_job(folder / "job.yaml", [override.text], METHOD_NAMES)


def written_of(random: Random) -> Job:
    """A job as a program makes it, with texts of any kind."""
    texts = [text_of(random)[:200].replace("\0", "") or "a" for _ in range(6)]
    return Job.model_validate(
        {
            "data": {"path": "/" + texts[0].strip("/"), "input": texts[1:3], "target": texts[3]},
            "instruction": texts[4],
            "prompt": "{{ input }}" + texts[5],
            "methods": {"lora": {texts[0]: [texts[1], random.random(), random.randint(0, 9), None, {}]}},
        }
    )


def write_job(job: Job, folder: Path) -> None:
    """It is read back as it was; where its paths lie is another matter."""
    (folder / "job.yaml").write_text(dump_job(job), encoding="utf-8")
    found = load_job(folder / "job.yaml", (), METHOD_NAMES)
    same = {"data": job.data.model_copy(update={"path": found.data.path})}
    assert found == job.model_copy(update=same)
    assert dump_yaml(job.model_dump(mode="json"))


class Proposed(NamedTuple):
    """A table, and the task a first job is asked for."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    task: str


def proposed_of(random: Random) -> Proposed:
    """A table of a few odd rows, each of them several times."""
    sheet = sheet_of(random)
    return Proposed(sheet.columns, sheet.rows * 8, random.choice(TASKS.names()))


def propose(asked: Proposed, folder: Path) -> None:
    """The job that is proposed for a table can be read, and names its columns."""
    table = table_from_rows(asked.columns, asked.rows, None)
    text, said = propose_job(table, "a b.csv", asked.task, asked.columns[:1], asked.columns[-1])
    said.encode()
    (folder / "job.yaml").write_text(text, encoding="utf-8")
    job = load_job(folder / "job.yaml", (), METHOD_NAMES)
    assert (job.data.input, job.data.target) == (table.columns[:1], table.columns[-1])


JOBS = [
    Target("jobs", st.builds(job_of, randoms), read_job, lambda file: len(file.content)),
    Target("overrides", st.builds(override_of, randoms), set_key),
    Target("written_jobs", st.builds(written_of, randoms), write_job),
    Target("proposed_jobs", st.builds(proposed_of, randoms), propose),
]
