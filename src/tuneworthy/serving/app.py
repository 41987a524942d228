"""The application: routes, the gate before them, and errors in one shape."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.security import HTTPBearer
from fastapi_swagger import patch_fastapi
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from tuneworthy.serving import chat, decisions, predictions
from tuneworthy.serving.gate import Gate, Gatekeeper
from tuneworthy.serving.problems import ProblemError, unreadable
from tuneworthy.serving.service import Service
from tuneworthy.serving.wire import ErrorResponse

ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorResponse, "description": "not what this run can be asked"},
    401: {"model": ErrorResponse, "description": "no key, or a wrong one"},
    403: {"model": ErrorResponse, "description": "a page of another site, where there is no key"},
    404: {"model": ErrorResponse, "description": "no such model"},
    405: {"model": ErrorResponse, "description": "another method of this route"},
    413: {"model": ErrorResponse, "description": "too large"},
    421: {"model": ErrorResponse, "description": "not this server's name"},
    422: {"model": ErrorResponse, "description": "not a request of this kind"},
    429: {
        "model": ErrorResponse,
        "description": "too many wait or came from one client; see Retry-After",
    },
    502: {"model": ErrorResponse, "description": "the engine failed"},
    503: {"model": ErrorResponse, "description": "shutting down, or the engine does not answer"},
}
ABOUT = (
    "Predictions of finished runs. Every label comes with calibrated probabilities; the questions of "
    "/v1/systemone and /v1/decisions have labels of the run as options."
)


def build_app(service: Service, keeper: Gatekeeper) -> FastAPI:
    """The FastAPI application of these runs, with this keeper at the gate."""
    app = FastAPI(
        title="tuneworthy",
        version=version("tuneworthy"),
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        lifespan=service.chats.lifespan,
        responses=ERRORS,
        dependencies=[Depends(HTTPBearer(auto_error=False))],
    )
    if service.runs:
        app.include_router(predictions.router(service))
        app.include_router(decisions.router(service))
    if service.chats.runs:
        app.include_router(chat.router(service.chats))
    app.include_router(about(service, keeper))
    # Swagger's files come out of a package: FastAPI's own page loads them, and a validator, from elsewhere.
    patch_fastapi(app, redirect_from_root_to_docs=False, swagger_ui_parameters={"validatorUrl": None})
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _bug)
    app.add_middleware(Gate, keeper=keeper)
    keeper.told = service.measures.request
    service.measures.watch(lambda: service.batcher.waiting, lambda: keeper.active)
    return app


def about(service: Service, keeper: Gatekeeper) -> APIRouter:
    """What is served, whether it is well, and what it has done."""
    routes = APIRouter(tags=["server"])

    @routes.get("/health")
    def health() -> JSONResponse:
        """200 while requests are taken, 503 while the server shuts down."""
        if keeper.draining:
            return JSONResponse({"status": "draining"}, 503)
        if not service.chats.well:
            return JSONResponse({"status": "engine_down"}, 503)
        return JSONResponse({"status": "ok"})

    @routes.get("/ping")
    def ping() -> JSONResponse:
        """The same under the name that SageMaker asks of a container."""
        return health()

    @routes.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> PlainTextResponse:
        """Prometheus' text format."""
        return PlainTextResponse(service.measures.page(), media_type=CONTENT_TYPE_LATEST)

    @routes.get("/v1/models")
    def models() -> dict[str, Any]:
        """The runs that are served, by name."""
        return {"object": "list", "data": service.models()}

    @routes.get("/v1/models/{name}")
    def model(name: str) -> dict[str, Any]:
        """One of them."""
        found = next((one for one in service.models() if one["id"] == name), None)
        return found or service.described(service.run(name))

    return routes


def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProblemError)
    return error.response(request.url.path)


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    unknown = error.status_code == 404
    message = f"no route {request.method} {request.url.path}: see /docs." if unknown else str(error.detail)
    return ProblemError(error.status_code, message, headers=dict(error.headers or {})).response(
        request.url.path
    )


def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return unreadable(request.url.path, error.errors())


def _bug(request: Request, error: Exception) -> JSONResponse:
    """A bug: the traceback goes to the server's log, not to the client."""
    return ProblemError(500, "the server failed at this request; its log says how.").response(
        request.url.path
    )
