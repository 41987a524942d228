"""`tuneworthy serve`: finished runs behind HTTP."""

import os
from pathlib import Path
from typing import Annotated

import typer

from tuneworthy.cli.options import SendRows


def command(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Run folders; requests name them as `model`. In a container of SageMaker or Azure ML none: "
            "the run that was deployed there."
        ),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            "--host",
            help="Address to listen on, default 127.0.0.1; other machines need TUNEWORTHY_SERVE_KEY. In a "
            "container 0.0.0.0.",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", min=0, max=65535, help="Port, default 8000, in a container 8080; 0 takes a free one."
        ),
    ] = None,
    batch_rows: Annotated[
        int, typer.Option("--batch-rows", min=1, help="Most texts of several requests computed together.")
    ] = 32,
    batch_wait_ms: Annotated[
        float, typer.Option("--batch-wait-ms", min=0, help="How long a text waits for company.")
    ] = 5.0,
    queue_rows: Annotated[
        int, typer.Option("--queue-rows", min=1, help="Most texts that wait; more get 429 and Retry-After.")
    ] = 1024,
    most_rows: Annotated[int, typer.Option("--most-rows", min=1, help="Most texts of one request.")] = 256,
    most_bytes: Annotated[int, typer.Option("--most-bytes", min=1, help="Largest body of a request.")] = 2
    ** 20,
    most_tokens: Annotated[int, typer.Option("--most-tokens", min=1, help="Longest text.")] = 8192,
    requests_per_minute: Annotated[
        int | None,
        typer.Option(
            "--requests-per-minute",
            min=1,
            help="Most requests of one client, by its address; more get 429. Default: no limit.",
        ),
    ] = None,
    arm: Annotated[
        str | None,
        typer.Option("--arm", help="Serve this arm instead of the recommended one.", metavar="ARM"),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            "--engine",
            help="What serves runs that write texts: transformers, vllm, llamacpp.",
            metavar="ENGINE",
        ),
    ] = "transformers",
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Threads of the model; default all cores.")
    ] = None,
    send_rows: SendRows = False,
) -> None:
    """Serve finished runs: predictions, decisions with calibrated probabilities, chat; Ctrl-C stops."""
    from tuneworthy.serving.needs import require_server

    require_server()
    from tuneworthy.core.errors import JobError
    from tuneworthy.hosting import host as serve
    from tuneworthy.serving import container
    from tuneworthy.serving.server import Settings

    inside = container.placed(os.environ) if not runs else None
    if not runs and inside is None:
        raise JobError("name a run folder, such as one that `tuneworthy runs` lists: tuneworthy serve RUN.")
    settings = Settings(
        host=host or (container.HOST if inside else "127.0.0.1"),
        port=port if port is not None else container.PORT if inside else 8000,
        batch_rows=batch_rows,
        batch_wait_s=batch_wait_ms / 1000,
        queue_rows=queue_rows,
        most_rows=most_rows,
        most_bytes=most_bytes,
        most_tokens=most_tokens,
        requests_per_minute=requests_per_minute,
        threads=threads,
        send_rows=send_rows,
        behind=inside.behind if inside else None,
    )
    if inside is not None:
        serve([inside.run], settings, None, None, typer.echo)
    else:
        serve(runs or [], settings, arm, engine, typer.echo)
