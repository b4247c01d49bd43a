"""Every input that fuzzing kept ends as it did then; ``scripts/fuzz all --keep`` makes them."""

import logging
from collections.abc import Iterator

import fuzz_target
import pytest

MOST_BYTES = 300 * 1024


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The inputs are made to be complained about."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", fuzz_target.names())
def test_what_fuzzing_found_ends_as_it_did(name: str) -> None:
    target = fuzz_target.load(name)
    kept = list(fuzz_target.kept(name))

    ends = [target.run(one.data) for one in kept]

    assert kept
    assert ends == [one.ends for one in kept]


@pytest.mark.parametrize("name", fuzz_target.names())
def test_what_fuzzing_begins_with_is_taken(name: str) -> None:
    target = fuzz_target.load(name)

    assert all(target.run(data) for data in target.seeds())


def test_the_corpus_is_small_and_belongs_to_targets() -> None:
    files = list(fuzz_target.CORPUS.glob("*"))

    assert {path.stem for path in files} == set(fuzz_target.names())
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
