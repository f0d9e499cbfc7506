"""The suite: the checks in their order, the sharpest first."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.records import make_digest, retrain, run_as
from mnist_bench.checks import baselines, suite
from mnist_bench.checks.layers import contracts
from mnist_bench.checks.names import name_fast_checks
from mnist_bench.checks.records import ProbeRecord, Stage
from mnist_bench.records.acceptance import make_acceptance
from mnist_bench.records.config import FIRST_SEED, TrainingConfig
from mnist_bench.records.environment import change_environment
from mnist_bench.records.serial import save
from mnist_bench.records.verdicts import Verdict
from mnist_bench.training.backend import choose_device
from mnist_bench.training.campaign import record_name
from mnist_bench.training.fingerprint import collect_environment
from mnist_bench.training.workers.events import Failed, Finished
from mnist_bench.training.workers.interpreters import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.data.dataset import Dataset
    from mnist_bench.training.workers.events import Event

MEAN, SD = 0.9770, 0.0010


@pytest.fixture
def plan(tiny: Dataset, tmp_path: Path) -> suite.CheckPlan:
    """A plan for the mlp with baselines of its own."""
    return suite.CheckPlan(
        labs=["mlp"],
        engine="fused",
        seeds=20,
        jobs=1,
        dataset=tiny,
        source="tiny",
        baselines=tmp_path / "baselines",
        folder=tmp_path / "records",
    )


def test_the_device_comes_first(plan: suite.CheckPlan) -> None:
    """A device that cannot be had is bad input, and ends the suite before anything runs, on a GPU or elsewhere."""
    with pytest.raises(CommandError, match="unknown device 'tpu'") as caught:
        next(suite.run_suite(dataclasses.replace(plan, device="tpu"), lambda _: None))
    assert caught.value.bad_input


def make_record(record: TrainingRecord, seed: int, accuracy: float) -> TrainingRecord:
    """Return a record of the mlp, in full, on the tiny data, with this accuracy and a loss that goes with it."""
    return dataclasses.replace(
        retrain(record, lab="mlp", engine="fused", seed=seed, epochs=20, data="tiny"),
        dataset=dataclasses.replace(record.dataset, source="tiny"),
        test_accuracy=accuracy,
        test_loss=0.0768 - 3 * (accuracy - MEAN),
        final_digest=make_digest(str(seed)),
        initial_digest=make_digest(f"initial {seed}"),
    )


def normal_quantile(number: int, count: int) -> float:
    """Return the mean of the `number`-th of `count` equally likely parts of a normal distribution."""
    import statistics

    return statistics.NormalDist().inv_cdf((number + 0.5) / count)


@pytest.fixture
def reference(plan: suite.CheckPlan, record: TrainingRecord) -> None:
    """An accuracy baseline of 100 seeds, spread as the mlp's are."""
    records = [make_record(record, 10_001 + n, MEAN + SD * normal_quantile(n, 100)) for n in range(100)]
    baselines.accept_accuracy(records, plan.baselines, make_acceptance("a test"))


def train_as(record: TrainingRecord, shift: float, monkeypatch: pytest.MonkeyPatch, spread: float = 1.0) -> list[int]:
    """Have the suite's trainings give the reference's distribution, shifted; return the seeds that were asked for."""
    asked: list[int] = []

    def run(campaign: object, executor: object) -> Iterator[Event]:
        del executor
        for task, config in enumerate(campaign.todo):
            asked.append(config.seed)
            # Each five seeds cover the distribution.
            place = normal_quantile((config.seed * 2) % 5, 5)
            yield Finished(task, make_record(record, config.seed, MEAN + shift + spread * SD * place))

    def plan_all(configs: Sequence[TrainingConfig], *_: object, **__: object) -> object:
        todo = [config for config in configs if config.seed not in asked]
        known = [
            make_record(record, seed, MEAN + shift + spread * SD * normal_quantile(seed * 2 % 5, 5)) for seed in asked
        ]
        return type("Campaign", (), {"done": dict(enumerate(known)), "todo": todo})()

    monkeypatch.setattr(suite, "run_campaign", run)
    monkeypatch.setattr(suite, "plan_campaign", plan_all)
    return asked


def check(plan: suite.CheckPlan, probes: dict[str, ProbeRecord] | None = None) -> dict[str, Verdict]:
    """Return the verdicts of the accuracy layer."""
    results = suite.check_results(plan, {"mlp": "bits: a test"}, lambda _event: None, probes)
    return {result.name: result.verdict for result in results}


def test_what_another_environment_trained_is_not_taken(
    plan: suite.CheckPlan, record: TrainingRecord, reference: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorFlow was upgraded, and the command is given again: the old trainings are refused, and nothing is judged."""
    del reference
    monkeypatch.setattr(suite, "run_campaign", lambda *_: pytest.fail("it trains"))
    monkeypatch.setattr(suite, "ask_own_environment", lambda _: change_environment(record.environment, keras="9.9"))
    trained = make_record(record, FIRST_SEED, MEAN)
    save(trained, plan.folder / record_name(trained.config))
    with pytest.raises(ValueError, match=r"cannot resume: trained with keras .*, here '9\.9'"):
        check(plan)


def make_probe(record: TrainingRecord, **sources: str) -> ProbeRecord:
    """Return a probe of the mlp by `fused` on the tiny data, whose stages come from these texts."""
    config = TrainingConfig(lab="mlp", engine="fused", epochs=5, data="tiny")
    named = {"initial weights": "same", "data order": "same", "update": "same"} | {
        name.replace("_", " "): source for name, source in sources.items()
    }
    stages = [Stage(name=name, digest=make_digest(name + source), values=[1.0]) for name, source in named.items()]
    dataset = dataclasses.replace(record.dataset, source="tiny")
    environment = run_as(config, record.environment)
    return ProbeRecord(config=config, environment=environment, dataset=dataset, stages=stages)


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize(
    ("sources", "keras", "paired"),
    [
        ({"update": "other"}, "3.15.1", True),
        ({"data_order": "other"}, "3.15.1", False),
        ({"update": "other"}, "3.9.0", False),
    ],
    ids=["rounding", "other order", "probe of another version"],
)
def test_rounding_is_judged_on_the_seeds_of_the_reference(
    plan: suite.CheckPlan,
    record: TrainingRecord,
    monkeypatch: pytest.MonkeyPatch,
    sources: dict[str, str],
    keras: str,
    paired: bool,  # noqa: FBT001 - a case
) -> None:
    """Where the probe draws what the reference's version drew, its own seeds are trained, and pairs decide."""
    stored = make_probe(record)
    environment = change_environment(record.environment, xla=True, keras=keras, instruction_set="other")
    baselines.accept_probe(dataclasses.replace(stored, environment=environment), plan.baselines)
    asked = train_as(record, 0.0, monkeypatch)
    results = check(plan, {"mlp": make_probe(record, **sources)})
    assert [seed >= 10_001 for seed in asked] == [paired] * len(asked)
    assert results["accuracy/accuracy[mlp-fused]"] is not Verdict.REGRESSED


@pytest.mark.usefixtures("reference")
def test_fresh_seeds_pass(plan: suite.CheckPlan, record: TrainingRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeds of the same distribution are a PASS in accuracy and loss."""
    train_as(record, 0.0, monkeypatch)
    verdicts = check(plan)
    assert verdicts.pop("accuracy/threshold[mlp-fused]") is Verdict.PASS
    assert set(verdicts.values()) == {Verdict.PASS}


@pytest.mark.usefixtures("reference")
def test_a_shift_is_regressed_at_the_first_look(
    plan: suite.CheckPlan, record: TrainingRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeds shifted by -0.4 points are REGRESSED after five seeds, though above the threshold."""
    asked = train_as(record, -0.004, monkeypatch)
    verdicts = check(plan)
    assert verdicts["accuracy/threshold[mlp-fused]"] is Verdict.PASS
    assert verdicts["accuracy/accuracy[mlp-fused]"] is Verdict.REGRESSED
    assert len(asked) == 5


@pytest.mark.usefixtures("reference")
def test_three_wide_seeds_are_inconclusive(
    plan: suite.CheckPlan, record: TrainingRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three seeds with a wide spread are no answer."""
    train_as(record, -0.001, monkeypatch, spread=2.0)
    verdicts = check(dataclasses.replace(plan, seeds=3))
    assert verdicts["accuracy/accuracy[mlp-fused]"] is Verdict.INCONCLUSIVE


def test_without_a_reference_nothing_is_trained(plan: suite.CheckPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing reference is NO_BASELINE, at once."""
    monkeypatch.setattr(suite, "run_campaign", lambda *_, **__: pytest.fail("trained"))
    assert check(plan) == {"accuracy/mlp-fused": Verdict.NO_BASELINE}


@pytest.mark.usefixtures("reference")
def test_a_failed_training_is_inconclusive(
    plan: suite.CheckPlan, record: TrainingRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training that did not finish is no answer, and named."""
    train_as(record, 0.0, monkeypatch)

    def fail(campaign: object, executor: object) -> Iterator[Event]:
        del executor
        yield Failed(0, campaign.todo[0], "mlp, seed 1671: killed", bad_input=False, details="")

    monkeypatch.setattr(suite, "run_campaign", fail)
    assert check(plan) == {"accuracy/training[mlp-fused]": Verdict.INCONCLUSIVE}


@pytest.mark.parametrize("moved", [pytest.param(False, id="same bits"), pytest.param(True, id="other bits")])
def test_bits_come_first(
    moved: bool,  # noqa: FBT001 - a case
    plan: suite.CheckPlan,
    record: TrainingRecord,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same bits are IDENTICAL, and no statistics follow; other bits name the first stage that moved."""
    config = dataclasses.replace(record.config, lab="mlp", engine="fused")
    stages = [Stage(name=name, digest=make_digest(name), values=[1.0]) for name in ("data order", "update")]
    environment = run_as(config, record.environment)
    base = ProbeRecord(config=config, environment=environment, dataset=record.dataset, stages=stages)
    baselines.accept_probe(base, plan.baselines)
    now = dataclasses.replace(base, stages=[stages[0], Stage(name="update", digest=make_digest("x"), values=[1.1])])
    monkeypatch.setattr(suite, "ask_probes", lambda *_: iter([now if moved else base]))
    result, reason, probe = suite._check_bits(plan, "mlp")
    assert probe == (now if moved else base)
    if moved:
        assert result is None
        assert "first stage that differs: update, moved by 0.091" in reason
    else:
        assert result is not None
        assert result.verdict is Verdict.IDENTICAL


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, record: TrainingRecord) -> dict[str, Any]:
    """Have other processes answer with what stands here: an environment, the results of checks, probes, or errors."""
    answers: dict[str, Any] = {"environment": record.environment, "checks": [], "probes": []}

    def answer(what: str) -> Any:
        if isinstance(answers[what], Exception):
            raise answers[what]
        return answers[what]

    monkeypatch.setattr(suite, "ask_environment", lambda **_: answer("environment"))
    monkeypatch.setattr(suite, "ask_checks", lambda *_, **__: iter(answer("checks")))
    monkeypatch.setattr(suite, "ask_probes", lambda *_: iter(answer("probes")))
    return answers


def test_another_precision_ends_the_suite(
    ask: dict[str, Any], plan: suite.CheckPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With float16 nothing else is checked, which would give false causes."""
    ask["environment"] = change_environment(ask["environment"], precision="float16")
    monkeypatch.setattr(suite, "check_results", lambda *_: pytest.fail("it trained"))
    (result,) = suite.run_suite(plan, lambda _: None)
    assert (result.name, result.verdict) == ("structure/environment", Verdict.INCONCLUSIVE)


@pytest.mark.parametrize("what", ["environment", "checks"])
def test_a_process_without_an_answer_is_inconclusive(what: str, ask: dict[str, Any], plan: suite.CheckPlan) -> None:
    """Every check that is due is named, with the reason: reports are written, and none is green."""
    ask[what] = CommandError("python ended with exit code 1: F0000 Unknown flag", [])
    first, *others = suite.check_fast_layers(plan)
    lost = [first, *others] if what == "environment" else others
    assert first.name == "structure/environment"
    assert [result.name for result in others] == ([] if what == "environment" else name_fast_checks(["mlp"], "fused"))
    assert {(result.verdict, result.figure) for result in lost} == {(Verdict.INCONCLUSIVE, "did not run")}
    assert all("Unknown flag" in result.evidence for result in lost)


def test_a_probe_that_fails_is_inconclusive(
    ask: dict[str, Any], plan: suite.CheckPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bits have no answer, and the accuracy is checked."""
    ask["probes"] = CommandError("evaluate raised TypeError: broken", [])
    moved: dict[str, str] = {}
    monkeypatch.setattr(suite, "check_results", lambda _plan, labs, _show, _probes: moved.update(labs) or iter(()))
    *_, result = suite.run_suite(plan, lambda _: None)
    assert (result.name, result.verdict) == ("bits/mlp-fused", Verdict.INCONCLUSIVE)
    assert result.evidence == "evaluate raised TypeError: broken"
    assert moved == {"mlp": "bits: the probe did not run"}


@pytest.mark.slow
def test_fast_layers_hold(plan: suite.CheckPlan, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast layers are complete, and all hold for the fused engine; tests/suite checks every contract."""
    # That another process tells its environment is seen where `mnist-bench env` is tested.
    here = collect_environment(device=choose_device(plan.device), xla=False)
    monkeypatch.setattr(suite, "ask_environment", lambda **_: here)
    plan = dataclasses.replace(plan, labs=["perceptron"], dataset=digits, source="digits")
    results = list(suite.check_fast_layers(plan))
    assert all(result.holds for result in results), results
    names = [result.name for result in results if not result.name.startswith("contract/")]
    assert names == [
        "structure/environment",
        "structure/layers[perceptron]",
        "structure/initial-weights[perceptron]",
        "structure/seeds[perceptron]",
        "arithmetic/oracle[perceptron-fused]",
        "arithmetic/figures[perceptron-fused]",
        "reproducibility/op-determinism",
        "reproducibility/bits[perceptron-fused]",
    ]
    assert len(results) == len(names) + len(contracts.CONTRACTS)


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize("name", ["initial_digest", "final_digest"])
def test_seeds_that_collide_have_regressed(
    name: str, plan: suite.CheckPlan, record: TrainingRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four different seeds among five: the accuracy may be right, and the sample is none."""
    train_as(record, 0.0, monkeypatch)
    assert check(plan)["accuracy/accuracy[mlp-fused]"] is Verdict.PASS
    sound = make_record

    def collide(record: TrainingRecord, seed: int, accuracy: float) -> TrainingRecord:
        return dataclasses.replace(sound(record, seed, accuracy), **{name: make_digest(f"c{seed % 4}")})

    monkeypatch.setattr(f"{__name__}.make_record", collide)
    train_as(record, 0.0, monkeypatch)
    assert check(plan) == {"reproducibility/trained-seeds[mlp-fused]": Verdict.REGRESSED}
