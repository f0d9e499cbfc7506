"""Check results as text for people, as Markdown for a CI summary, as JUnit XML and as JSON."""

from __future__ import annotations

import re
import statistics
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from mnist_bench.records.serial import dump_json
from mnist_bench.records.verdicts import CheckResult, Verdict, conclude, exit_status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnist_bench.checks.causes import Cause

__all__ = [
    "JUNIT_MARK",
    "MARKDOWN_MARK",
    "clean",
    "clean_line",
    "escape_markdown",
    "format_code",
    "format_json",
    "format_junit",
    "format_line",
    "format_markdown",
    "format_spread",
    "format_summary",
]

_TABLE = "| verdict | check | figure | bound |"
MARKDOWN_MARK = re.compile(rb"([^\n]+\n\n)?\*\*[A-Z_]+: [^\n]*\*\*\n\n" + re.escape(_TABLE.encode()))
JUNIT_MARK = re.compile(rb"<\?xml [^>\n]*>\s*<testsuite name=\"mnist-bench\"")
"""How our reports begin, by which they are known, and may be replaced: an answer, the verdict of all and a table."""

# For CI systems: a failure is a regression, an error is a check without an answer.
_JUNIT_ELEMENTS = {
    Verdict.REGRESSED: "failure",
    Verdict.MISSING: "error",
    Verdict.INCONCLUSIVE: "error",
    Verdict.UNREADABLE: "error",
    Verdict.NO_BASELINE: "error",
    Verdict.KNOWN: "skipped",
}

# What XML 1.0 cannot hold, not even escaped (section 2.2), such as the colour codes of a terminal.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


# Commands that GitHub Actions and Azure Pipelines find in a log: `::error::` in a line's beginning, `##[` anywhere.
_COMMAND = re.compile(r"^ *:(?=:)|##(?=(?:vso)?\[)", re.MULTILINE)

# What Markdown takes for more than a character. An underscore within a word is none.
_MARKDOWN = re.compile(r"[\\`*\[\]|~$<>&]|(?<![^\W_])_|_(?![^\W_])|[@#](?=\w)|://|(?<=www)\.")
_ESCAPES = {
    "<": "&lt;",
    ">": "&gt;",
    "&": "&amp;",
    "@": "@&#8203;",  # a space without width ends a mention of a user, and of an issue
    "#": "#&#8203;",
    "://": "&#58;//",
    ".": "&#46;",
}


def format_line(result: CheckResult) -> str:
    """Return verdict, check, figure and bound on one line; below, evidence and command of a check that is not green."""
    name, figure, bound = map(clean_line, (result.name, result.figure, result.bound))
    line = f"{result.verdict.value:<12} {name:<42} {figure}  ({bound})"
    more = [] if result.verdict in (Verdict.PASS, Verdict.IDENTICAL) else [result.evidence, result.command]
    # A PASS by statistics has evidence, too: which change would have been detected.
    if result.verdict is Verdict.PASS and result.check in ("accuracy/accuracy", "accuracy/loss"):
        more = [result.evidence]
    below = clean("\n".join(text for text in more if text))
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


def format_json(results: Sequence[CheckResult], cause: Cause | None = None) -> str:
    """Return the results, the verdict of all together and the likeliest cause of what has regressed, as JSON."""
    verdict = conclude(result.verdict for result in results)
    status = exit_status(results)
    return dump_json({"verdict": verdict, "exit_status": status, "cause": cause, "checks": list(results)})


def format_markdown(results: Sequence[CheckResult]) -> str:
    """Return the results as a Markdown table, for the summary of a CI job, with evidence and commands below."""
    lines = [
        f"**{format_summary(results)}**",
        "",
        _TABLE,
        "| --- | --- | --- | --- |",
    ]
    for result in results:
        cells = (
            result.verdict.value,
            format_code(result.name),
            escape_markdown(result.figure),
            escape_markdown(result.bound),
        )
        lines.append(f"| {' | '.join(cells)} |")
    for result in results:
        if result.evidence and result.verdict is not Verdict.PASS:
            command = f" {format_code(result.command)}" if result.command else ""
            lines += ["", f"- {format_code(result.name)}: {escape_markdown(result.evidence)}{command}"]
    return "\n".join(lines) + "\n"


def format_junit(results: Sequence[CheckResult]) -> str:
    """Return the results as JUnit XML, with a test case for each check."""
    elements = [_JUNIT_ELEMENTS.get(result.verdict) for result in results]
    suite = ET.Element("testsuite", name="mnist-bench", tests=str(len(results)))
    for kind, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(count, str(elements.count(kind)))
    for result, element in zip(results, elements, strict=True):
        name = result.name.removeprefix(f"{result.layer}/")
        case = ET.SubElement(
            suite, "testcase", classname=f"mnist_bench.{_clean_xml(result.layer)}", name=_clean_xml(name)
        )
        message = _clean_xml(f"{result.verdict.value}: {result.figure} ({result.bound})")
        if element:
            more = "\n".join(_clean_xml(text) for text in (result.evidence, result.command) if text)
            ET.SubElement(case, element, message=message).text = more
        else:
            ET.SubElement(case, "system-out").text = message
    ET.indent(suite)
    content: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
    return content.decode() + "\n"


def _clean_xml(text: str) -> str:
    """Return text as one line that neither XML nor the log in which a CI job repeats the report takes for more."""
    return _NO_XML.sub("\ufffd", clean_line(text))


def format_code(text: str) -> str:
    """Return text as Markdown code, in more backquotes than the text has; a table still splits code at a pipe."""
    line = clean_line(text).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    space = " " if line[:1] == "`" or line[-1:] == "`" else ""
    return f"{fence}{space}{line}{space}{fence}" if line else ""


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows without changes, on one line: no element, link, picture, mention or formula."""
    return _MARKDOWN.sub(lambda match: _ESCAPES.get(match[0]) or f"\\{match[0]}", clean_line(text))


def clean(text: str) -> str:
    """Return text, which may come from a record, that a terminal and the log of a CI job show and do not obey."""
    shown = "".join(it if it.isprintable() or it == "\n" else " " if it.isspace() else "\ufffd" for it in text)
    return _COMMAND.sub(r"\g<0> ", shown)


def clean_line(text: str) -> str:
    """Return text as `clean` does, as one line: a further line could pass for one of ours."""
    return clean(" ".join(text.split()))
