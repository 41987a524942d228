"""What a plan says before anything runs: memory, minutes and money of each way to fit a model."""

from tuneworthy.core.frozen import Frozen


class PlannedFit(Frozen):
    """One way to fit one model on one machine.

    Attributes:
        method: the arm.
        model: the base model.
        precision: of its weights: bfloat16, float32, nf4 (four bits), or mixed (float32 ones that are
            multiplied in bfloat16).
        options: what else was chosen: gradient checkpointing, AdamW in eight bits.
        rows_per_pass: rows that go through the model together; an update accumulates over passes.
        memory_gib: the peak by what it is for.
        total_gib: the peak.
        beside_gib: what else it takes of the host's memory, where the peak is a GPU's.
        moment: when the peak is.
        fits: whether the machine holds it.
        minutes: of all the job's fits, training alone; None where nothing is known of the machine's speed.
        processes: that hold the model together; memory is that of each.
    """

    method: str
    model: str
    precision: str
    options: tuple[str, ...]
    rows_per_pass: int
    memory_gib: dict[str, float]
    total_gib: float
    beside_gib: float
    moment: str
    fits: bool
    minutes: float | None
    processes: int = 1

    def made_of(self, count: int) -> str:
        """The largest parts of the peak: 'weights 0.50, runtime 0.45'."""
        largest = sorted(self.memory_gib.items(), key=lambda part: -part[1])[:count]
        return ", ".join(f"{name} {size:.2f}" for name, size in largest if size >= 0.005)


class PlannedRent(Frozen):
    """What the job's fits cost on a machine for rent, in the most precise way that fits it."""

    offer: str
    card: str
    method: str
    precision: str
    options: tuple[str, ...]
    minutes: float
    usd: float
    usd_per_hour: float
    date: str
    source: str


class FitPlan(Frozen):
    """Everything a plan found.

    Attributes:
        machine: what it is for.
        memory_gib: what that holds.
        rows, longest: how many rows, and the tokens of the longest one.
        fits: for each model and way the number of fits of the job; see `PlannedFit`.
        largest: the largest model of the catalogue and the job that each method can fine-tune there.
        rent: what rented machines would cost.
        notes: how it was worked out, in sentences.
    """

    machine: str
    memory_gib: float
    rows: int
    longest: int
    fits: tuple[PlannedFit, ...]
    largest: tuple[PlannedFit, ...]
    rent: tuple[PlannedRent, ...]
    notes: tuple[str, ...]
