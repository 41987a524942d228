"""On which terms a job is sent: what may be spent, how long, on which machine, with which options."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from tuneworthy.core.duration import brief, seconds_of
from tuneworthy.core.errors import JobError, MissingExtraError
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.registry import did_you_mean
from tuneworthy.launchers import Price, Terms
from tuneworthy.models.machines import MACHINES, Market

Say = Callable[[str], None]
MOST_USD = 1e9  # what is more, or infinite, is no amount that anybody allows
# user:password@ before a host, with or without a scheme, or a token in its place; an image's digest is none.
SECRET = re.compile(r"(?:^|://)[^/]*:[^/]*@(?!sha256:)|\bhttps?://[^/]*@")


class Place(Protocol):
    """What has terms: a launcher, or what keeps a model (`deployers`); their attributes are told there."""

    title: str
    needs: tuple[str, ...]
    extra: str
    instance: str
    options: type[Frozen]

    def offer(self, instance: str) -> tuple[str, ...]:
        """Names of offers of the price file that are this machine."""


def require(place: Place) -> None:
    """Raises MissingExtraError where a module that asks the place is not installed."""
    absent = [name for name in place.needs if find_spec(name.partition(".")[0]) is None]
    if absent:
        raise MissingExtraError(
            f"{place.title} needs {', '.join(absent)}: pip install 'tuneworthy[{place.extra}]'."
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where to, and on which terms.

    Attributes:
        launcher: a file in `launchers/`.
        max_cost: US dollars.
        time_limit: such as "2h".
        instance: the launcher's usual one where it is None.
        price: US dollars an hour, in place of the price file's.
        options: the launcher's own, as `key=value`.
        output: the run folder that a fetch will write.
        machines: the price file.
    """

    launcher: str
    max_cost: float
    time_limit: str
    instance: str | None = None
    price: float | None = None
    options: Sequence[str] = ()
    output: Path | None = None
    machines: Path = MACHINES


def terms_of(launcher: Place, wanted: Wanted, market: Market) -> Terms:
    """The terms of a launch.

    Raises:
        JobError: time or money is none, no price is known, an option is wrong, or the whole time costs too
            much.
    """
    try:
        seconds = seconds_of(wanted.time_limit)
    except ValueError as error:
        raise JobError(f"--time-limit should be {error}, got '{wanted.time_limit}'.") from None
    for option, usd in (("--max-cost", wanted.max_cost), ("--price", wanted.price)):
        if usd is not None and not 0 <= usd <= MOST_USD:
            raise JobError(f"{option} should be an amount of US dollars, got {usd:g}.")
    instance = wanted.instance or launcher.instance
    price = _price(launcher, instance, wanted.price, market)
    terms = Terms(
        max_cost=wanted.max_cost,
        seconds=seconds,
        instance=instance,
        price=price,
        options=_options(launcher, wanted.options),
    )
    if terms.usd > terms.max_cost:
        affordable = int(terms.max_cost / price.usd_per_hour * 3600)  # cut, for this has to be allowed
        shorter = f"{affordable // 60}m" if affordable >= 60 else f"{affordable}s"
        raise JobError(
            f"{brief(seconds)} of {instance} cost up to ${terms.usd:.2f}, more than --max-cost "
            f"{terms.max_cost:g}: allow more" + (f", or say --time-limit {shorter}." if affordable else ".")
        )
    return terms


def _price(launcher: Place, instance: str, named: float | None, market: Market) -> Price:
    """The dearest offer of that machine, or what the user says."""
    names = launcher.offer(instance)
    offers = [one for one in market.offers if one.name in names or one.card in names]
    dearest = max(offers, key=lambda one: one.usd_per_hour, default=None)
    card = dearest.card if dearest else next((one.name for one in market.cards if one.name in names), None)
    if named is not None:
        return Price(usd_per_hour=named, card=card, source="--price")
    if dearest is None:
        raise JobError(
            f"no price is known of {instance}: say --price with US dollars an hour, or add it to your own "
            "--machines file."
        )
    return Price(usd_per_hour=dearest.usd_per_hour, card=card, date=dearest.date, source=dearest.source)


def _options(launcher: Place, given: Sequence[str]) -> dict[str, Any]:
    """The launcher's options, checked.

    Raises:
        JobError: one is unknown, missing, or has a value that it cannot have, such as a URL with a password,
            which is not repeated: options are printed and kept.
    """
    found: dict[str, str] = {}
    known = list(launcher.options.model_fields)
    for text in given:
        key, equals, value = text.partition("=")
        if SECRET.search(value or text):
            raise JobError(
                f"--with {key if equals else '...'}: a URL with a user or a password would be printed and "
                "kept: name the bare URL, and keep the secret where the client that opens it looks, such as "
                "RAY_AUTH_TOKEN, or fsspec's configuration for storage."
            )
        if not equals:
            raise JobError(
                f"--with {text}: write it as key=value; {launcher.title} knows {', '.join(known)}."
            )
        if key not in known:
            raise JobError(f"--with {key}: {launcher.title} has no such option: {did_you_mean(key, known)}")
        found[key] = value
    try:
        options = launcher.options.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        about = launcher.options.model_fields[key].description
        problem = "is missing" if first["type"] == "missing" else first["msg"].lower()
        raise JobError(f"--with {key}=...: {problem}: {about}.") from None
    return options.model_dump(mode="json")
