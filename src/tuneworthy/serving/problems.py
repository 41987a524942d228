"""Errors on the wire: OpenAI's shape on every route, and `detail` besides where System One has it."""

import json
from collections.abc import Sequence
from typing import Any

from fastapi.responses import JSONResponse

SYSTEMONE = "/v1/systemone"
TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class Replied(JSONResponse):
    """JSON that may repeat what a client sent, half characters among it, which UTF-8 does not have."""

    def render(self, content: Any) -> bytes:
        """The body, such halves as question marks."""
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


class ProblemError(Exception):
    """An answer that is no answer.

    Attributes:
        status: of HTTP.
        message: one sentence for whoever wrote the client.
        param: the field that is wrong.
        code: a word that programs compare.
        headers: of the response.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.headers = headers or {}

    def content(self, path: str) -> dict[str, Any]:
        """The body that goes out on this path."""
        kind = TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        if path != SYSTEMONE:
            return {"error": error}
        where = ["body", *([self.param] if self.param else [])]
        listed = [{"loc": where, "msg": self.message, "type": "value_error"}]
        return {"error": error, "detail": listed if self.status == 422 else self.message}

    def response(self, path: str) -> JSONResponse:
        """What goes out on this path."""
        return Replied(self.content(path), self.status, self.headers)


def unreadable(path: str, errors: Sequence[Any]) -> JSONResponse:
    """A body that is no such request; what was in it is not repeated."""
    said = [f"{'.'.join(map(str, error['loc'][1:])) or 'body'}: {error['msg']}" for error in errors]
    first = ".".join(map(str, errors[0]["loc"][1:])) if errors else ""
    problem = ProblemError(422, "; ".join(said), param=first or None, code="invalid_request")
    content = problem.content(path)
    if path == SYSTEMONE:
        content["detail"] = [{key: error[key] for key in ("loc", "msg", "type")} for error in errors]
    return Replied(content, problem.status)
