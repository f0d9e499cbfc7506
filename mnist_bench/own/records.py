"""What is written down of a user's own model: the request, the stages, a training, and all of one environment."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from mnist_bench.checks.records import Stage
from mnist_bench.records.config import FIRST_SEED
from mnist_bench.records.environment import VERSION_FIELDS, EnvironmentRecord, explain_keys
from mnist_bench.records.fields import check_commit, check_digests, check_names, check_range, check_seconds, check_time
from mnist_bench.records.files import SCHEMA_VERSION
from mnist_bench.records.training import MOST_LOSS
from mnist_bench.records.verdicts import CheckResult

__all__ = ["LayerRow", "Metric", "ModelFile", "OwnConfig", "OwnProbe", "OwnSide", "OwnTraining"]

_DIRECTIONS = ("higher", "lower")
# What is one environment has the same of these, whatever a broken Keras does in it.
_ENVIRONMENT_FIELDS = (*VERSION_FIELDS, "backend", "precision", "device", "system", "machine", "instruction_set")


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """The file that describes a model.

    Attributes:
        name: What the model is called in checks and file names: the file's name without `.py`.
        path: Where the file is.
        digest: SHA-256 of its bytes, so that what was measured with another text is never taken for this.
    """

    name: str
    path: str
    digest: str

    def __post_init__(self) -> None:
        """Refuse a name that is none, and a digest that is none."""
        check_names(model=self.name)
        check_digests("model digest", self.digest)


@dataclass(frozen=True, kw_only=True)
class OwnConfig:
    """What to train: a model file, and the seed. Everything else stands in the file.

    Attributes:
        model: The file.
        seed: Seeds Python, NumPy and TensorFlow.
        device: `auto`, `cpu` or `gpu`.
        deterministic: Whether op determinism is turned on.
    """

    model: ModelFile
    seed: int = FIRST_SEED
    device: str = "auto"
    deterministic: bool = True


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One layer of the model, as `Model.summary` shows it.

    Attributes:
        name: The place and the class, such as `2 Conv2D`; of a layer in a nested model `3 Functional/1 Dense`.
        shape: The output's shape as text, such as `(None, 13, 13, 32)`; "" where Keras does not know it.
        parameters: Its weights' entries.
        trainable: Those of them that are trained.
    """

    name: str
    shape: str
    parameters: int
    trainable: int


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A figure of the trained model on the test data, with what is known of it before any result is seen.

    Attributes:
        name: As `evaluate(return_dict=True)` calls it.
        better: `higher` or `lower`: by the file's `better`, else by Keras's usual names; None if neither tells.
        margin: The largest loss that does not matter, by the file's `margins`; None for the rule of the comparison.
        bounded: Whether the metric is a share, from 0 to 1, as an accuracy is.
    """

    name: str
    better: str | None = None
    margin: float | None = None
    bounded: bool = False

    def __post_init__(self) -> None:
        """Refuse a direction that is none, and a margin that cannot be."""
        if self.better is not None and self.better not in _DIRECTIONS:
            raise ValueError(f"better of {self.name!r} is {self.better!r}: choose from {', '.join(_DIRECTIONS)}")
        check_range(f"margin of {self.name!r}", self.margin)


@dataclass(frozen=True, kw_only=True)
class OwnProbe:
    """Every stage of the model's training, in the order of training.

    Attributes:
        config: What was probed.
        environment: Where.
        data_digest: SHA-256 of the arrays that `data()` returns.
        layers: The layers.
        stages: The digests of the stages; of forward pass, gradient and update one stage a layer or weight, such as
            `forward: 2 Conv2D` and `gradient: 2 Conv2D kernel`.
    """

    config: OwnConfig
    environment: EnvironmentRecord
    data_digest: str
    layers: list[LayerRow]
    stages: list[Stage]
    kind: str = "own probe"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse a record without stages or with two of one name."""
        check_digests("data_digest", self.data_digest)
        names = [stage.name for stage in self.stages]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"stages: expected one or more, each once, not {names!r}")


@dataclass(frozen=True, kw_only=True)
class OwnTraining:
    """One training of the model.

    Attributes:
        config: What was trained.
        environment: Where.
        data_digest: SHA-256 of the data.
        parameters: The entries of all weights.
        initial_digest: SHA-256 of the initial weights.
        final_digest: SHA-256 of the final weights.
        history: Each figure that `fit` reports, one value an epoch; None where it is not finite.
        metrics: What the metrics are, in the order of `evaluate`.
        figures: The values of these metrics on the test data; None where a value is not finite.
        predictions_digest: SHA-256 of the predictions on the test data.
        class_sizes: Test samples of each class; empty if the model is no classifier with one output.
        class_errors: Those of them that the model puts into another class.
        wall: Seconds of each epoch.
        cpu: Processor seconds of each epoch, all threads together.
        build_seconds: Seconds of `build()`.
        peak_memory: The most resident memory of the process, in bytes; None where the system does not tell.
        created: When it ended.
    """

    config: OwnConfig
    environment: EnvironmentRecord
    data_digest: str
    parameters: int
    initial_digest: str
    final_digest: str
    history: dict[str, list[float | None]]
    metrics: list[Metric]
    figures: list[float | None]
    predictions_digest: str
    class_sizes: list[int] = field(default_factory=list)
    class_errors: list[int] = field(default_factory=list)
    wall: list[float]
    cpu: list[float]
    build_seconds: float
    peak_memory: int | None = None
    created: str
    kind: str = "own training"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse digests that are none, columns of different lengths, and figures that cannot be."""
        check_time("created", self.created)
        for name in ("data_digest", "initial_digest", "final_digest", "predictions_digest"):
            check_digests(name, getattr(self, name))
        names = [metric.name for metric in self.metrics]
        if not names or len(set(names)) != len(names) or len(names) != len(self.figures):
            raise ValueError(f"metrics {names!r}: expected one or more, each once, and a figure of each")
        for metric, figure in zip(self.metrics, self.figures, strict=True):
            check_range(metric.name, figure, low=-MOST_LOSS, high=MOST_LOSS)
        epochs = {name: len(column) for name, column in self.history.items()}
        if {*epochs.values(), len(self.cpu)} != {len(self.wall)} or not self.wall:
            raise ValueError(f"history, wall and cpu: columns of different lengths: {epochs}")
        for name, column in (("wall", self.wall), ("cpu", self.cpu), ("build_seconds", [self.build_seconds])):
            check_seconds(name, *column)
        pairs = list(zip(self.class_errors, self.class_sizes, strict=True))
        check_range("class_errors", *self.class_errors)
        if any(errors > size for errors, size in pairs):
            raise ValueError(f"class_errors {self.class_errors} of class_sizes {self.class_sizes}")
        check_range("peak_memory", self.peak_memory)
        check_range("parameters", self.parameters)

    @property
    def epochs(self) -> int:
        """The epochs that `fit` ran: fewer than asked for where a callback stopped it."""
        return len(self.wall)

    @property
    def diverged(self) -> list[str]:
        """The names of the metrics that are not finite."""
        return [metric.name for metric, figure in zip(self.metrics, self.figures, strict=True) if figure is None]

    @property
    def by_metric(self) -> dict[str, float]:
        """The figures by the metrics' names; NaN where a figure is not finite."""
        pairs = zip(self.metrics, self.figures, strict=True)
        return {metric.name: math.nan if figure is None else figure for metric, figure in pairs}


@dataclass(frozen=True, kw_only=True)
class OwnSide:
    """Everything that was measured of a model in one environment.

    Attributes:
        text: What the user called the environment.
        environment: Its fingerprint.
        packages: The packages that are installed there, and their versions.
        model: The file.
        checks: The checks that need no other side.
        probe: The stages; None before they are measured.
        trainings: The trainings, in ascending order of their seeds.
        failures: Why a part could not be measured, by the part: `checks`, `probe` or `seed 1672`.
        session: Names the comparison in which both sides were measured, the same in both records; "" if there is none.
        timed: The seeds that both sides of the session trained at the same time, each on a core of its own.
        created: When the record was begun.
        commit: The commit of the project that measured.
    """

    text: str
    environment: EnvironmentRecord
    packages: dict[str, str]
    model: ModelFile
    checks: list[CheckResult] = field(default_factory=list)
    probe: OwnProbe | None = None
    trainings: list[OwnTraining] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    session: str = ""
    timed: list[int] = field(default_factory=list)
    created: str = ""
    commit: str | None = None
    kind: str = "own side"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse parts of another model file, of other data or of another environment, and seeds that count twice."""
        if self.created:
            check_time("created", self.created)
        check_commit("commit", self.commit)
        seeds = [training.config.seed for training in self.trainings]
        if sorted(set(seeds)) != seeds:
            raise ValueError(f"seeds {seeds!r} are not in ascending order, each once")
        if not set(self.timed) <= set(seeds):
            raise ValueError(f"timed seeds {self.timed!r} are not among the seeds {seeds!r}")
        measured: list[OwnTraining | OwnProbe] = [*self.trainings]
        if self.probe:
            measured.append(self.probe)
        for each in measured:
            if each.config.model.digest != self.model.digest:
                raise ValueError(f"a part is of another text of {self.model.path}: digest {each.config.model.digest}")
            if differ := explain_keys(self.environment, each.environment, _ENVIRONMENT_FIELDS):
                told = ", ".join(f"{name} {now!r}, the side's is {then!r}" for name, (then, now) in differ.items())
                raise ValueError(f"the {each.kind} of seed {each.config.seed} ran with {told}")
        if len({each.data_digest for each in measured}) > 1:
            raise ValueError("the parts are of different data: data() has to return the same arrays at each call")
