"""``chargepoint demo``: one signed session without hardware, told step by step."""

import asyncio
import json
import shutil
import sys
import textwrap
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

import click

BAR: Final = 30
WIDEST: Final = 100


class _Kwh(click.ParamType[Decimal]):
    name = "kWh"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        try:
            kwh = Decimal(str(value))
        except InvalidOperation:
            kwh = Decimal(0)
        if not Decimal("0.01") <= kwh <= Decimal(500):
            self.fail(f"found {value!r}, allowed 0.01 to 500", param, ctx)
        return kwh


@click.command()
@click.option("--ocpp", "version", type=click.Choice(["1.6", "2.0.1"]), default="2.0.1")
@click.option("--kwh", type=_Kwh(), default="5", show_default=True, help="Energy to deliver.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def demo(version: str, kwh: Decimal, *, as_json: bool) -> int:
    """Play one charging session with a simulated meter and CSMS, and check its signed record.

    Everything runs on real protocols on this machine: Modbus RTU on a pseudo-terminal, OCPP on a
    WebSocket. Exit code 1 if the session did not complete or the record does not verify.
    """
    from chargepoint.bench.demo import DemoFailed, run

    teller = _Silent() if as_json else _Screen()
    try:
        outcome = asyncio.run(run(version, kwh, teller))
    except DemoFailed as error:
        click.echo(str(error), err=True)
        return 1
    if as_json:
        click.echo(json.dumps(outcome.as_json()))
    else:
        click.echo()
        click.echo("The record, as any OCMF verifier takes it:")
        click.echo(outcome.record)
        click.echo("The meter's public key:")
        click.echo(outcome.public_key)
        click.echo("Check it yourself: chargepoint ocmf verify --public-key KEY FILE")
    return 0 if outcome.verified else 1


class _Silent:
    def step(self, title: str, *lines: str) -> None:
        """Say nothing."""

    def progress(self, done: float, text: str) -> None:
        """Say nothing."""


@dataclass
class _Screen:
    number: int = 0
    drawing: bool = False

    def step(self, title: str, *lines: str) -> None:
        """A numbered heading and its lines."""
        if self.drawing:
            click.echo()
            self.drawing = False
        self.number += 1
        click.echo()
        click.secho(f"{self.number}. {title}", bold=True)
        width = min(shutil.get_terminal_size().columns, WIDEST)
        for line in lines:
            indent = " " * (3 + len(line) - len(line.lstrip()))
            click.echo(textwrap.fill(line, width, initial_indent="   ", subsequent_indent=indent))

    def progress(self, done: float, text: str) -> None:
        """A bar on a terminal, one line at the end elsewhere."""
        if sys.stdout.isatty():
            full = round(min(done, 1.0) * BAR)
            click.echo(f"\r   [{'#' * full}{'.' * (BAR - full)}] {text}   ", nl=False)
            self.drawing = True
        elif done >= 1.0:
            click.echo(f"   {text}")
