"""A deployed model for tests: terms that suffice, and the folder that would be sent."""

from pathlib import Path

from tuneworthy.deployers import DEPLOYERS, Deployment
from tuneworthy.deployers.cargo import write_cargo
from tuneworthy.launchers.terms import Wanted, terms_of
from tuneworthy.models.machines import read_market
from tuneworthy.refitting import final_fit

OPTIONS = {
    "sagemaker": (
        "role=arn:aws:iam::123456789012:role/serving",
        "bucket=my-bucket",
        "image=123456789012.dkr.ecr.us-east-1.amazonaws.com/tuneworthy:endpoint",
    ),
    "azureml": (
        "subscription=00000000-0000-0000-0000-000000000000",
        "group=mine",
        "workspace=ml",
        "image=mine.azurecr.io/tuneworthy:endpoint",
    ),
}
KNOWN = {"sagemaker": "ml.g4dn.xlarge"}  # moto has heard of no later machine


def wanted(where: str, **changes: object) -> Wanted:
    """Terms that suffice everywhere."""
    terms = {"max_cost": 10.0, "time_limit": "8h", "options": OPTIONS[where], "instance": KNOWN.get(where)}
    return Wanted(where, **(terms | changes))  # type: ignore[arg-type]


def made_for(where: str, run: Path, folder: Path, arm: str | None = None) -> Deployment:
    """What would be created, and its files below `folder`."""
    fit = final_fit(run, arm)
    cargo = write_cargo(fit, fit.models, folder)
    deployer = DEPLOYERS.get(where)
    terms = terms_of(deployer, wanted(where), read_market())
    return Deployment(
        name=f"{cargo.title}-{cargo.method}-{where}",
        deployer=where,
        cargo=cargo,
        terms=terms,
        plan=deployer.plan(cargo, terms),
    )
