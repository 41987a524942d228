"""What is served besides the pages: a run's report, in a sandbox, and the files of a label review."""

from typing import Any

from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse, HTMLResponse

from tuneworthy.core.errors import NotFoundError
from tuneworthy.web.reviewing import FILES
from tuneworthy.web.workspace import Workspace


def add_routes(app: FastAPI, workspace: Workspace, sandbox: str) -> None:
    """Adds the two routes; names are looked up, never joined to a path."""

    def report(run: str) -> Any:
        try:
            page = workspace.run(run) / "report.html"
            content = page.read_text(encoding="utf-8")
        except (NotFoundError, OSError):
            raise HTTPException(404, "there is no report of this run") from None
        return HTMLResponse(content, headers={"content-security-policy": sandbox})

    def table_file(id: str, name: str) -> Any:
        try:
            folder = workspace.table(id).checked
        except NotFoundError:
            raise HTTPException(404, "there is no such table") from None
        known = next((file for file in FILES if file == name), None)
        if known is None or not (folder / known).is_file():
            raise HTTPException(404, "there is no such file")
        return FileResponse(folder / known, media_type="text/csv", filename=known)

    app.add_api_route("/report/{run}", report)
    app.add_api_route("/table/{id}/{name}", table_file)
