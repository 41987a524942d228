"""What a run may leave out, in the order in which it goes: the least telling first.

`docs/decisions/0050` has the order and its reasons.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tuneworthy.core.unit import Unit

NEEDED = 0.5  # share of the rows of which fine-tunes are measured before other things are given up for more
FINAL = "the fit on all rows"
FORGETTING = "what fine-tuning makes a model forget"

ItemKind = Literal["needed", "prompt", "search", "fold", "seed", "curve", "tuned_curve", "ending"]


@dataclass(frozen=True)
class Item:
    """Work that is done or left out as a whole.

    Attributes:
        kind: what it is, which decides when it is given up.
        name: what a sentence calls it.
        method: its arm; empty for the search of fine-tunes, which is for all of them.
        units: what it runs.
        number: of a round of folds.
        folds: those of a round, from 0.
        before: of folds, the share of the rows on which their arm is measured by the rounds before.
        fits: what it takes in fits of each unit: of a search what its trials do, of an arm with one that too.
        first: what its units start from: the reading of unlabelled text.
        seconds: of an ending, which has no units yet: it is for the fine-tune that turns out to be the best.
    """

    kind: ItemKind
    name: str
    method: str
    units: tuple[Unit, ...]
    number: int = -1
    folds: tuple[int, ...] = ()
    before: float = 0.0
    fits: float = 1.0
    first: tuple[Unit, ...] = ()
    seconds: float = 0.0


def order_of_sacrifice(items: Sequence[Item], seconds: dict[str, float]) -> list[Item]:
    """The items that may be given up, the first to go first.

    1. Learning curves of fine-tunes: no rule of the verdict reads them. 2. The search: defaults are fitted to
    the number of rows already. 3. Further seeds: each fold has one of its own. 4. Learning curves of the
    classifiers. 5. Prompts, and probes of a base model, that take longer than a round of folds, the dearest
    first. 6. Folds beyond half of the rows, the last first. 7. Fine-tuned arms but the cheapest, the dearest
    first. 8. Other prompts. 9. What fine-tuning makes a model forget: a reason, and no decision. 10. The fit
    on all rows: that of a fold can take its place. 11. The rest of fine-tuning. Constant answers and cheap
    classifiers stay.

    Args:
        items: all that is not decided yet.
        seconds: what each takes, by name.
    """
    rounds = [item for item in items if item.kind == "fold"]
    round_s = min((seconds[item.name] for item in rounds), default=0.0)
    arms = dict.fromkeys(item.method for item in rounds)
    of_arm = {arm: max(seconds[item.name] for item in rounds if item.method == arm) for arm in arms}
    cheapest = min(of_arm, key=lambda arm: of_arm[arm], default="")
    early = {"tuned_curve": 1, "search": 2, "seed": 3, "curve": 4}

    def rank(item: Item) -> int:
        if item.kind == "prompt":
            return 5 if seconds[item.name] > round_s else 8
        if item.kind == "fold":
            enough = item.before >= NEEDED - 1e-9
            return 6 if enough else 11 if item.method == cheapest else 7
        if item.kind == "ending":
            return 10 if item.name == FINAL else 9
        return early[item.kind]

    going = [item for item in items if item.kind != "needed"]
    places = {item.name: place for place, item in enumerate(going)}

    def first(item: Item) -> tuple[int, float, float, int]:
        place = rank(item)
        late = -item.before if place in (6, 11) else 0.0
        return place, late, -seconds[item.name], -places[item.name]

    return sorted(going, key=first)


def with_search(items: Sequence[Item], search: Item) -> list[Item]:
    """The items once a search is kept: it goes with its arms' fits, in each fold with the first seed."""
    arms = {unit.method for unit in search.units}
    return [
        replace(item, fits=1.0 + search.fits * len({unit.fold for unit in item.units}) / len(item.units))
        if item.kind in ("needed", "prompt", "fold") and item.method in arms
        else item
        for item in items
    ]


def given_up(
    items: Sequence[Item], seconds: dict[str, float], room_s: float, measured: bool = False
) -> list[Item]:
    """What does not fit, the first to go first; what fits again once larger things are gone stays.

    What takes no time is done already, and never goes. An ending needs a fine-tune: one of the folds that
    stay, or one that is `measured` already.
    """
    total = sum(seconds[item.name] for item in items)
    gone: list[Item] = []
    for item in order_of_sacrifice(items, seconds):
        if total <= room_s:
            break
        if seconds[item.name] > 0:
            gone.append(item)
            total -= seconds[item.name]
    for item in reversed(gone[:]):
        tuned = measured or any(one.kind == "fold" and one not in gone for one in items)
        if total + seconds[item.name] <= room_s and (tuned or item.kind != "ending"):
            gone.remove(item)
            total += seconds[item.name]
    return gone


def grouped(items: Sequence[Item], folds: int) -> dict[str, list[Item]]:
    """The items under what a sentence calls them: an arm's rounds of folds together.

    Args:
        items: of any kind.
        folds: of the run; an arm that loses all of them is named alone.
    """
    rounds: dict[str, list[Item]] = {}
    for item in items:
        if item.kind == "fold":
            rounds.setdefault(item.method, []).append(item)
    found: dict[str, list[Item]] = {}
    for item in items:
        own = rounds.get(item.method, []) if item.kind == "fold" else [item]
        lost = sorted(fold for one in own for fold in one.folds)
        if item.kind != "fold":
            name = item.name
        elif len(lost) == folds:
            name = item.method
        else:
            name = named_folds(item.method, lost)
        found[name] = own
    return found


def named_folds(arm: str, folds: Sequence[int]) -> str:
    """What folds are called.

    >>> named_folds("lora", [2]), named_folds("lora", [1, 2, 4])
    ('fold 3 of lora', 'folds 2, 3 and 5 of lora')
    """
    *most, last = (str(fold + 1) for fold in folds)
    return f"folds {', '.join(most)} and {last} of {arm}" if most else f"fold {last} of {arm}"
