"""The container file, read as an engine would: a build needs one, and a base image from outside."""

import json
import re
from pathlib import Path

from chargepoint.cli import COMMANDS

ROOT = Path(__file__).parent.parent
KNOWN = {
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "FROM",
    "HEALTHCHECK",
    "RUN",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
}


def instructions() -> list[tuple[str, str]]:
    """Each instruction and what it says, in order."""
    text = (ROOT / "Containerfile").read_text()
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    split = [line.partition(" ") for line in lines if line.strip()]
    return [(word, re.sub(" +", " ", rest).strip()) for word, _, rest in split]


def of(word: str) -> list[str]:
    return [rest for name, rest in instructions() if name == word]


def test_it_holds_known_instructions_only() -> None:
    assert {word for word, _ in instructions()} == KNOWN


def test_both_stages_begin_with_one_ordinary_image_for_any_processor() -> None:
    assert of("ARG") == ["BASE=python:3.13-slim"]
    assert of("FROM") == ["${BASE} AS build", "${BASE}"]
    assert not re.search("amd64|arm64|x86|aarch", str(instructions()))


def test_what_it_copies_is_there_and_in_the_context() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    own = [copy.split() for copy in of("COPY") if not copy.startswith("--from")]
    sources = [source for *given, _ in own for source in given]

    assert {"pyproject.toml", "chargepoint", "meters"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored


def test_it_runs_as_nobody_who_may_do_more() -> None:
    (made,) = [run for run in of("RUN") if run.startswith("useradd")]
    assert of("USER") == ["chargepoint"]
    assert "--uid 10001" in made
    assert "--groups dialout" in made
    words = [word for word, _ in instructions()]
    assert words.index("USER") > max(n for n, word in enumerate(words) if word == "RUN")


def test_it_starts_and_asks_with_commands_that_there_are() -> None:
    assert json.loads(of("ENTRYPOINT")[0]) == ["chargepoint"]
    (start,) = of("CMD")
    (check,) = of("HEALTHCHECK")
    asks = json.loads(check.partition(" CMD ")[2])

    assert json.loads(start)[0] in COMMANDS
    assert asks[:2] == ["chargepoint", "health"]
    assert asks[2] == json.loads(start)[1], "the same config"
    assert asks[1] in COMMANDS
