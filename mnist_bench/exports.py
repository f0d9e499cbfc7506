"""Check results as text for people, as Markdown for a CI summary, as JUnit XML and as JSON."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from mnist_bench.serial import dump_json
from mnist_bench.verdicts import EXIT_STATUS, CheckResult, Verdict, conclude

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["format_json", "format_junit", "format_line", "format_markdown", "format_summary"]

# What a CI system shows: a failure is a regression, an error is a check without an answer.
_JUNIT_ELEMENTS = {
    Verdict.REGRESSED: "failure",
    Verdict.INCONCLUSIVE: "error",
    Verdict.NO_BASELINE: "error",
    Verdict.KNOWN: "skipped",
}


def format_line(result: CheckResult) -> str:
    """Return one line: verdict, check, figure and bound; for one that is not green, what shows more below it."""
    line = f"{result.verdict.value:<12} {result.name:<42} {result.figure}  ({result.bound})"
    more = [] if result.verdict in (Verdict.PASS, Verdict.IDENTICAL) else [result.evidence, result.command]
    # The statistics speak for a PASS, too: what could have been seen.
    if result.verdict is Verdict.PASS and result.name.startswith(("accuracy/accuracy", "accuracy/loss")):
        more = [result.evidence]
    return "\n".join([line, *(f"{'':13}{text}" for text in more if text)])


def format_summary(results: Sequence[CheckResult]) -> str:
    """Return the last line: what the checks come to, and how many said what."""
    counts = {verdict: sum(result.verdict is verdict for result in results) for verdict in Verdict}
    said = ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count)
    return f"{conclude(result.verdict for result in results).value}: {said}"


def format_json(results: Sequence[CheckResult]) -> str:
    """Return the results and what they come to as JSON."""
    verdict = conclude(result.verdict for result in results)
    return dump_json({"verdict": verdict, "exit_status": EXIT_STATUS[verdict], "checks": list(results)})


def format_markdown(results: Sequence[CheckResult]) -> str:
    """Return the results as a Markdown table, for a CI job's summary."""
    lines = [
        f"**{format_summary(results)}**",
        "",
        "| verdict | check | figure | bound |",
        "| --- | --- | --- | --- |",
    ]
    for result in results:
        cells = (result.verdict.value, f"`{result.name}`", result.figure, result.bound)
        lines.append("| " + " | ".join(_escape(cell) for cell in cells) + " |")
    details = [result for result in results if result.evidence and result.verdict not in (Verdict.PASS,)]
    for result in details:
        lines += ["", f"- `{result.name}`: {_escape(result.evidence)}"]
    return "\n".join(lines) + "\n"


def format_junit(results: Sequence[CheckResult]) -> str:
    """Return the results as JUnit XML, one test case a check."""
    elements = [_JUNIT_ELEMENTS.get(result.verdict) for result in results]
    counts = {f"{kind}s": str(elements.count(kind)) for kind in ("failure", "error")}
    counts["skipped"] = str(elements.count("skipped"))
    suite = ET.Element("testsuite", name="mnist-bench", tests=str(len(results)), **counts)
    for result, element in zip(results, elements, strict=True):
        layer, _, name = result.name.partition("/")
        case = ET.SubElement(suite, "testcase", classname=f"mnist_bench.{layer}", name=name)
        message = f"{result.verdict.value}: {result.figure} ({result.bound})"
        if element:
            ET.SubElement(case, element, message=message).text = result.evidence
        else:
            ET.SubElement(case, "system-out").text = message
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _escape(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")
