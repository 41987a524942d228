"""The server of the pages: Gradio behind the guard, on loopback."""

import os
import secrets
import socket
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import JobError, MissingExtraError
from tuneworthy.runfolder.disk import make_folder
from tuneworthy.web.guard import TOKEN_BYTES, Guard
from tuneworthy.web.runs import Runs
from tuneworthy.web.views import own_text
from tuneworthy.web.workspace import LARGEST_TABLE, Workspace

HOST = "127.0.0.1"
PORT = 8377
MOST_CONNECTIONS = 256  # one browser's pages have some ten
SANDBOX = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
SYSTEM_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
MONO_FONTS = ("ui-monospace", "Menlo", "Consolas", "monospace")
COLOURS = {  # words on buttons and hints at 4.5 to 1 or more against what is behind them
    "button_primary_background_fill": "#1f5fbf",
    "button_primary_background_fill_dark": "#2a63b8",
    "button_primary_background_fill_hover": "#174c9c",
    "button_primary_background_fill_hover_dark": "#1f5fbf",
    "button_primary_text_color": "#ffffff",
    "button_cancel_background_fill": "#a32a2a",
    "button_cancel_background_fill_dark": "#a32a2a",
    "button_cancel_background_fill_hover": "#812020",
    "button_cancel_background_fill_hover_dark": "#812020",
    "button_cancel_text_color": "#ffffff",
    "button_cancel_text_color_dark": "#ffffff",
    "block_label_text_color": "#43474f",
    "block_label_text_color_dark": "#c5c4c0",
    "block_title_text_color": "#43474f",
    "block_title_text_color_dark": "#c5c4c0",
    "block_info_text_color": "#5f646d",
    "block_info_text_color_dark": "#a5a8af",
}
SETTINGS = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_MCP_SERVER": "False",
    "GRADIO_SSR_MODE": "False",
}


def serve(runs: Path, port: int | None, open_browser: bool, say: Callable[[str], None]) -> None:
    """Serves the pages over `runs` until it is interrupted.

    Args:
        runs: the folder of the runs.
        port: to listen on; default 8377, or a free one when that is taken.
        open_browser: whether to open the page.
        say: told the address, which holds the token.

    Raises:
        MissingExtraError: the extra is not installed.
        JobError: the port is taken.
        RunFolderError: there can be no folder of runs.
    """
    workspace = Workspace(runs)
    prepare(workspace)
    try:
        import gradio  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise MissingExtraError(
            f"the pages need {error.name}: pip install 'tuneworthy[ui]', then type tuneworthy ui again."
        ) from None
    listener = _listen(port)
    number = listener.getsockname()[1]
    token = secrets.token_urlsafe(TOKEN_BYTES)
    app = Guard(make_app(workspace), token, number)
    address = f"http://{HOST}:{number}/?token={token}"
    say(f"tuneworthy ui over {workspace.runs}\n  {address}\nStop it with Ctrl-C; runs go on without it.")
    if open_browser:
        webbrowser.open(address)
    config = uvicorn.Config(
        app,
        log_level="warning",
        timeout_graceful_shutdown=2,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
    )
    uvicorn.Server(config).run(sockets=[listener])


def prepare(workspace: Workspace) -> None:
    """Settings that Gradio reads when it is imported: nothing is reported, uploads stay in the workspace."""
    make_folder(workspace.uploads, 0o700)
    os.environ.update(SETTINGS | {"GRADIO_TEMP_DIR": str(workspace.uploads)})


def make_app(workspace: Workspace) -> Any:
    """The application without its guard: the pages, the reports, and the files of a review."""
    import gradio as gr
    from fastapi import FastAPI

    from tuneworthy.web.routes import add_routes

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_routes(app, workspace, SANDBOX)
    theme = gr.themes.Default(  # with the machine's own fonts: a named web font would be fetched
        font=SYSTEM_FONTS, font_mono=MONO_FONTS, primary_hue="blue", neutral_hue="stone"
    ).set(**COLOURS)
    pages = make_pages(workspace)
    # Gradio takes any path of the disk for an upload until it is told that the application runs, and mounting
    # it does not tell.
    pages.has_launched = True
    return gr.mount_gradio_app(
        app,
        pages,
        path="/",
        server_name=HOST,
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=LARGEST_TABLE,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=theme,
        css=own_text("style.css"),
        head=f"<script>{own_text('pages.js')}</script>",
    )


def make_pages(workspace: Workspace) -> Any:
    """Every page; the first is where one starts."""
    import gradio as gr
    from gradio.components.navbar import Navbar

    from tuneworthy.web.pages import Context, compare, listing, new, playground, review, watch

    context = Context(workspace, Runs(workspace))
    with gr.Blocks(title="tuneworthy", analytics_enabled=False, delete_cache=(3600, 86400)) as pages:
        Navbar(visible=False)
        new.build(context)
    for page, title, place in (
        (listing, "Runs", "runs"),
        (watch, "Watch", "watch"),
        (compare, "Compare", "compare"),
        (playground, "Playground", "playground"),
        (review, "Label review", "review"),
    ):
        with pages.route(title, f"/{place}", show_in_navbar=False):
            Navbar(visible=False)
            page.build(context)
    return pages.queue(default_concurrency_limit=8, max_size=64, api_open=False)


def _listen(port: int | None) -> socket.socket:
    """A socket on loopback; the usual port, or a free one where nobody asked for a certain one."""
    wanted = (PORT, 0) if port is None else (port,)
    for number in wanted:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, number))
            listener.listen()  # now, so that whoever is told the address is not turned away
        except OSError:
            listener.close()
            continue
        return listener
    raise JobError(f"port {port} cannot be used: name another one with --port.")
