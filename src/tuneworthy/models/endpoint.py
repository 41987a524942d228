"""The folder that stands for a model behind an endpoint: `endpoint.json` and nothing else.

Whoever hands models around by folder and digest need not know that there are no weights.
"""

import importlib.util
from pathlib import Path

from tuneworthy.core.endpoint import Endpoint
from tuneworthy.core.errors import MissingExtraError
from tuneworthy.core.hashing import address
from tuneworthy.models.cache import model_folder
from tuneworthy.runfolder.folder import to_json, write_text

ENDPOINT_FILE = "endpoint.json"


def endpoint_folder(endpoint: Endpoint) -> Path:
    """The folder in the cache that stands for an endpoint.

    Raises:
        MissingExtraError: the library that asks it is not installed.
    """
    if importlib.util.find_spec("openai") is None:
        raise MissingExtraError(
            f"{endpoint.name} is asked through the openai library: pip install 'tuneworthy[endpoint]'."
        )
    folder = model_folder(f"endpoint-{address(endpoint)}")
    if read_endpoint(folder) != endpoint:
        write_text(folder / ENDPOINT_FILE, to_json(endpoint))
    return folder


def read_endpoint(folder: Path) -> Endpoint | None:
    """The endpoint that a model's folder stands for; None where it holds weights."""
    try:
        return Endpoint.model_validate_json((folder / ENDPOINT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
