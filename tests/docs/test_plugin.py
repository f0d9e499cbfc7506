"""The page for suites of others: its example runs as it stands there, and its tables are complete."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from mnist_bench import pytest_plugin

pytest_plugins = ["pytester"]

PAGE = (Path(__file__).parents[2] / "docs" / "plugin.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_example_runs(pytester: pytest.Pytester) -> None:
    """The page's tests pass by the page's own command, and their verdicts stand at the end."""
    [example] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    [command] = re.findall(r"^    pytest (.*)$", PAGE, re.MULTILINE)
    pytester.makepyfile(test_lab=example)
    result = pytester.runpytest_subprocess("--mnist-data", "digits", "-p", "no:cacheprovider", *shlex.split(command))
    outcomes = result.parseoutcomes()
    deselected, passed = outcomes.pop("deselected"), outcomes.pop("passed")
    assert (outcomes, deselected > 0, passed > 0) == ({}, True, True)
    result.stdout.fnmatch_lines(
        ["*mnist-bench verdicts*", "PASS *threshold[[]perceptron-fused[]]*", "PASS *contract/*", "fused on digits: *"]
    )


def test_the_tables_name_every_fixture_and_option(pytester: pytest.Pytester) -> None:
    """The page has each fixture and each option of the plugin, and no others."""
    described = pytester.runpytest_inprocess("--fixtures", "--help", "-p", "no:cacheprovider").stdout.str()
    fixtures = pytester.runpytest_inprocess("--fixtures", "-p", "no:cacheprovider").stdout.str()
    rows = "\n".join(re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE))
    assert set(re.findall(r"--mnist-\w+", rows)) == set(re.findall(r"--mnist-\w+", described))
    assert set(re.findall(r"`(mnist_\w+)", rows)) == set(re.findall(r"^(mnist_\w+)", fixtures, re.MULTILINE))


def test_the_page_names_the_module() -> None:
    """The name under which the plugin is loaded or left out is that of its module."""
    assert set(re.findall(r"-p (?:no:)?([\w.]+)", PAGE)) == {pytest_plugin.__name__}
