"""`tuneworthy models`: the named models, and fetching them."""

from typing import Annotated

import typer

app = typer.Typer(help="List and fetch the models that have a short name.", no_args_is_help=True)


@app.command("list")
def list_models() -> None:
    """Print the named models and whether they are in the cache."""
    from tuneworthy.models.cache import model_folder
    from tuneworthy.models.catalogue import CATALOGUE

    for model in CATALOGUE.values():
        here = "here" if (model_folder(model.name) / "config.json").exists() else "not fetched"
        size = f"{model.parameters / 1e6:.0f}M"
        typer.echo(f"{model.name:14} {model.role:9} {size:>5}  {model.licence:11} {here:12} {model.summary}")


@app.command("get")
def get(
    name: Annotated[str, typer.Argument(help="A short name, a Hugging Face id or a local folder.")],
) -> None:
    """Fetch a model into the cache and print its folder."""
    from tuneworthy.models.resolve import resolve

    typer.echo(str(resolve(name, typer.echo)))
