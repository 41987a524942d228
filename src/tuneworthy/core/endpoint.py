"""`Endpoint`: a model behind an OpenAI-compatible URL, as a job names it: `openai:<model>@<url>`."""

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from tuneworthy.core.counting import counted
from tuneworthy.core.errors import ConsentError, JobError
from tuneworthy.core.frozen import Frozen

PREFIX = "openai:"
EXAMPLE = "openai:llama3@http://localhost:11434/v1"


class Endpoint(Frozen):
    """A model and the URL it is asked at.

    Attributes:
        model: what the server calls it.
        url: up to, and without, `/chat/completions`.
    """

    model: str
    url: str

    @property
    def name(self) -> str:
        """As a job spells it."""
        return f"{PREFIX}{self.model}@{self.url}"

    @property
    def host(self) -> str:
        """Where rows would go."""
        return urlsplit(self.url).hostname or ""

    @property
    def title(self) -> str:
        """What a report calls it: model, host and port."""
        return f"{self.model} at {urlsplit(self.url).netloc}"

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine, so that rows stay there."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


def endpoint_of(name: str) -> Endpoint | None:
    """The endpoint that a model's name stands for; None for every other model.

    Raises:
        JobError: it begins like an endpoint and is none. A URL that may hold a secret is not repeated.
    """
    if not name.startswith(PREFIX):
        return None
    model, _, rest = name.removeprefix(PREFIX).partition("@http")
    url = f"http{rest}".rstrip("/").removesuffix("/chat/completions")
    try:
        parts = urlsplit(url)
        whole = bool(model and parts.hostname and parts.scheme in ("http", "https"))
        secret = bool(parts.username or parts.password or parts.query or parts.fragment)
        _ = parts.port  # raises where it is no number
    except ValueError:
        whole, secret = False, False
    if secret:
        raise JobError(
            f"the URL of {PREFIX}{model} holds a user, a password or a query: name the bare URL, and put the "
            "key into the environment as TUNEWORTHY_API_KEY."
        )
    if not whole:
        shown = "" if "@" in name else f", got '{name}'"
        raise JobError(f"an endpoint is written openai:<model>@<url>{shown}: for example {EXAMPLE}.")
    return Endpoint(model=model, url=url)


def require_consent(endpoints: Iterable[Endpoint], rows: int, allowed: bool) -> None:
    """Raises ConsentError when so many rows would leave this machine and nobody has allowed it."""
    away = sorted({endpoint.host for endpoint in endpoints if not endpoint.is_local})
    if away and not allowed:
        what = f"{counted(rows, 'row')} to {' and '.join(away)}"
        raise ConsentError(
            f"this would send {what}: allow it with --send-rows (send_rows: true in a job file, "
            "send_rows=True in Python), or name a model on this machine.",
            question=f"Send {what}?",
        )
