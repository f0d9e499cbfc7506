"""A walk through the lab in the sheet's order: models are built and trained, and all that the sheet prints is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_bench.checks.baselines import find_reference
from mnist_bench.checks.sheet import facts
from mnist_bench.checks.sheet.figures import HISTORY_KEYS, SAMPLE, Section
from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.serial import save
from mnist_bench.training.backend import choose_device, read_keras_version
from mnist_bench.training.campaign import plan_campaign, record_name
from mnist_bench.training.data.dataset import Dataset, prepare
from mnist_bench.training.engines import ENGINES
from mnist_bench.training.fingerprint import collect_environment
from mnist_bench.training.labs import build_model, check_lab
from mnist_bench.training.runner import describe_layers, train

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeAlias

    from mnist_bench.checks.baselines import Reference
    from mnist_bench.checks.sheet.facts import Fact
    from mnist_bench.records.environment import EnvironmentRecord
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.engines import OnEpoch
    from mnist_bench.training.labs import Lab

    Tell: TypeAlias = Callable[[Fact], None]

__all__ = ["WalkPlan", "explain_walk", "walk"]

_FAST = "epoch"  # Keras's own `fit`, and the same bits as both engines of the sheet


@dataclass(frozen=True, kw_only=True)
class WalkPlan:
    """What to walk, and how.

    Attributes:
        sections: The sections, in the sheet's order.
        dataset: The data.
        source: The source of the data, as a configuration names it.
        fast: Whether `epoch` trains instead of the sheet's own engines.
        seed: The argument of `set_random_seed`.
        folder: Where the records are written.
        resume: Whether existing records are used as they are.
        baselines: The folder with the accuracy of other seeds.
        epochs: Epochs of each training; None means the lab's own.
    """

    sections: Sequence[Section]
    dataset: Dataset
    source: str
    fast: bool
    seed: int
    folder: Path
    resume: bool
    baselines: Path
    epochs: int | None = None


def explain_walk(plan: WalkPlan) -> list[str]:
    """Return what a reader should know before the first section, one fact a line."""
    configs = _make_configs(plan)
    lines = [f"Data: {plan.dataset.label}, from {plan.dataset.origin}."]
    if not configs:
        return lines
    lines.append(
        f"Seed: {plan.seed}, by keras.utils.set_random_seed; the sheet's np.random.seed has no effect on Keras."
    )
    engines = ", ".join(f"{config.lab} by {config.engine}" for config in configs)
    lines.append(f"Training: {engines}{f'. {_describe_bits(configs)}' if plan.fast else ', as the sheet does'}.")
    told = {section.lab for section in plan.sections if "epochs" in section.shows}
    if told and not plan.dataset.is_standin:
        lines.append(
            "Epochs: the sheet's accuracy and loss are means of running means, as Keras's progress bar showed then, "
            "and so are worse than ours in the first epochs; val_accuracy and val_loss compare directly."
        )
    quiet = [config.lab for config in configs if config.lab not in told]
    return [*lines, *(f"Section 5 trains {lab}; without that section the epochs are not shown." for lab in quiet)]


def walk(plan: WalkPlan, tell: Tell) -> list[TrainingRecord]:
    """Walk through the sections and train what they need; each record is saved when the training ends.

    Args:
        plan: What to walk.
        tell: Called with each fact as soon as the fact is known.

    Returns:
        The records of the trainings that the sections need, in the sheet's order.

    Raises:
        FileExistsError: A record exists already, and the plan does not resume.
        ValueError: An existing record is of another training, or an option is not allowed.
    """
    configs = _make_configs(plan)
    # Only if there is something to train: otherwise no folder is made.
    resume = (lambda: _read_environment(configs[0].device)) if plan.resume else None
    done = plan_campaign(configs, plan.folder, plan.dataset, resume=resume).done if configs else {}
    walker = _Walker(plan, tell, {record.config.lab: record for record in done.values()})
    for section in plan.sections:
        for part in section.shows:
            walker.show(section, part)
    return [walker.records[config.lab] for config in configs]


def _read_environment(device: str) -> EnvironmentRecord:
    """Return the fingerprint of this process, which trains: no other process has to import TensorFlow for that."""
    return collect_environment(device=choose_device(device), xla=False)


class _Walker:
    """A walk in progress, with the records so far."""

    def __init__(self, plan: WalkPlan, tell: Tell, records: dict[str, TrainingRecord]) -> None:
        self.records = records
        self._plan, self._tell = plan, tell
        self._mnist = not plan.dataset.is_standin

    def show(self, section: Section, part: str) -> None:
        """Tell the facts of one part of a section."""
        if part == "epochs":
            self._show_epochs(section)
            return
        for fact in self._state(section, part):
            self._tell(fact)

    def _state(self, section: Section, part: str) -> Iterator[Fact]:
        if part == "data":
            return self._state_data(section)
        if part == "layers":
            return facts.state_layers(section, describe_layers(build_model(_lab_of(section))))
        record = self.records.get(_lab_of(section).name) or self._train(section)
        if part == "test":
            return facts.state_test(section, record, self._find_reference(record))
        return iter([facts.state_history(section, record)])

    def _state_data(self, section: Section) -> Iterator[Fact]:
        dataset = self._plan.dataset
        arrays = (dataset.x_train, dataset.y_train, dataset.x_test, dataset.y_test)
        yield from facts.state_shapes(section, [array.shape for array in arrays])
        yield from facts.state_sample(section, dataset.x_train[SAMPLE], mnist=self._mnist)
        prepared = prepare(dataset)
        yield facts.state_ready(section, prepared.x_fit, prepared.x_test)
        yield facts.state_one_hot(section, prepared.y_fit[SAMPLE], mnist=self._mnist)

    def _show_epochs(self, section: Section) -> None:
        """Tell each epoch when it ends, or as an existing record has it."""
        record = self.records.get(_lab_of(section).name)
        if record is None:
            self._train(section, on_epoch=lambda epoch, figures: self._tell_epoch(section, epoch, vars(figures)))
            return
        for epoch in range(len(record.history.loss)):
            figures = {name: getattr(record.history, name)[epoch] for name in HISTORY_KEYS}
            self._tell_epoch(section, epoch, figures)

    def _tell_epoch(self, section: Section, epoch: int, figures: Mapping[str, float | None]) -> None:
        epochs = self._plan.epochs or _lab_of(section).epochs
        self._tell(facts.state_epoch(section, epoch, epochs, figures, mnist=self._mnist))

    def _train(self, section: Section, on_epoch: OnEpoch | None = None) -> TrainingRecord:
        config = _make_config(self._plan, section)
        record = train(config, dataset=self._plan.dataset, on_epoch=on_epoch)
        save(record, self._plan.folder / record_name(record.config))
        self.records[config.lab] = record
        return record

    def _find_reference(self, record: TrainingRecord) -> Reference | None:
        """Return the seeds to compare with: those of the same engine if there are any, else those of another."""
        config, dataset = record.config, record.dataset
        for engine in dict.fromkeys([config.engine, *ENGINES]):
            reference = find_reference(self._plan.baselines, dataset.source, config.lab, engine, digest=dataset.digest)
            if reference and reference.epochs == config.epochs:
                return reference
        return None


def _make_configs(plan: WalkPlan) -> list[TrainingConfig]:
    """Return the trainings that the sections need, each once, in the order of the sections."""
    needy = [section for section in plan.sections if {"epochs", "test", "history"} & set(section.shows)]
    return list({section.lab: _make_config(plan, section) for section in needy}.values())


def _make_config(plan: WalkPlan, section: Section) -> TrainingConfig:
    engine = _FAST if plan.fast else section.engine
    # The source that was found, whatever `auto` would find later.
    source = plan.dataset.name if plan.source == "auto" else plan.source
    return TrainingConfig(lab=_lab_of(section).name, engine=engine, seed=plan.seed, epochs=plan.epochs, data=source)


def _lab_of(section: Section) -> Lab:
    return check_lab(section.lab or "")


def _describe_bits(configs: Sequence[TrainingConfig]) -> str:
    """Say whether the fast engine gives the same bits as the sheet's own."""
    if read_keras_version().startswith("2.") and any(config.lab == "dropout" for config in configs):
        return "On a CPU the sheet's engines give the same bits, except for dropout: Keras 2 draws other masks eagerly"
    return "On a CPU the sheet's engines give the same bits"
