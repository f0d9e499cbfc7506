"""The fingerprint, the probes and the fast checks of an interpreter, asked for in a child process.

Nothing of ours is installed there; and what ends a process, such as a wrong XLA_FLAGS, ends the child alone.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

from mnist_bench.checks.known import apply_known, load_known
from mnist_bench.checks.layers import serve
from mnist_bench.checks.names import name_fast_checks
from mnist_bench.checks.records import ProbeRecord
from mnist_bench.records.config import check_answer
from mnist_bench.records.environment import EnvironmentRecord
from mnist_bench.records.serial import convert
from mnist_bench.records.strict import RecordError
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training.workers.child import Child
from mnist_bench.training.workers.interpreters import CommandError, shorten_lines
from mnist_bench.training.workers.waiting import Watch
from mnist_bench.training.workers.worker import LOOK_SECONDS, PATIENCE_SECONDS, SILENT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from mnist_bench.records.config import TrainingConfig

    Cores: TypeAlias = Sequence[int] | None

__all__ = [
    "ask_checks",
    "ask_child",
    "ask_environment",
    "ask_in_turn",
    "ask_own_environment",
    "ask_probes",
    "did_not_run",
    "time_import",
]


def ask_environment(python: Path | None = None, *, device: str = "cpu", cores: Cores = None) -> EnvironmentRecord:
    """Return the fingerprint of an interpreter's environment.

    Args:
        python: The interpreter; None means this process's own, here and below.
        device: `auto`, `cpu` or `gpu`.
        cores: The cores that the other process is pinned to; None leaves all, here and below.

    Raises:
        CommandError: The interpreter gives no answer.
    """
    environment: EnvironmentRecord = _ask_once(python, EnvironmentRecord, cores, ask="environment", device=device)
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
    seconds: float = _ask_once(python, float, None, ask="import")
    return seconds


def ask_probes(python: Path | None, configs: Sequence[TrainingConfig], *, cores: Cores = None) -> Iterator[ProbeRecord]:
    """Probe trainings in another interpreter.

    Args:
        python: The interpreter.
        configs: The trainings, on the same data.
        cores: As for `ask_environment`.

    Raises:
        CommandError: A probe fails, or is of another training; the probes before it have been yielded.
    """
    answers = _ask(python, ProbeRecord, cores, ask="probes", configs=[vars(config) for config in configs])
    try:
        for config, probe in zip(configs, answers, strict=True):
            check_answer(config, probe.config)
            yield probe
    except ValueError as error:  # also of more or fewer probes than were asked for
        raise CommandError(f"{python} gave no answer to the question: {error}", []) from error


def ask_checks(
    python: Path | None,
    labs: Sequence[str],
    *,
    engine: str,
    source: str,
    environment: EnvironmentRecord,
    cores: Cores = None,
) -> Iterator[CheckResult]:
    """Run the fast checks in another process, with known regressions taken into account.

    A check in which the process dies did not run; another process runs the checks after it, as long as each
    process has a result.

    Args:
        python: The interpreter.
        labs: Keys of `LABS`.
        engine: A key of `ENGINES`.
        source: The data.
        environment: What `ask_environment` returned; its versions decide about known regressions.
        cores: As for `ask_environment`.

    Raises:
        CommandError: No check can be run; no result has been yielded.
    """
    known, names = load_known(), name_fast_checks(labs, engine)
    request = {"labs": list(labs), "engine": engine, "source": source, "device": environment.device}
    results = ask_in_turn(names, lambda first: _ask(python, CheckResult, cores, ask="checks", first=first, **request))
    for result in results:
        yield apply_known(result, engine, vars(environment), known)


def ask_in_turn(names: Sequence[str], ask: Callable[[int], Iterator[CheckResult]]) -> Iterator[CheckResult]:
    """Yield a result of each check, asked of as many processes as it takes.

    Args:
        names: The checks, in their order.
        ask: Asks a fresh process for the results from the check of this place on.

    Raises:
        CommandError: No check can be run; no result has been yielded.
    """
    done = 0
    while done < len(names):
        first = done
        try:
            for result in ask(first):
                if result.name not in names[done : done + 1]:
                    break  # no answer to this question
                done += 1
                yield result
            lost = CommandError("the process gave no result of this check", [])
        except CommandError as error:
            lost = error
        if not done:
            raise lost
        missed = names[done : done + 1] if done > first else names[done:]
        done += len(missed)
        yield from (did_not_run(name, str(lost)) for name in missed)


def did_not_run(name: str, reason: str) -> CheckResult:
    """Return the result of a check whose process gave none."""
    return CheckResult(
        name=name, verdict=Verdict.INCONCLUSIVE, figure="did not run", bound="runs to its end", evidence=reason
    )


def _ask_once(python: Path | None, form: Any, cores: Cores, **request: object) -> Any:
    for value in _ask(python, form, cores, **request):
        return value
    raise CommandError(f"{python or sys.executable} ended without an answer", [])


def _ask(python: Path | None, form: Any, cores: Cores, **request: object) -> Iterator[Any]:
    return ask_child(serve.MODULE, python, form, cores, patience=PATIENCE_SECONDS, **request)


def ask_child(
    module: str, python: Path | None, form: Any, cores: Cores, *, patience: float = math.inf, **request: object
) -> Iterator[Any]:
    """Ask one question of a fresh process, and yield the values of its answer.

    Args:
        module: The module of this package that answers.
        python: The interpreter; None means this process's own.
        form: The type of the values.
        cores: The cores that the process is pinned to; None leaves all.
        patience: Seconds without a value after which the process is given up; none of the lab's takes so long. A
            model of the user's own may take any time, and is not watched.
        request: The question.

    Raises:
        CommandError: The process gives no answer; the values before that have been yielded.
    """
    name = str(python or sys.executable)
    with Child(module, python=python, cores=cores) as child:
        child.send(request)
        try:
            while (event := _read(child, name, patience)) and event["event"] == "value":
                yield convert(event["value"], form, origin=name)
        except (RecordError, ValueError) as error:
            raise CommandError(f"the answer cannot be read: {error}", []) from error
        if event is None:
            lines = shorten_lines(child.read_log())
            raise CommandError("".join(shorten_lines(f"{name} {child.explain_end()}")), lines)
        if event["event"] == "failed":
            raise CommandError(event["reason"], shorten_lines(event["details"]), bad_input=event["bad_input"])


def _read(child: Child, name: str, patience: float) -> dict[str, Any] | None:
    """Return the next event of a child, whose silence is told after a minute and ended when patience is over."""
    if patience == math.inf:
        return child.read()
    with Watch(child, name, named_after=SILENT_SECONDS, patience=patience, look=LOOK_SECONDS) as watch:
        event = child.read()
    if event is None and watch.lost:
        raise CommandError("".join(shorten_lines(f"{name} {watch.lost}")), shorten_lines(child.read_log()))
    return event
