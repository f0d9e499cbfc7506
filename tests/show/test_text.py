"""Results as lines, JSON, Markdown and JUnit XML: nothing is lost, and no text breaks the form."""

from __future__ import annotations

import dataclasses
import json
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnist_bench.records.verdicts import CheckResult, Verdict, exit_status
from mnist_bench.show.text import (
    clean,
    clean_line,
    escape_markdown,
    format_code,
    format_json,
    format_junit,
    format_line,
    format_markdown,
    format_spread,
    format_summary,
)

NASTY = "a < b & c > d | e \\ f \x1b[31mred\x1b[0m\x00 \ud800 ≥ `g` <br>\nnext\r\nline"

texts = st.text(st.characters(), max_size=20) | st.just(NASTY)
results_of_any_text = st.lists(
    st.builds(
        CheckResult,
        name=texts,
        verdict=st.sampled_from(Verdict),
        figure=texts,
        bound=texts,
        evidence=texts,
        command=texts,
    ),
    min_size=1,
    max_size=4,
)


def make(verdict: Verdict, name: str = "layer/new-order[epoch]", **changes: str) -> CheckResult:
    """Return a result with this verdict."""
    fields = {"figure": "12%", "bound": "< 50%", "evidence": "why", "command": "mnist-bench check"} | changes
    return CheckResult(name=name, verdict=verdict, **fields)


ALL = [make(verdict, name=f"layer/{verdict.value.lower()}[case]") for verdict in Verdict]


def split_row(line: str) -> list[str]:
    """Return the cells of a row of a Markdown table, as GitHub splits it: a backslash saves a pipe."""
    cells, escaped = [""], False
    for character in line:
        if character == "|" and not escaped:
            cells.append("")
        else:
            cells[-1] += character
        escaped = character == "\\" and not escaped
    assert (cells[0], cells[-1]) == ("", "")
    return [cell.strip() for cell in cells[1:-1]]


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.IDENTICAL])
def test_a_green_check_is_one_line(verdict: Verdict) -> None:
    """The line has verdict, check, figure and bound."""
    assert format_line(make(verdict)).split() == [verdict.value, "layer/new-order[epoch]", "12%", "(<", "50%)"]


@pytest.mark.parametrize("verdict", ["KNOWN", "REGRESSED", "MISSING", "INCONCLUSIVE", "NO_BASELINE"])
def test_any_other_check_shows_more(verdict: str) -> None:
    """Evidence and command follow below the line, both indented."""
    _, *below = format_line(make(Verdict(verdict), evidence="why\nand how")).splitlines()
    assert below == [f"{'':13}{text}" for text in ("why", "and how", "mnist-bench check")]
    assert "\n" not in format_line(make(Verdict(verdict), evidence="", command=""))


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_the_statistics_speak_for_a_pass(metric: str) -> None:
    """The evidence of a PASS, what it could have seen, is shown."""
    line = format_line(make(Verdict.PASS, name=f"accuracy/{metric}[mlp-epoch]"))
    assert line.splitlines()[1:] == [f"{'':13}why"]


def test_the_summary_counts() -> None:
    """The worst verdict comes first, then the count of each verdict that occurs."""
    results = [make(Verdict.PASS), make(Verdict.NO_BASELINE), make(Verdict.PASS)]
    assert format_summary(results) == "NO_BASELINE: 2 PASS, 1 NO_BASELINE"
    for verdict in Verdict:
        assert f"1 {verdict.value}" in format_summary(ALL)


@pytest.mark.parametrize("form", [format_summary, format_json, format_markdown])
def test_no_results_are_no_report(form: object) -> None:
    """Without results there is no report: nothing was checked."""
    assert callable(form)
    with pytest.raises(ValueError, match="no checks ran"):
        form([])


@pytest.mark.parametrize("verdict", list(Verdict))
def test_json_says_it_all(verdict: Verdict) -> None:
    """The JSON holds the verdict, the exit status and every field of every check."""
    results = [make(Verdict.IDENTICAL), make(verdict)]
    report = json.loads(format_json(results))
    assert report["exit_status"] == exit_status(results)
    assert report["verdict"] == verdict.value
    assert report["checks"] == [dataclasses.asdict(result) for result in results]


def test_markdown_is_a_table() -> None:
    """A row for each check, below a summary and above the commands of checks that are not green."""
    first, _, *table = format_markdown(ALL).splitlines()
    assert first == f"**{format_summary(ALL)}**"
    rows = [split_row(line) for line in table[: 2 + len(ALL)]]
    assert rows[:2] == [["verdict", "check", "figure", "bound"], ["---"] * 4]
    assert rows[2:] == [[result.verdict.value, f"`{result.name}`", "12%", "&lt; 50%"] for result in ALL]
    details = [line for line in table[2 + len(ALL) :] if line]
    assert details == [
        f"- `{result.name}`: why `mnist-bench check`" for result in ALL if result.verdict is not Verdict.PASS
    ]


def test_a_markdown_cell_stays_one() -> None:
    """Pipes are escaped, lines are joined, and HTML is shown as text."""
    report = format_markdown([make(Verdict.REGRESSED, name="a/b[c|d]", figure=NASTY, bound="x\\", evidence="p|q\n<i>")])
    row = report.splitlines()[4]
    verdict, name, figure, bound = split_row(row)
    assert (verdict, name, bound) == ("REGRESSED", "`a/b[c\\|d]`", "x\\\\")
    assert figure.startswith("a &lt; b &amp; c &gt; d \\| e \\\\ f ")
    assert figure.endswith("&lt;br&gt; next line")
    assert report.splitlines()[-1].endswith(": p\\|q &lt;i&gt; `mnist-bench check`")


def test_junit_counts_what_it_holds() -> None:
    """A regression is a failure, no answer an error, a known regression skipped; all else passed."""
    suite = ET.fromstring(format_junit(ALL))  # noqa: S314 - our own
    assert suite.attrib == {"name": "mnist-bench", "tests": "9", "failures": "1", "errors": "4", "skipped": "1"}
    found = {case.get("name"): (case.get("classname"), [part.tag for part in case]) for case in suite}
    assert found == {
        "identical[case]": ("mnist_bench.layer", ["system-out"]),
        "pass[case]": ("mnist_bench.layer", ["system-out"]),
        "better[case]": ("mnist_bench.layer", ["system-out"]),
        "unreadable[case]": ("mnist_bench.layer", ["error"]),
        "known[case]": ("mnist_bench.layer", ["skipped"]),
        "regressed[case]": ("mnist_bench.layer", ["failure"]),
        "missing[case]": ("mnist_bench.layer", ["error"]),
        "inconclusive[case]": ("mnist_bench.layer", ["error"]),
        "no_baseline[case]": ("mnist_bench.layer", ["error"]),
    }


def test_junit_says_why() -> None:
    """A failure holds figure, bound, evidence and command; a pass holds figure and bound."""
    suite = ET.fromstring(format_junit([make(Verdict.REGRESSED), make(Verdict.PASS)]))  # noqa: S314 - our own
    failure, said = suite[0][0], suite[1][0]
    assert (failure.get("message"), failure.text) == ("REGRESSED: 12% (< 50%)", "why\nmnist-bench check")
    assert said.text == "PASS: 12% (< 50%)"


def test_junit_holds_any_text() -> None:
    """Markup is escaped, and what XML cannot hold, such as a terminal's colours, is replaced."""
    result = make(Verdict.INCONCLUSIVE, name=f"a/{NASTY}", figure=NASTY, evidence=NASTY)
    text = format_junit([result])
    assert text.startswith("<?xml version='1.0' encoding='utf-8'?>")
    case = ET.fromstring(text)[0]  # noqa: S314 - our own
    shown = clean_line(NASTY)
    assert case.get("name") == shown
    assert case[0].text == f"{shown}\nmnist-bench check"
    assert not {"\x1b", "\x00", "\ud800"} & set(text)


@pytest.mark.parametrize("text", ["a\u202ebc", "a\x9b31mb", "##[error]x", "::error::x"])
def test_junit_obeys_nothing(text: str) -> None:
    """A CI system repeats the report in its log: no bidi mark, no control character and no command goes through."""
    said = format_junit([make(Verdict.INCONCLUSIVE, evidence=text)])
    assert clean_line(text) != text
    assert text not in said


@given(results=results_of_any_text)
@settings(max_examples=50, deadline=None)
def test_no_text_breaks_a_report(results: list[CheckResult]) -> None:
    """Whatever the checks say, the XML has a case and the table a row of four cells for each."""
    suite = ET.fromstring(format_junit(results).encode())  # noqa: S314 - our own
    assert [case.tag for case in suite] == ["testcase"] * len(results)
    rows = format_markdown(results).split("\n")[4 : 4 + len(results)]
    assert [len(split_row(row)) for row in rows] == [4] * len(results)


def test_a_spread_says_what_the_values_give() -> None:
    """One value has no deviation; limits are shown if they are given."""
    assert format_spread([0.5]) == "0.5000"
    assert format_spread([0.4, 0.6]) == "0.5000 ± 0.1414"
    assert format_spread([0.4, 0.6], (0.4, 0.6)) == "0.5000 ± 0.1414 (0.4000 to 0.6000)"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b[32mPASS", "\ufffd[2J\ufffd[32mPASS"),
        ("a\x9b31mb\x00\x7f\x08", "a\ufffd31mb\ufffd\ufffd\ufffd"),
        ("over\rwritten", "over written"),
        ("\u202eSSAP\u2069", "\ufffdSSAP\ufffd"),
        ("::stop-commands::x", ": :stop-commands::x"),
        ("fine\n  ::error::x", "fine\n  : :error::x"),
        ("a ##[error]b ##vso[task]", "a ## [error]b ## vso[task]"),
        ("tests/x.py::test, ≥ 数 ü", "tests/x.py::test, ≥ 数 ü"),
    ],
    ids=["ansi", "controls", "return", "direction", "command", "inner command", "azure", "plain"],
)
def test_a_terminal_obeys_nothing(text: str, shown: str) -> None:
    """Control characters and commands of CI systems are shown, and lines stay lines; `clean_line` leaves one."""
    assert clean(text) == shown
    assert clean_line(text) == shown.replace("\n ", "").replace(": :error", "::error")


@given(text=st.text())
def test_any_text_is_clean(text: str) -> None:
    """No character is left that a terminal obeys, and no line that a CI system obeys."""
    for shown in (clean(text), clean_line(text)):
        assert all(it.isprintable() or it == "\n" for it in shown)
        assert not any(line.lstrip().startswith("::") or "##[" in line for line in shown.splitlines())
    assert "\n" not in clean_line(text)


def test_a_line_cannot_be_forged() -> None:
    """A name with a newline and a verdict in it is still one line."""
    result = make(Verdict.REGRESSED, name="a\nPASS: all", figure="1\nPASS", bound="\n2", evidence="\x1b[1Aup\n::x::")
    first, *more = format_line(result).splitlines()
    assert first.split() == ["REGRESSED", "a", "PASS:", "all", "1", "PASS", "(2)"]
    assert [line[:14] for line in more] == [f"{'':13}{start}" for start in "\ufffd:m"]
    assert not any("\x1b" in line or line.lstrip().startswith("::") for line in more)


MARKDOWN = {
    "`code`": "\\`code\\`",
    "![x](http://a.b)": "!\\[x\\](http&#58;//a.b)",
    "*a* _b_ snake_case": "\\*a\\* \\_b\\_ snake_case",
    "@me #12 # 3": "@&#8203;me #&#8203;12 # 3",
    "<img> & $x$ ~~y~~": "&lt;img&gt; &amp; \\$x\\$ \\~\\~y\\~\\~",
    "www.a.b 1.5": "www&#46;a.b 1.5",
    "a\n# b": "a # b",
}


@pytest.mark.parametrize(("text", "shown"), MARKDOWN.items(), ids=MARKDOWN)
def test_markdown_is_shown_as_it_stands(text: str, shown: str) -> None:
    """Links, pictures, mentions, formulas and elements are text."""
    assert escape_markdown(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    {"a": "`a`", "a`b": "``a`b``", "`a``": "``` `a`` ```", "a|b": "`a\\|b`", "a\nb": "`a b`", "": ""}.items(),
    ids=["plain", "inside", "ends", "pipe", "newline", "empty"],
)
def test_code_stays_code(text: str, shown: str) -> None:
    """No text ends its own code."""
    assert format_code(text) == shown
