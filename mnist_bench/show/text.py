"""Check results as text for people, as Markdown for a CI summary, as JUnit XML and as JSON."""

from __future__ import annotations

import html
import re
import statistics
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from mnist_bench.records.serial import dump_json
from mnist_bench.records.verdicts import CheckResult, Verdict, conclude, exit_status

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "escape_markdown",
    "format_json",
    "format_junit",
    "format_line",
    "format_markdown",
    "format_spread",
    "format_summary",
]

# For CI systems: a failure is a regression, an error is a check without an answer.
_JUNIT_ELEMENTS = {
    Verdict.REGRESSED: "failure",
    Verdict.MISSING: "error",
    Verdict.INCONCLUSIVE: "error",
    Verdict.NO_BASELINE: "error",
    Verdict.KNOWN: "skipped",
}

# What XML 1.0 cannot hold, not even escaped (section 2.2), such as the colour codes of a terminal.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def format_line(result: CheckResult) -> str:
    """Return verdict, check, figure and bound on one line; below, evidence and command of a check that is not green."""
    line = f"{result.verdict.value:<12} {result.name:<42} {result.figure}  ({result.bound})"
    more = [] if result.verdict in (Verdict.PASS, Verdict.IDENTICAL) else [result.evidence, result.command]
    # A PASS by statistics has evidence, too: which change would have been detected.
    if result.verdict is Verdict.PASS and result.check in ("accuracy/accuracy", "accuracy/loss"):
        more = [result.evidence]
    below = "\n".join(text for text in more if text)
    return "\n".join([line, *(f"{'':13}{text}" for text in below.splitlines())])


def format_summary(results: Sequence[CheckResult]) -> str:
    """Return the last line: the verdict of all checks together, and the number of checks with each verdict."""
    counts = {verdict: sum(result.verdict is verdict for result in results) for verdict in Verdict}
    said = ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count)
    return f"{conclude(result.verdict for result in results).value}: {said}"


def format_spread(values: Sequence[float], limits: tuple[float, float] | None = None) -> str:
    """Return the mean, the standard deviation of several values, and limits, such as the lowest and highest value."""
    deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    ends = f" ({limits[0]:.4f} to {limits[1]:.4f})" if limits else ""
    return f"{statistics.fmean(values):.4f}{deviation}{ends}"


def format_json(results: Sequence[CheckResult]) -> str:
    """Return the results, and the verdict of all together, as JSON."""
    verdict = conclude(result.verdict for result in results)
    return dump_json({"verdict": verdict, "exit_status": exit_status(results), "checks": list(results)})


def format_markdown(results: Sequence[CheckResult]) -> str:
    """Return the results as a Markdown table, for the summary of a CI job, with evidence and commands below."""
    lines = [
        f"**{format_summary(results)}**",
        "",
        "| verdict | check | figure | bound |",
        "| --- | --- | --- | --- |",
    ]
    for result in results:
        cells = (
            result.verdict.value,
            _code(result.name),
            escape_markdown(result.figure),
            escape_markdown(result.bound),
        )
        lines.append(f"| {' | '.join(cells)} |")
    for result in results:
        if result.evidence and result.verdict is not Verdict.PASS:
            command = f" {_code(result.command)}" if result.command else ""
            lines += ["", f"- {_code(result.name)}: {escape_markdown(result.evidence)}{command}"]
    return "\n".join(lines) + "\n"


def format_junit(results: Sequence[CheckResult]) -> str:
    """Return the results as JUnit XML, with a test case for each check."""
    elements = [_JUNIT_ELEMENTS.get(result.verdict) for result in results]
    suite = ET.Element("testsuite", name="mnist-bench", tests=str(len(results)))
    for kind, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(count, str(elements.count(kind)))
    for result, element in zip(results, elements, strict=True):
        name = result.name.removeprefix(f"{result.layer}/")
        case = ET.SubElement(suite, "testcase", classname=f"mnist_bench.{_clean(result.layer)}", name=_clean(name))
        message = _clean(f"{result.verdict.value}: {result.figure} ({result.bound})")
        if element:
            more = "\n".join(text for text in (result.evidence, result.command) if text)
            ET.SubElement(case, element, message=message).text = _clean(more)
        else:
            ET.SubElement(case, "system-out").text = message
    ET.indent(suite)
    content: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
    return content.decode() + "\n"


def _clean(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)


def _code(text: str) -> str:
    """Return text as Markdown code, with pipes escaped, at which a table would split the code."""
    return f"`{_unsplit(text)}`"


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows without changes."""
    return _unsplit(html.escape(text, quote=False).replace("\\", "\\\\"))


def _unsplit(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
