"""The fingerprint, the probes and the fast checks of another interpreter, in which nothing of ours is installed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from mnist_bench.checks.known import apply_known, load_known
from mnist_bench.checks.layers import serve
from mnist_bench.checks.records import ProbeRecord
from mnist_bench.records.environment import EnvironmentRecord
from mnist_bench.records.serial import RecordError, convert
from mnist_bench.records.verdicts import CheckResult
from mnist_bench.training.workers.child import Child
from mnist_bench.training.workers.interpreters import CommandError, shorten_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mnist_bench.records.config import TrainingConfig

__all__ = ["ask_checks", "ask_environment", "ask_own_environment", "ask_probes", "time_import"]


def ask_environment(python: Path | None, *, device: str = "cpu") -> EnvironmentRecord:
    """Return the fingerprint of an interpreter's environment.

    Args:
        python: The interpreter; None means this process's own, asked in a fresh process.
        device: `auto`, `cpu` or `gpu`.

    Raises:
        CommandError: The interpreter gives no answer.
    """
    environment: EnvironmentRecord = next(_ask(python, EnvironmentRecord, ask="environment", device=device))
    return environment


def ask_own_environment(device: str) -> EnvironmentRecord:
    """Return the fingerprint that a fresh process of this interpreter has.

    Raises:
        ValueError: The process gives no answer.
    """
    try:
        return ask_environment(None, device=device)
    except CommandError as error:
        raise ValueError(str(error)) from error


def time_import(python: Path) -> float:
    """Return the seconds in which a fresh process of an interpreter imports TensorFlow and Keras.

    Raises:
        CommandError: The interpreter gives no answer.
    """
    seconds: float = next(_ask(python, float, ask="import"))
    return seconds


def ask_probes(python: Path, configs: Sequence[TrainingConfig]) -> Iterator[ProbeRecord]:
    """Probe trainings in another interpreter.

    Args:
        python: The interpreter.
        configs: The trainings, on the same data.

    Raises:
        CommandError: A probe fails; the probes before it have been yielded.
    """
    return _ask(python, ProbeRecord, ask="probes", configs=[vars(config) for config in configs])


def ask_checks(
    python: Path, labs: Sequence[str], *, engine: str, source: str, environment: EnvironmentRecord
) -> Iterator[CheckResult]:
    """Run the fast checks in another interpreter, with known regressions taken into account.

    Args:
        python: The interpreter.
        labs: Keys of `LABS`.
        engine: A key of `ENGINES`.
        source: The data.
        environment: What `ask_environment` returned; its versions decide about known regressions.

    Raises:
        CommandError: A check cannot be run; the results before it have been yielded.
    """
    known, device = load_known(), environment.device
    for result in _ask(python, CheckResult, ask="checks", labs=list(labs), engine=engine, source=source, device=device):
        yield apply_known(result, engine, vars(environment), known)


def _ask(python: Path | None, form: Any, **request: object) -> Iterator[Any]:
    with Child(serve.MODULE, python=python) as child:
        child.send(request)
        try:
            while (event := child.read()) and event["event"] == "value":
                yield convert(event["value"], form, origin=str(python or sys.executable))
        except (RecordError, ValueError) as error:
            raise CommandError(f"the answer cannot be read: {error}", []) from error
        if event is None:
            lines = shorten_lines(child.read_log())
            raise CommandError("".join(shorten_lines(f"{python or sys.executable} {child.explain_end()}")), lines)
        if event["event"] == "failed":
            raise CommandError(event["reason"], shorten_lines(event["details"]))
