"""Two sides of a user's own model: what is REGRESSED, what is not, and what is said of it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.sides import (
    LAYERS,
    METRICS,
    MODEL,
    change_training,
    digest,
    draw,
    make_checks,
    make_probe,
    make_side,
    make_training,
    move,
)
from mnist_bench.own.records import Metric, OwnSide
from mnist_bench.own.upgrade.answer import write_own_answer
from mnist_bench.own.upgrade.comparison import compare_own
from mnist_bench.own.upgrade.metrics import match_metrics
from mnist_bench.own.upgrade.parity import share_own_streams
from mnist_bench.records.environment import change_environment
from mnist_bench.records.verdicts import Verdict, exit_status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mnist_bench.own.upgrade.comparison import OwnCompared
    from mnist_bench.records.environment import EnvironmentRecord
    from mnist_bench.records.training import TrainingRecord

ERRORS = draw(10)
MAE = Metric(name="mae", better="lower")


@pytest.fixture
def environment(record: TrainingRecord) -> EnvironmentRecord:
    """That of both sides."""
    return record.environment


@pytest.fixture
def compare(environment: EnvironmentRecord) -> Callable[..., OwnCompared]:
    """A function that compares a base with a side that differs in rounding and in what is given."""

    def compare(errors: Sequence[Sequence[int]] | None = None, **options: Any) -> OwnCompared:
        base = make_side(environment, "a", ERRORS)
        return compare_own(base, make_side(environment, "b", errors or move(ERRORS), **options))

    return compare


def find(compared: OwnCompared, check: str) -> Any:
    """Return the one result of a check."""
    (result,) = [result for result in compared.results if result.check == check]
    return result


def list_bad(compared: OwnCompared) -> dict[str, str]:
    """Return the verdicts that are not green."""
    return {result.check: result.verdict.value for result in compared.results if not result.holds}


def test_rounding_alone_is_nothing(compare: Callable[..., OwnCompared]) -> None:
    """Every verdict is green, and the notes say where the bits part."""
    compared = compare()
    assert list_bad(compared) == {}
    assert find(compared, "structure/layers").figure == "2 layers of 1,490 trained weights"
    assert any(note.startswith("first stage that differs: forward: 1 Conv2D") for note in compared.notes)


@pytest.mark.parametrize(
    ("moved", "double", "named"),
    [
        ({"gradient: 1 Conv2D kernel": 0.3}, Verdict.REGRESSED, "gradient: 1 Conv2D kernel"),
        ({"gradient: 1 Conv2D kernel": 1e-4}, Verdict.UNREADABLE, "gradient: 1 Conv2D kernel"),
        ({"gradient: 1 Conv2D kernel": 1e-4}, Verdict.PASS, None),
        ({"gradient: 1 Conv2D kernel": 0.3}, Verdict.PASS, "gradient: 1 Conv2D kernel"),
        ({"update: 1 Conv2D kernel": 0.3}, Verdict.PASS, "update: 1 Conv2D kernel"),
        ({"forward: 2 Dense": 0.3, "loss": 0.3}, Verdict.PASS, "forward: 2 Dense"),
    ],
    ids=["parts", "unknown", "follows", "another function", "update", "first"],
)
def test_a_stage_that_moved_is_named_by_its_layer(
    environment: EnvironmentRecord, moved: dict[str, float], double: Verdict, named: str | None
) -> None:
    """It is REGRESSED, unless both sides follow the stage in float64 and rounding could have moved it so far."""
    base = make_side(environment, "a", ERRORS, checks=make_checks(double=double))
    probe, checks = make_probe(environment, "a", moved=moved), make_checks(double=double)
    new = make_side(environment, "b", move(ERRORS), probe=probe, checks=checks)
    compared = compare_own(base, new)
    if named:
        result = find(compared, "bits/bench_net")
        assert (result.verdict, result.figure.partition(" moved by ")[0]) == (Verdict.REGRESSED, named)
        told = named.replace("forward: ", "forward pass of layer ").replace(": ", " of layer ")
        assert f"The first stage that moved is the {told}." in write_own_answer(compared, base, new)
    else:
        assert list_bad(compared) == {}
        assert any("but both sides follow the same stage in float64" in note for note in compared.notes)


def test_a_gradient_that_is_rounding_alone_moves_as_far_as_it_likes(environment: EnvironmentRecord) -> None:
    """Such as of a bias before a batch normalisation, and Adam's update by that: nothing is REGRESSED."""
    small = ["gradient: 1 Conv2D kernel"]
    moved = {"gradient: 1 Conv2D kernel": 0.5, "update: 1 Conv2D kernel": 0.5}
    sides = [
        make_side(environment, bits, errors, probe=make_probe(environment, "a", moved=by, small=small))
        for bits, errors, by in (("a", ERRORS, {}), ("b", move(ERRORS), moved))
    ]
    assert list_bad(compare_own(*sides)) == {}


def test_the_state_of_a_layer_is_no_random_number(environment: EnvironmentRecord) -> None:
    """A layer without trained weights, such as a normalisation of the data, may begin at other bits."""
    fixed = [LAYERS[0], dataclasses.replace(LAYERS[1], trainable=0), LAYERS[2]]
    base, new = (make_probe(environment, "a", layers=fixed) for _ in range(2))
    first, *others = new.stages
    moved = dataclasses.replace(new, stages=[dataclasses.replace(first, digest=digest("other")), *others])
    sides = [make_side(environment, "a", [], probe=probe) for probe in (base, moved)]
    assert first.name == "initial weights: 1 Conv2D"
    assert share_own_streams(*sides)


def test_the_answer_names_what_moved_behind_other_random_numbers(environment: EnvironmentRecord) -> None:
    """Where a seed draws other numbers, everything differs: what moved from the same weights says more."""
    moved = {"evaluation: loss": 0.1, "weights after epoch 5": 2.0}
    probe = make_probe(environment, "a", streams="other", moved=moved)
    base, new = make_side(environment, "a", ERRORS), make_side(environment, "b", move(ERRORS), probe=probe)
    told = write_own_answer(compare_own(base, new), base, new)
    assert "The first stage that moved is the initial weights of layer 1 Conv2D. " in told
    assert "From the same weights, the loss of the evaluation is the first that moved by more than rounding." in told


def test_weights_after_training_say_nothing_by_themselves(environment: EnvironmentRecord) -> None:
    """Rounding moves them far: no verdict of their own."""
    probe = make_probe(environment, "a", moved={"weights after epoch 5": 0.2})
    new = make_side(environment, "b", move(ERRORS), probe=probe)
    assert list_bad(compare_own(make_side(environment, "a", ERRORS), new)) == {}


def test_without_trainings_only_rounding_is_green(environment: EnvironmentRecord) -> None:
    """The same streams, given stages within rounding and the doubles followed: PASS; else somebody has to train."""
    base = make_side(environment, "a", [])
    compared = compare_own(base, make_side(environment, "b", []))
    assert find(compared, "bits/bench_net").verdict is Verdict.PASS
    assert find(compared, "metric/trainings").verdict is Verdict.INCONCLUSIVE
    other = make_side(environment, "b", [], probe=make_probe(environment, "b", streams="other"))
    assert find(compare_own(base, other), "bits/bench_net").verdict is Verdict.INCONCLUSIVE
    unknown = make_side(environment, "b", [], checks=make_checks(double=Verdict.INCONCLUSIVE))
    assert find(compare_own(base, unknown), "bits/bench_net").verdict is Verdict.INCONCLUSIVE


def test_seeds_are_pairs_where_they_begin_at_the_same_weights(environment: EnvironmentRecord) -> None:
    """Whether seeds are pairs is known from the stages, before any training; another order of samples is no reason."""
    base = make_side(environment, "a", [])
    assert share_own_streams(base, make_side(environment, "b", []))
    ordered = make_probe(environment, "b", moved={"data order": 0.6})
    assert share_own_streams(base, make_side(environment, "b", [], probe=ordered))
    other = make_side(environment, "b", [], probe=make_probe(environment, "b", streams="other"))
    assert not share_own_streams(base, other)


@pytest.mark.parametrize(
    ("old", "now", "bad"),
    [
        (Verdict.PASS, Verdict.REGRESSED, {"reproducibility/bits": "REGRESSED"}),
        (Verdict.REGRESSED, Verdict.REGRESSED, {}),
        (Verdict.REGRESSED, Verdict.PASS, {}),
        (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE, {}),
        (Verdict.PASS, Verdict.INCONCLUSIVE, {"reproducibility/bits": "INCONCLUSIVE"}),
    ],
    ids=["new", "old defect", "repaired", "unreadable", "lost"],
)
def test_checks_of_both_sides(environment: EnvironmentRecord, old: Verdict, now: Verdict, bad: dict[str, str]) -> None:
    """A check that fails in the new side alone is REGRESSED; one that fails in both is an old defect."""
    base = make_side(environment, "a", ERRORS, checks=make_checks(bits=old))
    new = make_side(environment, "b", move(ERRORS), checks=make_checks(bits=now))
    compared = compare_own(base, new)
    assert list_bad(compared) == bad
    if old is now is Verdict.REGRESSED:
        assert "One check fails in both: reproducibility/bits[bench_net]." in write_own_answer(compared, base, new)
    if old is now is Verdict.INCONCLUSIVE:
        assert any("says nothing of this model, in either environment" in note for note in compared.notes)


def test_another_model_is_found(environment: EnvironmentRecord) -> None:
    """Another width, a layer more: REGRESSED with the layer; state that Keras keeps is a note."""
    wide = [*LAYERS[:2], dataclasses.replace(LAYERS[2], trainable=2900, parameters=2900)]
    more = [*LAYERS, dataclasses.replace(LAYERS[2], name="3 Dense")]
    state = [dataclasses.replace(LAYERS[0], parameters=3), *LAYERS[1:]]
    told = []
    for layers in (wide, more, state):
        new = make_side(environment, "b", move(ERRORS), probe=make_probe(environment, "b", layers=layers))
        compared = compare_own(make_side(environment, "a", ERRORS), new)
        told.append((find(compared, "structure/layers").verdict.value, find(compared, "structure/layers").figure))
    assert told == [
        ("REGRESSED", "2 Dense: 1,450 and 2,900 trained weights"),
        ("REGRESSED", "3 Dense in new only"),
        ("PASS", "2 layers of 1,490 trained weights"),
    ]
    assert "weights that are not trained: 0 and 3" in compared.notes


def test_one_class_that_is_lost_is_found(compare: Callable[..., OwnCompared]) -> None:
    """Fifteen more errors in a hundred samples of one class, where the accuracy alone may still pass."""
    compared = compare(move(ERRORS, one=15))
    result = find(compared, "metric/classes")
    assert (result.verdict, "class 8" in result.figure) == (Verdict.REGRESSED, True)


def test_memory_is_compared(compare: Callable[..., OwnCompared]) -> None:
    """Half as much memory again is REGRESSED."""
    assert find(compare(memory=5.5e8), "memory/training").verdict is Verdict.PASS
    result = find(compare(memory=7.5e8), "memory/training")
    assert (result.verdict, result.figure) == (Verdict.REGRESSED, "750 MB, 1.50 of base's 500 MB")


def test_seconds_of_trainings_that_did_not_run_together_are_not_judged(environment: EnvironmentRecord) -> None:
    """Two records of different comparisons, or seeds that shared a core, say nothing of time."""
    base, new = make_side(environment, "a", ERRORS), make_side(environment, "b", move(ERRORS), slower=2.0)
    assert find(compare_own(base, new), "time/work").verdict is Verdict.REGRESSED
    for other in (dataclasses.replace(new, session="two"), dataclasses.replace(new, timed=[])):
        assert not [result for result in compare_own(base, other).results if result.layer == "time"]


@pytest.mark.parametrize(
    ("side", "verdict"), [("new", "REGRESSED"), ("base", "INCONCLUSIVE")], ids=["in new", "in base"]
)
def test_a_metric_that_is_not_finite(environment: EnvironmentRecord, side: str, verdict: str) -> None:
    """It is worse in the new side; in the base there is nothing to compare with. The other metrics are judged."""
    sides = {"base": make_side(environment, "a", ERRORS), "new": make_side(environment, "b", move(ERRORS))}
    first, *others = sides[side].trainings
    lost = change_training(first, figures=[None, first.figures[1]])
    sides[side] = dataclasses.replace(sides[side], trainings=[lost, *others])
    compared = compare_own(sides["base"], sides["new"])
    assert list_bad(compared) == {"metric/loss": verdict}
    assert "metric/loss[bench_net]" in compared.settled or verdict == "REGRESSED"


def test_a_metric_without_a_direction(environment: EnvironmentRecord) -> None:
    """A change beyond the margin is no loss and no gain: not decided, with what to write into the file."""
    metrics = (Metric(name="spread"), METRICS[1])
    base = make_side(environment, "a", ERRORS, metrics=metrics)
    quiet = compare_own(base, make_side(environment, "b", move(ERRORS), metrics=metrics))
    assert find(quiet, "metric/spread").verdict is Verdict.PASS
    compared = compare_own(base, make_side(environment, "b", move(ERRORS, more=4), metrics=metrics))
    result = find(compared, "metric/spread")
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "better = {'spread': \"higher\"}" in result.evidence
    assert result.name in compared.settled


def test_a_margin_of_the_file_comes_first(environment: EnvironmentRecord) -> None:
    """A loss of four points passes a margin of ten, and a loss that is ten times the spread its own margin."""
    metrics = (Metric(name="loss", better="lower", margin=1.0), dataclasses.replace(METRICS[1], margin=0.1))
    sides = [
        make_side(environment, bits, errors, metrics=metrics)
        for bits, errors in (("a", ERRORS), ("b", move(ERRORS, more=4)))
    ]
    compared = compare_own(*sides)
    assert {
        name: decision.verdict for (name, _), decision in compared.decisions.items() if name in ("loss", "accuracy")
    } == {
        "accuracy": "PASS",
        "loss": "PASS",
    }


def test_a_loss_of_one_figure_for_all_seeds_has_a_margin(environment: EnvironmentRecord) -> None:
    """Where the seeds of the base end in the same loss, another rounding is no regression."""
    sides = []
    for bits, by in (("a", 0.0), ("b", 1e-7)):
        side = make_side(environment, bits, [ERRORS[0]] * 5)
        trainings = [change_training(each, figures=[0.9 + by, each.figures[1]]) for each in side.trainings]
        sides.append(dataclasses.replace(side, trainings=trainings))
    assert list_bad(compare_own(*sides)) == {}


def test_metrics_are_matched_by_name_then_by_place_and_kind() -> None:
    """Keras 2 and 3 name some metrics differently; what one side alone has is named."""
    new = [METRICS[0], dataclasses.replace(METRICS[1], name="out_accuracy")]
    pairs, alone = match_metrics(METRICS, new)
    assert [(a.name, b.name) for a, b in pairs] == [("loss", "loss"), ("accuracy", "out_accuracy")]
    assert alone == []
    pairs, alone = match_metrics([*METRICS, MAE], METRICS)
    assert (len(pairs), alone) == (2, ["mae in base only"])
    pairs, alone = match_metrics([METRICS[0], MAE], METRICS)
    assert (len(pairs), alone) == (1, ["mae in base only", "accuracy in new only"])


def test_other_classes_are_not_compared(environment: EnvironmentRecord) -> None:
    """Their numbers are named, and the metrics are judged nevertheless."""
    new = make_side(environment, "b", move(ERRORS))
    odd = [change_training(each, class_sizes=[500, 500], class_errors=[1, 2]) for each in new.trainings]
    compared = compare_own(make_side(environment, "a", ERRORS), dataclasses.replace(new, trainings=odd))
    assert find(compared, "metric/classes").figure == "10 and 2 classes"
    assert find(compared, "metric/accuracy").verdict is Verdict.PASS


def test_epochs_that_a_callback_moved_are_a_note(compare: Callable[..., OwnCompared]) -> None:
    """Early stopping is part of the model, and its effect on metrics and time is judged there."""
    compared = compare(epochs=6)
    assert any(
        note.startswith("epochs: a callback ends a training after 4.0 epochs in base and 6.0")
        for note in compared.notes
    )


def test_sides_of_different_files_are_refused(environment: EnvironmentRecord) -> None:
    """One line names both."""
    base = make_side(environment, "a", [])
    other = dataclasses.replace(MODEL, digest=digest("other"))
    new = OwnSide(text="b", environment=environment, packages={}, model=other)
    with pytest.raises(ValueError, match="sides of different model files cannot be compared: bench_net"):
        compare_own(base, new)


def test_nothing_measured_is_not_green(environment: EnvironmentRecord) -> None:
    """Two records without stages and trainings: no verdict."""
    empty = OwnSide(text="a", environment=environment, packages={}, model=MODEL)
    assert exit_status(compare_own(empty, empty).results) == 3


def test_a_training_of_other_bits_is_judged_though_the_stages_are_the_same(environment: EnvironmentRecord) -> None:
    """What differs after the stages, such as a late epoch, is named."""
    base = make_side(environment, "a", ERRORS)
    new = make_side(environment, "b", move(ERRORS), probe=make_probe(environment, "a"))
    compared = compare_own(base, new)
    assert "the final weights differ in 10 of 10 seeds" in next(iter(compared.moved.values()))
    same = make_training(environment, 1671, "a", ERRORS[0])
    assert same == base.trainings[0]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"final_digest": digest("initial", 1671)}, "it ends in its initial weights: nothing was trained"),
        ({"parameters": 0}, "0 parameters, and the layers have 1,490"),
        ({"history": {"loss": [1.0, 1.0, 1.0, None]}}, "the loss is not finite after the last epoch, and every figure"),
        ({"device": "gpu"}, "the device 'gpu' was asked for, and it ran on 'cpu'"),
        ({"deterministic": False}, "op determinism was to be off, and it was on"),
    ],
)
def test_a_training_that_contradicts_itself_is_not_judged(
    environment: EnvironmentRecord, changes: dict[str, Any], told: str
) -> None:
    """Both sides agree on it, and end in the same bits: it is named."""
    side = make_side(environment, "a", ERRORS)
    first = side.trainings[0]
    if changes.keys() & {"device", "deterministic"}:
        changes = {"config": dataclasses.replace(first.config, **changes)}
    other = dataclasses.replace(side, trainings=[change_training(first, **changes), *side.trainings[1:]])
    result = find(compared := compare_own(other, other), "structure/trainings")
    assert result.figure.startswith(f"not judged: seed 1671: {told}")
    assert exit_status(compared.results) == 3
    assert exit_status(compare_own(side, side).results) == 0


def test_versions_that_cannot_be_are_not_judged(environment: EnvironmentRecord) -> None:
    """They are those of the stages, and of every training."""
    side = make_side(change_environment(environment, keras="2.1.0"), "a", ERRORS)
    told = "Keras 2.1.0 does not go with TensorFlow 2.21.0"
    compared = compare_own(side, side)
    assert find(compared, "bits/probe").figure == f"not judged: {told} in base; {told} in new"
    assert find(compared, "structure/trainings").figure.startswith(f"not judged: seed 1671: {told}, and ")
    assert exit_status(compared.results) == 3


def test_another_arithmetic_of_both_sides_is_a_note(environment: EnvironmentRecord) -> None:
    """It is the user's choice, and the reader knows by what the figures came about."""
    other = change_environment(environment, backend="jax", precision="mixed_bfloat16")
    notes = compare_own(make_side(other, "a", ERRORS), make_side(other, "b", ERRORS)).notes
    assert "both by backend jax, precision mixed_bfloat16" in notes
    notes = compare_own(make_side(environment, "a", ERRORS), make_side(environment, "b", ERRORS)).notes
    assert not any(note.startswith("both by") for note in notes)


def test_stages_that_contradict_themselves_are_not_judged(environment: EnvironmentRecord) -> None:
    """A layer of which more is trained than there is, in a probe of a device that was not asked for."""
    probe = make_probe(environment, "a", layers=[dataclasses.replace(LAYERS[1], trainable=41)])
    probe = dataclasses.replace(probe, config=dataclasses.replace(probe.config, device="gpu"))
    side = make_side(environment, "a", ERRORS, probe=probe)
    told = "the device 'gpu' was asked for, and it ran on 'cpu'; 41 of the 40 parameters of 1 Conv2D are trained"
    result = find(compared := compare_own(side, side), "bits/probe")
    assert result.figure == f"not judged: {told} in base; {told} in new"
    assert exit_status(compared.results) == 3


def test_one_text_of_a_file_has_one_margin(environment: EnvironmentRecord) -> None:
    """Metrics or margins that differ by the seed, or by the side, are named, and no further seed decides them."""
    side, new = make_side(environment, "a", ERRORS), make_side(environment, "b", move(ERRORS))
    wide = [dataclasses.replace(METRICS[0], margin=1e300), METRICS[1]]
    first = dataclasses.replace(side, trainings=[change_training(side.trainings[0], metrics=wide), *side.trainings[1:]])
    every = dataclasses.replace(side, trainings=[change_training(each, metrics=wide) for each in side.trainings])
    for base, told in (
        (first, "not judged: the seeds 1671 and 1672 of base have other metrics, or other margins"),
        (every, "not judged: the margin of loss is 1e+300 in base and None in new"),
    ):
        compared = compare_own(base, new)
        assert find(compared, "metric/agreement").figure == told
        assert compared.settled == {"metric/agreement[bench_net]"}
        assert exit_status(compared.results) == 3


def test_a_margin_of_any_size_is_judged(environment: EnvironmentRecord) -> None:
    """Beyond a billion standard deviations, the smallest shift that is found is the margin itself."""
    metrics = [dataclasses.replace(METRICS[0], margin=1e300), METRICS[1]]
    sides = (
        make_side(environment, "a", ERRORS, metrics=metrics),
        make_side(environment, "b", move(ERRORS), metrics=metrics),
    )
    assert find(compare_own(*sides), "metric/loss").verdict is Verdict.PASS


def test_what_is_not_there_is_told(environment: EnvironmentRecord) -> None:
    """Checks and stages are measured before any training; without checks and trainings, the bits were asked for."""
    side = make_side(environment, "a", ERRORS)
    probe = side.probe
    assert probe is not None
    short = dataclasses.replace(probe, stages=probe.stages[:1])
    cases: list[tuple[dict[str, Any], dict[str, str]]] = [
        ({"checks": []}, {"structure/checks": "INCONCLUSIVE"}),
        ({"checks": side.checks[:1]}, {"structure/checks": "INCONCLUSIVE"}),
        ({"probe": None}, {"bits/stages": "INCONCLUSIVE"}),
        ({"probe": short}, {"bits/stages": "INCONCLUSIVE"}),
        ({"checks": [], "trainings": [], "timed": []}, {}),
    ]
    for changes, bad in cases:
        other = dataclasses.replace(side, **changes)
        assert list_bad(compare_own(other, other)) == bad
    lost = dataclasses.replace(side, probe=None)
    for sides in ((side, lost), (lost, side)):
        assert list_bad(compare_own(*sides)) == {"bits/stages": "INCONCLUSIVE"}
    assert "bits/stages" not in list_bad(compare_own(side, dataclasses.replace(lost, failures={"probe": "killed"})))
