"""The pytest plugin of a user's own model: a test for each check of the model file, and fixtures that ask for them."""

from __future__ import annotations

import os
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.own.records import OwnTraining
    from mnist_bench.own.session import OwnSession
    from mnist_bench.records.verdicts import CheckResult

__all__ = ["VERDICT", "make_model_plugin"]

VERDICT = "mnist_bench_verdict"
"""The name of the note that a test leaves for the summary: one line."""


def make_model_plugin(session: OwnSession | None) -> ModuleType:
    """Return a plugin that collects a model file's checks, with the fixtures that ask for them."""

    def pytest_collect_file(file_path: Path, parent: Any) -> Any:
        return _ModelFile.make(parent, file_path, session) if _is_file_of(session, file_path) else None

    def pytest_pycollect_makemodule(module_path: Path, parent: Any) -> Any:
        # pytest does not look for tests in the file of a model, and this process does not run it.
        return _ModelFile.make(parent, module_path, None) if _is_file_of(session, module_path) else None

    @pytest.fixture(scope="session")
    def mnist_model() -> OwnSession:
        """The model of `--mnist-model`: `find(name)` has a check run, `train(seed)` a training."""
        if session is None:
            pytest.fail("this test needs --mnist-model FILE", pytrace=False)
        return session

    @pytest.fixture(params=session.list_checks() if session else [""])
    def mnist_model_check(request: pytest.FixtureRequest, mnist_model: OwnSession) -> CheckResult:
        """The result of a check of the model; a test that uses this fixture runs once for each check."""
        return _find(mnist_model, request.param)

    @pytest.fixture(scope="session")
    def mnist_model_train(mnist_model: OwnSession) -> Callable[..., OwnTraining]:
        """A function of a seed that trains the model once a session."""
        return mnist_model.train

    plugin = ModuleType("mnist_bench_model")
    vars(plugin).update(
        pytest_collect_file=pytest_collect_file,
        pytest_pycollect_makemodule=pytest_pycollect_makemodule,
        mnist_model=mnist_model,
        mnist_model_check=mnist_model_check,
        mnist_model_train=mnist_model_train,
    )
    return plugin


def _find(session: OwnSession, name: str) -> CheckResult:
    """Return the result of a check of the model; the test fails where there is none."""
    from mnist_bench.training.workers.interpreters import CommandError

    lost = ""
    try:
        return session.find(name)
    except CommandError as error:
        lost = str(error)
    pytest.fail(lost, pytrace=False)


def _is_file_of(session: OwnSession | None, path: Path) -> bool:
    return session is not None and os.path.realpath(path) == os.path.realpath(session.model.path)


class _ModelFile(pytest.File):
    """A model file, of which each check is a test."""

    own: OwnSession | None

    @classmethod
    def make(cls, parent: Any, path: Path, own: OwnSession | None) -> Any:
        """Return the collector; without a session that of no test."""
        collector = cls.from_parent(parent, path=path)
        collector.own = own
        return collector

    def collect(self) -> Any:
        """Yield a test for each check."""
        if self.own is None:
            return
        for name in self.own.list_checks():
            item = _ModelCheck.from_parent(self, name=name)
            item.own = self.own
            yield item


class _ModelCheck(pytest.Item):
    """One check of a user's own model."""

    own: OwnSession

    def runtest(self) -> None:
        """Run the check in a child process, note the verdict, and fail where the check does not hold."""
        from mnist_bench.show.text import format_line

        result = _find(self.own, self.name)
        line = format_line(result)
        self.user_properties.append((VERDICT, line))
        if not result.holds:
            pytest.fail(line, pytrace=False)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return the file and the check's name, for the report."""
        return self.path, None, self.name
