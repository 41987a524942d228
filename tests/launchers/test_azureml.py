"""Azure ML: the job file is one that azure-ai-ml itself takes, offline."""

from pathlib import Path

import pytest

from launched import Elsewhere, wanted
from tuneworthy.data.job_yaml import dump_yaml
from tuneworthy.launchers import LAUNCHERS
from tuneworthy.launchers.azureml import PHASES
from tuneworthy.launchers.terms import terms_of
from tuneworthy.models.machines import read_market

OWN = ("subscription=s", "group=g", "workspace=w")


@pytest.mark.parametrize("options", [OWN, (*OWN, "compute=gpu-cluster")])
def test_azures_own_client_takes_the_job_file(elsewhere: Elsewhere, options: tuple[str, ...]) -> None:
    ml = pytest.importorskip("azure.ai.ml", reason="pip install 'tuneworthy[azureml]'")
    launcher = LAUNCHERS.get("azureml")
    terms = terms_of(launcher, wanted("azureml", options=options), read_market())
    where = launcher.where(elsewhere.handle.parcel, terms)
    Path("bundle").mkdir()
    Path("job.yml").write_text(dump_yaml(where.request))
    job = ml.load_job("job.yml")
    assert job.type == "command" and job.limits.timeout == 7200
    assert "start.sh" in job.command and "--limit 7020" in job.command
    assert job.tags == elsewhere.handle.parcel.tags
    machine = job.compute if "compute=gpu-cluster" in options else job.resources.instance_type
    assert machine in ("gpu-cluster", "azureml:gpu-cluster", "Standard_NC4as_T4_v3")


def test_every_end_that_azure_knows_is_an_end_here() -> None:
    assert {PHASES[name] for name in ("Completed", "Failed", "Canceled")} == {"finished", "failed", "stopped"}
