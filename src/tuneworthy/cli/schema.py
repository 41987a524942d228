"""`tuneworthy schema`: the JSON Schema of job files and results."""

import json

import typer


def command() -> None:
    """Print the JSON Schema of a job file, for editors that complete it."""
    from tuneworthy.data.jobfile import job_schema
    from tuneworthy.methods import METHODS

    sections = {name: METHODS.get(name).Parameters.model_json_schema() for name in METHODS.names()}
    typer.echo(json.dumps(job_schema(sections), indent=1))
