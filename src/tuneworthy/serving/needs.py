"""What serving needs besides the package itself."""

from importlib.util import find_spec

from tuneworthy.core.errors import MissingExtraError


def require_server() -> None:
    """Raises MissingExtraError with the pip line where a library is missing."""
    needed = ("fastapi", "fastapi_swagger", "uvicorn", "prometheus_client", "httpx", "limits")
    if any(find_spec(name) is None for name in needed):
        raise MissingExtraError("serving needs FastAPI and uvicorn: pip install 'tuneworthy[serve]'.")
