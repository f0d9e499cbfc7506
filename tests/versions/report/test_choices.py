"""From any version to any other: what is worse comes first, what is not known is said, and nothing is made up."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING

from fixtures.records import make_history
from mnist_bench.records.verdicts import CheckResult, Verdict, conclude
from mnist_bench.versions import figures
from mnist_bench.versions.comparison import compare_versions
from mnist_bench.versions.records import VersionRecord
from mnist_bench.versions.releases import MATRIX, find_version
from mnist_bench.versions.report.choices import FACTS, Choice, Chooser, pack_choices
from mnist_bench.versions.report.collection import make_collection
from mnist_bench.versions.report.findings import collect_findings

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from mnist_bench.timing.ab.records import AbRecord

    MakeVersions = Callable[..., dict[str, VersionRecord]]

OLDER, OLD, NEW, NEWER = "py311-tf214", "py311-tf215", "py312-tf216", "py312-tf217"
FROZEN = "training visits the samples in the same order in every epoch (frozen shuffle)"


def make_chooser(records: dict[str, VersionRecord], pairs: dict[str, AbRecord] | None = None) -> Chooser:
    """Return what compares these records."""
    findings = collect_findings(make_collection(records.values(), pairs))
    return Chooser(findings.sharing, findings.collection.pairs, findings.costs, findings.name)


def judge(records: dict[str, VersionRecord], base: str, name: str, **pairs: AbRecord) -> Choice:
    """Return the comparison of two of these records."""
    return make_chooser(records, {pair.python_b: pair for pair in pairs.values()}).judge(base, name)


def words(choice: Choice) -> dict[str, str]:
    """Return the words of the facts."""
    return {name: fact.word for name, fact in choice.facts.items()}


def test_the_same_bits(make_versions: MakeVersions, make_ab: Callable[..., AbRecord]) -> None:
    """Nothing is worse if the bits are the same and the time is, too; without a time, nothing is shown to be."""
    records = make_versions([OLDER, OLD])
    choice = judge(records, OLDER, OLD, pair=make_ab(python_a=OLDER, python_b=OLD))
    assert choice.sentence == "nothing is worse; accuracy and loss are the same, bit for bit; training takes as long."
    assert (choice.tone, list(choice.facts)) == ("good", list(FACTS))
    assert words(choice) == {
        **dict.fromkeys(("bits", "accuracy", "loss"), "IDENTICAL"),
        **dict.fromkeys(("time", "checks"), "PASS"),
    }
    untimed = judge(records, OLDER, OLD)
    assert untimed.sentence.startswith("nothing is shown to be worse; ")
    assert untimed.sentence.endswith("; the two were not timed against each other.")
    assert (untimed.tone, untimed.facts["time"].word) == ("open", "NOT MEASURED")


def test_a_known_defect_comes_in_and_goes(make_versions: MakeVersions) -> None:
    """A new defect has its cost as the records have it; on the way back it is gone, and nothing is worse."""
    records = make_versions([OLD, NEW], seeds=9, cost=0)
    choice = judge(records, OLD, NEW)
    assert choice.sentence.startswith(f"{FROZEN}, which costs the MLP at most 0.")
    assert "; accuracy and loss are as good; " in choice.sentence
    assert (choice.tone, choice.facts["checks"].word) == ("bad", "REGRESSED")
    assert choice.facts["checks"].text == "new: frozen shuffle"
    back = judge(records, NEW, OLD)
    assert "; the frozen shuffle is gone; " in back.sentence
    assert (back.facts["checks"].word, back.facts["checks"].text) == (
        "PASS",
        "gone: frozen shuffle; all others hold in both",
    )


def test_an_old_defect_in_both_is_no_verdict(make_versions: MakeVersions, make_ab: Callable[..., AbRecord]) -> None:
    """Nothing is worse, and the defect is told: the comparison is green, not KNOWN."""
    records = make_versions([NEW, NEWER])
    choice = judge(records, NEW, NEWER, pair=make_ab(python_a=NEW, python_b=NEWER))
    assert choice.sentence.startswith("nothing is worse; one old defect in both (frozen shuffle); ")
    assert (choice.tone, choice.facts["checks"].word) == ("good", "NOT WORSE")


def test_what_is_worse_comes_first(make_versions: MakeVersions, make_ab: Callable[..., AbRecord]) -> None:
    """Accuracy and loss, then a defect that no list names, then time, then a known defect."""
    records = make_versions([OLD, NEW], cost=0.006)
    bad = CheckResult(name="contract/labels[graph]", verdict=Verdict.REGRESSED, figure="7 wrong", bound="0")
    checks = {**records[NEW].checks, "graph": [*records[NEW].checks["graph"], bad]}
    records[NEW] = dataclasses.replace(records[NEW], checks=checks)
    choice = judge(records, OLD, NEW, pair=make_ab(slowdown=2.0, python_a=OLD, python_b=NEW))
    parts = choice.sentence.split("; ")
    starts = ["the test accuracy and loss are worse", "contract/labels fails", "training is ", FROZEN]
    assert [part.startswith(start) for part, start in zip(parts, starts, strict=False)] == [True] * 4
    assert choice.tone == "bad"
    assert {words(choice)[name] for name in ("accuracy", "loss", "time", "checks")} == {"REGRESSED"}
    assert parts[4:] == ["nothing else is worse."]


def test_a_gain_that_chance_does_not_explain_is_told(make_versions: MakeVersions) -> None:
    """It is no loss, no open question and not green: a metric may have changed."""
    choice = judge(make_versions([OLD, NEW], seeds=9, cost=0.004), NEW, OLD)
    assert "the test accuracy and loss are better than chance explains" in choice.sentence
    assert "not decided" not in choice.sentence
    assert (choice.tone, words(choice)["accuracy"]) == ("known", "BETTER")


def test_too_few_seeds_are_no_answer(make_versions: MakeVersions) -> None:
    """Nobody reads that nothing is worse where two seeds cannot say so."""
    choice = judge(make_versions([NEW, "py311-tf213"], seeds=2, cost=0), "py311-tf213", NEW)
    assert "whether accuracy or loss got worse is not decided" in choice.sentence
    assert "nothing else is worse" not in choice.sentence
    assert {words(choice)[name] for name in ("accuracy", "loss")} == {"INCONCLUSIVE"}
    lines = choice.facts["accuracy"].text.splitlines()
    assert len(lines) == 1
    assert re.fullmatch(
        r"the MLP: [+-]0\.\d\d points \(90% interval -\d\.\d\d to \+\d\.\d\d\), margin 0\.15; 2 and 2 seeds", lines[0]
    )
    assert re.fullmatch(
        r"the MLP: [+-]0\.\d{4} \(90% interval -0\.\d{4} to \+0\.\d{4}\), margin 0\.\d{4}; 2 and 2 seeds",
        choice.facts["loss"].text,
    )


def test_the_stage_at_which_bits_part_is_told_once(make_versions: MakeVersions) -> None:
    """One line a method, with the first stage and its labs."""
    text = judge(make_versions([OLD, NEW]), OLD, NEW).facts["bits"].text
    assert text == "first stage that differs\nKeras's fit: data order (the MLP)"


def test_bits_that_nobody_judged_are_an_open_question(
    make_versions: MakeVersions, make_ab: Callable[..., AbRecord]
) -> None:
    """An engine that moved and was not trained in full is named, and the comparison is not green, as in `compare`."""
    records = make_versions([NEW, NEWER])
    probes = [
        probe
        if probe.config.engine != "fused"
        else dataclasses.replace(probe, stages=[dataclasses.replace(probe.stages[0], digest="1" * 64, values=[0.75])])
        for probe in records[NEWER].probes
    ]
    records[NEWER] = dataclasses.replace(records[NEWER], probes=probes)
    verdict = conclude(result.verdict for result in compare_versions(records[NEW], records[NEWER]).results)
    choice = judge(records, NEW, NEWER, pair=make_ab(python_a=NEW, python_b=NEWER))
    assert (verdict.value, choice.tone) == ("INCONCLUSIVE", "open")
    assert choice.sentence.startswith("nothing is shown to be worse; ")
    assert "; some of the bits are not judged; " in choice.sentence
    assert "bits/mlp-fused" in choice.facts["bits"].text


def test_steps_on_the_way(make_versions: MakeVersions, make_ab: Callable[..., AbRecord]) -> None:
    """A slower step is told if no other step is faster: what one loses another may win."""
    names = [OLD, NEW, NEWER]
    records = make_versions(names, cost=0)
    slow = make_ab(slowdown=2.0, python_a=OLD, python_b=NEW)
    for slowdown, told in ((1.0, True), (0.5, False)):
        other = make_ab(slowdown=slowdown, python_a=NEW, python_b=NEWER)
        choice = judge(records, OLD, NEWER, slow=slow, other=other)
        assert ("on the way, TensorFlow 2.16 with Keras 3.0 trains " in choice.sentence) == told
        assert choice.facts["time"].word == "IN STEPS"
        assert "TensorFlow 2.16 with Keras 3.0 trains " in choice.facts["time"].text
        assert choice.sentence.endswith("the two were not timed against each other.")


def test_the_verdicts_are_those_of_compare(make_versions: MakeVersions) -> None:
    """Of every ordered pair: no field is green where `compare` has a worse verdict on it."""
    records = make_versions([OLDER, OLD, NEW, NEWER], seeds=7, cost=0.001)
    chooser = make_chooser(records)
    for base in records:
        for name in records:
            if base == name:
                continue
            results = compare_versions(records[base], records[name]).results
            for metric in ("accuracy", "loss"):
                said = {result.verdict.value for result in results if result.check == f"accuracy/{metric}"}
                assert chooser.judge(base, name).facts[metric].word in (said or {"IDENTICAL"})


def test_versions_that_cannot_be_compared_say_so(make_versions: MakeVersions) -> None:
    """Trainings of another length give a reason and no verdict; a new defect is told all the same."""
    records = make_versions([OLD, NEW], seeds=2)
    (results,) = records[NEW].accuracy
    short = dataclasses.replace(results, epochs=1, history=make_history(1))
    records[NEW] = dataclasses.replace(records[NEW], accuracy=[short])
    choice = judge(records, OLD, NEW)
    assert {words(choice)[name] for name in ("bits", "accuracy", "loss", "checks")} == {"INCONCLUSIVE"}
    assert choice.facts["accuracy"].text == "mlp-epoch: trained for 20 and for 1 epochs: cannot be compared"
    assert choice.sentence.startswith(FROZEN)


def test_every_ordered_pair_is_packed(make_versions: MakeVersions) -> None:
    """Each pair of measured versions is there once, a version with itself is not, and each text stands once."""
    records = make_versions([OLD, NEW, NEWER], seeds=2)
    records["py312-tf218"] = VersionRecord(version=find_version("py312-tf218"))
    chooser = make_chooser(records)
    packed = json.loads(json.dumps(pack_choices(chooser)))
    assert [key for key, _ in packed["names"]] == [OLD, NEW, NEWER]
    assert packed["names"][1] == [NEW, "TensorFlow 2.16 with Keras 3.0"]
    assert [[pair is None for pair in row] for row in packed["pairs"]] == [
        [place == other for other in range(3)] for place in range(3)
    ]
    assert len(set(packed["texts"])) == len(packed["texts"])
    choice, (tone, sentence, facts) = chooser.judge(OLD, NEWER), packed["pairs"][0][2]
    assert (packed["texts"][tone], packed["texts"][sentence]) == (choice.tone, choice.sentence)
    told = [tuple(packed["texts"][place] for place in fact) for fact in facts]
    assert told == [(fact.word, fact.tone, fact.text) for fact in choice.facts.values()]


def test_the_same_figures_are_judged_once(make_versions: MakeVersions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions of the same bits share their verdicts: a whole matrix has two different results, so two judgements."""
    calls = []
    judge_all = figures.judge
    monkeypatch.setattr(figures, "judge", lambda *args, **rules: calls.append(1) or judge_all(*args, **rules))
    figures._judge_frozen.cache_clear()
    packed = pack_choices(make_chooser(make_versions(seeds=30, cost=0.0001)))
    assert len(packed["names"]) == len(MATRIX)
    assert len(calls) == 2
