"""The machines that a plan may be for: named cards, priced offers, so much memory, or this machine."""

import re
import time
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tuneworthy.core.errors import JobError
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.registry import did_you_mean
from tuneworthy.models.activations import Device
from tuneworthy.models.memory import GIB

MACHINES = Path(__file__).with_name("machines.yaml")
UNITS = {"": GIB, "g": GIB, "gb": 10**9, "gib": GIB, "mb": 10**6, "mib": 2**20}
# The share of the peak that a fine-tune reaches. On a CPU an early form of this engine reached 0.66 to 0.71
# of the rate of matrix products. On a GPU it is an estimate that no card has confirmed yet.
UTILISATION: dict[Device, float] = {"cpu": 0.6, "cuda": 0.3}
WARM_S = 0.3  # seconds of products from which this machine's rate is taken


class Card(Frozen):
    """A GPU: memory in GiB, bandwidth in GB/s, dense matrix products in TFLOP/s."""

    name: str
    memory_gib: float = Field(gt=0)
    bandwidth: float = Field(gt=0)
    bfloat16: float | None = Field(None, gt=0)
    float32: float = Field(gt=0)
    source: str


def _day(given: object) -> object:
    """A day as text, which YAML reads as a date where it stands without quotes."""
    return given.isoformat() if isinstance(given, date) else given


Day = Annotated[str, BeforeValidator(_day)]


class Offer(Frozen):
    """A machine with one card for rent, as its source listed it on that day."""

    name: str
    card: str
    usd_per_hour: float = Field(ge=0)
    date: Day
    source: str


class Market(Frozen):
    """All cards and offers of a file."""

    cards: tuple[Card, ...]
    offers: tuple[Offer, ...] = ()

    def card(self, name: str) -> Card:
        """The card of that name, however it is capitalised and with or without its maker.

        Raises:
            JobError: there is none, with the nearest name.
        """
        wanted = _plain(name)
        for card in self.cards:
            if _plain(card.name) == wanted:
                return card
        known = {_plain(card.name): card.name for card in self.cards}
        close = did_you_mean(wanted, list(known))
        shown = next((known[key] for key in known if f"'{key}'" in close), None)
        hint = f"did you mean '{shown}'?" if shown else f"known: {', '.join(known.values())}."
        raise JobError(f"no card '{name}': {hint} Name the memory of any other, for example --memory 16GiB.")


class Machine(Frozen):
    """What a plan is for.

    Attributes:
        name: what to call it.
        device: whose tensors are counted.
        memory: bytes in all.
        precision: what the tool trains in there.
        rates: FLOP/s by precision that a fine-tune can expect there; empty where nothing is known.
        bandwidth: bytes/s; None where nothing is known.
        because: where the rates come from.
    """

    name: str
    device: Device
    memory: float
    precision: str = "bfloat16"
    rates: dict[str, float] = Field(default_factory=dict)
    bandwidth: float | None = None
    because: str = ""


def read_market(path: Path = MACHINES) -> Market:
    """Cards and offers from a file.

    Raises:
        JobError: it cannot be read, or a field is missing or impossible.
    """
    try:
        stored = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise JobError(f"--machines {path} cannot be read ({type(error).__name__}).") from None
    if not isinstance(stored, dict):
        raise JobError(f"--machines {path} holds no cards: write a list of them under 'cards:'.")
    try:
        market = Market.model_validate(stored)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise JobError(f"--machines {path}: {place}: {first['msg'][0].lower()}{first['msg'][1:]}.") from None
    for offer in market.offers:
        try:
            market.card(offer.card)
        except JobError:
            known = ", ".join(card.name for card in market.cards) or "none"
            raise JobError(
                f"--machines {path}: the offer '{offer.name}' is of a card '{offer.card}', which is not "
                f"among the file's cards: {known}."
            ) from None
    return market


def machine_of(card: Card) -> Machine:
    """A named card; its rates are a share of its datasheet's peaks."""
    share = UTILISATION["cuda"]
    peaks = {"float32": card.float32} | ({} if card.bfloat16 is None else {"bfloat16": card.bfloat16})
    return Machine(
        name=card.name,
        device="cuda",
        memory=card.memory_gib * GIB,
        precision="float32" if card.bfloat16 is None else "bfloat16",
        rates={precision: share * peak * 1e12 for precision, peak in peaks.items()},
        bandwidth=card.bandwidth * 1e9,
        because=f"Speed is an estimate: {share:.0%} of the peak in {card.source}.",
    )


def machine_with(memory: str) -> Machine:
    """A GPU of which only the memory is known, such as "16GiB"; raises JobError for something else."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", memory.lower())
    if found is None or found[2] not in UNITS or float(found[1]) == 0:
        raise JobError(f"--memory '{memory}' is no amount of memory: write it like 16GiB.")
    size = float(found[1]) * UNITS[found[2]]
    return Machine(name="a GPU", device="cuda", memory=size)


def this_machine() -> Machine:
    """The machine this runs on; nothing is measured yet."""
    import torch

    from tuneworthy.models.hardware import device, memory_limit, training_dtype

    if device().type == "cuda":
        memory = torch.cuda.get_device_properties(0).total_memory
        return Machine(
            name=torch.cuda.get_device_name(), device="cuda", memory=memory, precision=training_dtype()
        )
    return Machine(name="this machine", device="cpu", memory=memory_limit(), precision=training_dtype())


def with_rates(machine: Machine) -> Machine:
    """This machine with its rates, from products that take less than a second."""
    import torch

    share, threads = UTILISATION[machine.device], torch.get_num_threads()
    rates = {one: share * matrix_rate(one, threads) for one in {"float32", machine.precision}}
    because = f"Speed is an estimate: {share:.0%} of the rate of matrix products, which was measured."
    return machine.model_copy(update={"rates": rates, "because": because})


@lru_cache(maxsize=4)
def matrix_rate(precision: str, threads: int) -> float:
    """FLOP/s of this machine's matrix products on torch's threads, the best of a few rounds."""
    import torch

    from tuneworthy.models.hardware import device

    assert threads == torch.get_num_threads()
    where = device()
    size = 512 if where.type == "cpu" else 8192  # short products: the best round is undisturbed
    a = torch.randn(size, size, device=where).to(getattr(torch, precision))
    best, until = 0.0, time.perf_counter() + WARM_S
    while best == 0 or time.perf_counter() < until:
        started = time.perf_counter()
        a @ a
        if where.type == "cuda":
            torch.cuda.synchronize()
        best = max(best, 2 * size**3 / (time.perf_counter() - started))
    return best


def _plain(name: str) -> str:
    """A card's name as it is compared."""
    return re.sub(r"nvidia|geforce|tesla|[^a-z0-9]", "", name.lower())
