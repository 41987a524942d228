"""A run's model behind HTTPS: created, looked at, deleted. Where it is kept is a file in `deployers/`."""

import re
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tuneworthy.core.counting import counted
from tuneworthy.core.errors import ConsentError, LaunchError
from tuneworthy.deployers import DEPLOYERS, Deployer, Deployment, State
from tuneworthy.deployers.cargo import write_cargo
from tuneworthy.deployers.records import find, keep
from tuneworthy.launchers.terms import Say, Wanted, require, terms_of
from tuneworthy.models.machines import read_market
from tuneworthy.refitting import final_fit
from tuneworthy.runfolder.folder import Listener
from tuneworthy.units.refit import base_models, recommended

POLL_S = 20.0  # between two looks at an endpoint that is waited for


def dry_run(
    run: Path,
    arm: str | None,
    wanted: Wanted,
    say: Say = lambda text: None,
    listener: Listener | None = None,
) -> Deployment:
    """Everything that `deploy` would send and ask for; nothing is kept and no network is touched.

    Raises:
        TuneworthyError: what `deploy` would raise for the run and the terms.
    """
    with tempfile.TemporaryDirectory() as scratch:
        return _prepare(run, arm, wanted, Path(scratch), say, listener)


def deploy(
    run: Path,
    arm: str | None,
    wanted: Wanted,
    allowed: bool = False,
    say: Say = lambda text: None,
    listener: Listener | None = None,
) -> Deployment:
    """Creates an endpoint that answers as the arm. Asked twice it makes one; what is on disk finds it again.

    Args:
        run: a finished run.
        arm: one of its arms; the recommended one where it is None.
        wanted: where and on which terms.
        allowed: whether the model may leave this machine.
        say: told what happens, in sentences.
        listener: told the events of a fit on all rows, where the run has none of that arm.

    Raises:
        ConsentError: the model would leave this machine and nobody has allowed it.
        JobError: it cannot be deployed, or the time costs more than is allowed.
        LaunchError, MissingExtraError: the place cannot be asked.
    """
    deployer = DEPLOYERS.get(wanted.launcher)
    require(deployer)
    with tempfile.TemporaryDirectory() as scratch:
        made = _prepare(run, arm, wanted, Path(scratch), say, listener)
        if not allowed:
            what = f"{_told(made)} to {made.plan.place}"
            raise ConsentError(
                f"this would send {what}, and create an endpoint at ${day(made):.2f} a day: allow it with "
                "--send-model.",
                question=f"Send {what} and create an endpoint at ${day(made):.2f} a day?",
            )
        before = find(made.name)
        if before is not None and (stands := _standing(before, made, say)) is not None:
            return stands
        since = before.since if before is not None and not before.deleted else ""
        made = made.model_copy(update={"since": since or _now()})
        keep(made)  # before anything is created: a crash in between loses nothing
        deployer.create(made, Path(scratch), say)
    made = made.model_copy(update={"created": True})
    keep(made)
    return made


def _standing(before: Deployment, made: Deployment, say: Say) -> Deployment | None:
    """What was deployed before and stands; None where creation may go on, or begin anew.

    Raises:
        LaunchError: it is in the way.
    """
    found = state(before)
    if found.phase == "gone":
        return None
    if found.phase == "deleting":
        raise LaunchError(f"{before.name} is still being deleted: ask again in a minute.")
    end = f"tuneworthy deploy {before.name} --delete"
    if before.plan.requests != made.plan.requests:
        raise LaunchError(
            f"{before.name} is {found.phase} with another model, machine or image: {end} first."
        )
    if found.phase == "failed":
        raise LaunchError(f"{before.name} has failed there ({found.told}): {end}, then deploy it again.")
    if found.phase == "unsent":
        return None
    say(f"It is {found.phase} there already.")
    return before if before.created else None  # what is left of its creation is done


def state(deployment: Deployment) -> State:
    """How a deployed model is, asked of the place."""
    found = _asked(deployment).state(deployment)
    if found.phase == "gone" and not deployment.created and not deployment.deleted:
        return State(phase="unsent", told="its creation did not end: the same deploy goes on with it")
    return found


def delete(deployment: Deployment, say: Say = lambda text: None) -> Deployment:
    """Deletes all that was created for it; the record of it stays."""
    _asked(deployment).delete(deployment, say)
    deployment = deployment.model_copy(update={"deleted": True})
    keep(deployment)
    return deployment


def ask(deployment: Deployment) -> str:
    """A command line that asks it one text."""
    return DEPLOYERS.get(deployment.deployer).ask(deployment)


def follow(deployment: Deployment, say: Say, every: float = POLL_S) -> State:
    """Waits until it serves, has failed or is gone; a place out of reach is asked again a few times."""
    phase, missed = "", 0
    while True:
        try:
            found = state(deployment)
            missed = 0
            if found.phase != phase:
                phase = found.phase
                say(f"{deployment.name}: {phase}" + (f" ({found.told})" if found.told else ""))
            if phase not in ("creating", "deleting"):
                return found
        except LaunchError as error:
            missed += 1
            if missed == 5:
                raise
            say(f"{error} Asking again.")
        time.sleep(every)


def day(deployment: Deployment) -> float:
    """What a day of it costs, in US dollars."""
    return 24 * deployment.terms.price.usd_per_hour


def hours(deployment: Deployment) -> float:
    """How long ago its creation was asked for."""
    if not deployment.since:
        return 0.0
    return (datetime.now(UTC) - datetime.fromisoformat(deployment.since)).total_seconds() / 3600


def spent(deployment: Deployment) -> str:
    """What it has cost, about, against what was allowed; in a sentence."""
    terms, so_far = deployment.terms, hours(deployment)
    text = (
        f"About ${so_far * terms.price.usd_per_hour:.2f} in {so_far:.1f} h; ${day(deployment):.2f} a day "
        "until it is deleted."
    )
    if so_far * 3600 > terms.seconds:
        text += f" That is longer than the {terms.seconds / 3600:.3g} h that you allowed."
    return text


def _told(made: Deployment) -> str:
    cargo = made.cargo
    rows = (
        f"; it holds {counted(cargo.rows, 'row')} of the run"
        if cargo.rows
        else "; it holds no row of the run word for word"
    )
    return f"the model of {cargo.method} ({cargo.size / 10**6:.1f} MB{rows})"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _asked(deployment: Deployment) -> Deployer:
    deployer = DEPLOYERS.get(deployment.deployer)
    require(deployer)
    return deployer


def _prepare(
    run: Path, arm: str | None, wanted: Wanted, folder: Path, say: Say, listener: Listener | None
) -> Deployment:
    """Everything that can be wrong is said before anything leaves."""
    deployer = DEPLOYERS.get(wanted.launcher)
    terms = terms_of(deployer, wanted, read_market(wanted.machines))
    fit = final_fit(run, arm, say, listener)
    base = base_models(fit.unit, recommended(run)[1]) if fit.unit.start else fit.models
    cargo = write_cargo(fit, base, folder)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{cargo.title}-{cargo.method}-{wanted.launcher}")
    return Deployment(
        name=name,
        deployer=wanted.launcher,
        cargo=cargo,
        terms=terms,
        plan=deployer.plan(cargo, terms),
    )
