"""The record of a training that left the test set alone: for choosing among trainings, not for judging one."""

from __future__ import annotations

from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.serial import SCHEMA_VERSION, Record
from mnist_bench.records.training import DatasetRecord, EnvironmentRecord, History, check_epochs

__all__ = ["ValidationRecord"]


class ValidationRecord(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one training was and did, without the test set. Its kind keeps it from passing for a full record."""

    config: TrainingConfig
    environment: EnvironmentRecord
    dataset: DatasetRecord
    parameters: int
    history: History
    final_digest: str
    created: str
    kind: str = "validation"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse a history of other epochs."""
        check_epochs(self.config, self.history)

    @property
    def val_accuracy(self) -> float:
        """Validation accuracy after the last epoch."""
        return self.history.val_accuracy[-1]

    @property
    def seconds(self) -> float:
        """Seconds of training, all epochs, validation not counted; the first may hold compilation."""
        return sum(self.history.seconds)
