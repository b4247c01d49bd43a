"""``chargepoint schema``: the JSON Schema of the config."""

import json

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of the config, with the keys of every installed driver.

    Editors use it by a first line in the config such as
    ``# yaml-language-server: $schema=./schema.json``.
    """
    from chargepoint.config import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
