"""The user's own JSON Schema, read from its file."""

from pathlib import Path
from typing import Any

from tuneworthy.core.errors import JobError
from tuneworthy.core.strict_json import strict_json
from tuneworthy.data.missing import require_file


def read_json_schema(path: Path) -> dict[str, Any]:
    """The object that the file holds; whether it is a usable schema is the task's to say.

    Raises:
        NotFoundError: there is no such file.
        JobError: it is not JSON in UTF-8, or no object.
    """
    require_file(path, (".json",), JobError)
    try:
        found = strict_json(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise JobError(f"{path.name} is not UTF-8 text; save the JSON Schema as UTF-8.") from None
    except OSError as error:
        raise JobError(f"{path} cannot be read ({error.strerror}); check its permissions.") from None
    except ValueError as error:
        raise JobError(f"{path.name} is no JSON ({error}); mend it there.") from None
    if not isinstance(found, dict):
        raise JobError(
            f"{path.name} holds no JSON Schema of an object; begin with "
            '{"type": "object", "properties": {...}}.'
        )
    return found
