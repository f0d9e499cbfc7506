"""The checks and the stages of a user's own model, asked of an interpreter in a child process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from mnist_bench.checks.elsewhere import ask_child, ask_environment, ask_in_turn
from mnist_bench.checks.known import apply_known, load_known
from mnist_bench.own import serve
from mnist_bench.own.checks import CONTRACT_ENGINE, name_own_checks
from mnist_bench.own.records import OwnProbe, OwnTraining
from mnist_bench.records.config import Case
from mnist_bench.records.serial import convert
from mnist_bench.records.verdicts import CheckResult
from mnist_bench.training.workers.interpreters import CommandError
from mnist_bench.versions.upgrade.rounds import Task

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mnist_bench.own.records import ModelFile, OwnConfig
    from mnist_bench.records.environment import EnvironmentRecord

__all__ = ["ENGINE", "ask_own_checks", "ask_own_probe", "ask_own_training", "make_own_task", "name_case"]

T = TypeVar("T")

ENGINE = "fit"  # the only one that trains a model of the user's own


class OwnCase(Case):
    """A model of the user's own. As text its name alone, because there is one engine."""

    __slots__ = ()

    def __str__(self) -> str:
        """Return the name."""
        return self.lab


def name_case(model: ModelFile) -> Case:
    """Return the model and the engine."""
    return OwnCase(model.name, ENGINE)


def ask_own_checks(
    python: Path | None,
    config: OwnConfig,
    *,
    environment: EnvironmentRecord | None = None,
    cores: Sequence[int] | None = None,
    first: int = 0,
) -> Iterator[CheckResult]:
    """Run the checks of a model in another process, with known regressions taken into account.

    A check in which the process dies did not run.

    Args:
        python: The interpreter; None means this process's own.
        config: The model.
        environment: The fingerprint of the interpreter; None has the interpreter asked for it.
        cores: The cores that the other process is pinned to; None leaves all.
        first: The place of the first check to run.

    Raises:
        CommandError: No check can be run, such as of a model that cannot be built; no result has been yielded.
    """

    def ask(place: int) -> Iterator[CheckResult]:
        return ask_child(serve.MODULE, python, CheckResult, cores, ask="checks", config=config, first=first + place)

    environment = environment or ask_environment(python, device=config.device, cores=cores)
    for result in ask_in_turn(name_own_checks(config.model)[first:], ask):
        yield apply_known(result, CONTRACT_ENGINE, vars(environment), load_known())


def ask_own_probe(python: Path | None, config: OwnConfig, *, cores: Sequence[int] | None = None) -> OwnProbe:
    """Return every stage of a model's training in another process.

    Args:
        python: As for `ask_own_checks`.
        config: The model and the seed.
        cores: As for `ask_own_checks`.

    Raises:
        CommandError: The process gives no answer, or that to another question.
    """
    return _ask_once(python, OwnProbe, cores, "probe", config)


def ask_own_training(python: Path | None, config: OwnConfig) -> OwnTraining:
    """Return a training of a model in another process.

    Raises:
        CommandError: As for `ask_own_probe`.
    """
    return _ask_once(python, OwnTraining, None, "train", config)


def _ask_once(python: Path | None, form: type[T], cores: Sequence[int] | None, ask: str, config: OwnConfig) -> T:
    for record in ask_child(serve.MODULE, python, form, cores, ask=ask, config=config):
        if record.config != config:
            raise CommandError(f"the answer is of {record.config!r}, not {config!r}", [])
        found: T = record
        return found
    raise CommandError("the process ended without an answer", [])


def make_own_task(config: OwnConfig) -> Task[OwnTraining]:
    """Return the task of training a model on both sides; each goes on by itself, as a callback may stop either."""

    def read(event: dict[str, Any]) -> OwnTraining | None:
        if event["event"] != "value":
            return None
        record: OwnTraining = convert(event["value"], OwnTraining, origin="the answer")
        if record.config != config:
            raise ValueError(f"{config.model.name}, seed {config.seed}: the answer is of another training")
        return record

    request = {"ask": "train", "config": config}
    return Task(serve.MODULE, request, name_case(config.model), config.seed, read)
