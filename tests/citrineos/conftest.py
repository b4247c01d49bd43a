"""A CitrineOS that runs somewhere, named by four variables; without them nothing here runs.

See "At a CitrineOS" in the README. Its database is written to: use one that is there for tests.
Security profiles 2 and 3 are tried where ``CITRINEOS_CA_FILE`` (and ``CITRINEOS_CERT_FILE`` with
``CITRINEOS_KEY_FILE``) say what a station needs for them.
"""

import os
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from citrine_office import Office, office
from citrine_site import Site, Trust, site
from citrine_table import PLACE, RECORD, Table

NEEDED = ("CITRINEOS_WS_201", "CITRINEOS_WS_16", "CITRINEOS_REST", "CITRINEOS_DATABASE_URL")
MISSING = [name for name in NEEDED if not os.environ.get(name)]
NO_SERVER = f"no CitrineOS: {', '.join(MISSING)} not set"
Open: TypeAlias = Callable[..., AbstractAsyncContextManager[Site]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--citrineos-table FILE``: what was tried where, with what result, as Markdown."""
    parser.addoption("--citrineos-table", type=Path, metavar="FILE")


def pytest_configure(config: pytest.Config) -> None:
    """One process writes the table; of a parallel run that is the one that hears of all tests."""
    file = config.getoption("--citrineos-table", None)
    if file is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table(file))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All need the server, and none of them is quick: CitrineOS may park a call for 30 s."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(400))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """All that is skipped for want of a server stands in one line of the summary."""
    report = yield
    if report.skipped and MISSING:
        report.longrepr = (__file__, 1, f"Skipped: {NO_SERVER}")
    return report


@pytest.fixture
async def citrineos() -> AsyncIterator[Office]:
    if MISSING:
        pytest.skip(NO_SERVER)
    async with office(dict(os.environ)) as found:
        yield found


@pytest.fixture
def open_site(citrineos: Office, tmp_path: Path, request: pytest.FixtureRequest) -> Open:
    """``open_site("2.0.1", profile=1, meter="iem-dcr")``: a station that CitrineOS accepted.

    ``needs`` are the calls that its REST interface must offer in this version.
    """
    trust = Trust(*(os.environ.get(f"CITRINEOS_{name}_FILE", "") for name in ("CA", "CERT", "KEY")))
    note = request.node.user_properties.append

    def opened(
        version: str, *, profile: int = 0, needs: tuple[str, ...] = (), **more: Any
    ) -> AbstractAsyncContextManager[Site]:
        note((PLACE, (version, str(profile))))
        door = citrineos.doors.get((version, profile))
        if door is None or not trust.enough_for(profile):
            pytest.skip(
                f"this CitrineOS has no port for OCPP {version}, security profile {profile}"
            )
        if missing := [call for call in needs if (version, call) not in citrineos.calls]:
            pytest.skip(f"CitrineOS does not offer {', '.join(missing)} in OCPP {version}")
        return site(
            citrineos,
            door,
            tmp_path,
            trust=trust,
            on_record=lambda record, verdict: note((RECORD, (record.decode(), verdict))),
            **more,
        )

    return opened
