"""How often a verdict on accuracy is wrong, and how sharp it is, on real trainings: groups of their seeds are compared.

    python benchmarks/real_seeds.py --stored       # the stored references' seeds: their spread, and the gate of `check`
    mnist-bench run mlp --engine fused --seed 10101 --seeds 300 --jobs 2 --out base
    mnist-bench check mlp --engine fused --save-digests base
    TF_NUM_INTRAOP_THREADS=2 mnist-bench run mlp --engine fused --seed 10101 --seeds 300 --jobs 2 --out other
    TF_NUM_INTRAOP_THREADS=2 mnist-bench check mlp --engine fused --save-digests other
    python benchmarks/real_seeds.py base            # the gate of `check`: groups against the stored reference
    python benchmarks/real_seeds.py base --reference 100     # against the first hundred seeds of the folder instead
    python benchmarks/real_seeds.py base other      # the statistics of `compare`: groups of both folders
    python benchmarks/real_seeds.py base other --lose 0.1 --margin 0.05     # with a loss that is planted in the second

A group is judged as the command would judge it: at its looks, until something is REGRESSED or nothing is open. A group
of one folder is drawn from all seeds that the reference does not have; groups of two folders share no seed: each begins
behind the last seed that the one before it needed. Where both folders have a probe that says so, the seeds are compared
as pairs. For the sharpness, the figures of the second side are made worse: the smallest loss that is REGRESSED in 90%
of the groups is printed.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy

from mnist_bench.checks.accuracy import compare_values, plan_looks
from mnist_bench.checks.baselines import Reference, cut_reference, find_folder, find_reference
from mnist_bench.records.acceptance import make_acceptance
from mnist_bench.records.verdicts import Verdict, conclude
from mnist_bench.stats.sequential import ACCURACY_MARGIN, LOOKS, PAIR_LOOKS, judge
from mnist_bench.training.data import mnist
from mnist_bench.training.labs import LABS
from mnist_bench.versions.bits import share_case_streams
from mnist_bench.versions.figures import FigureRules, compare_figures
from mnist_bench.versions.records import VersionRecord, seeds_by_case
from mnist_bench.versions.seeds import select_seeds
from mnist_bench.versions.sources import gather, load_records
from mnist_bench.versions.upgrade.answer import tell_small_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mnist_bench.records.training import Predictions
    from mnist_bench.versions.seeds import SeedResults

_RUNS = 300
_FIRST = 100  # seeds of a stored reference that stand for the whole of it
_POWER = 0.9
_IMAGES = 10_000


class Ended(NamedTuple):
    """How a group was judged: the worst verdict, the seeds at the look that decided, and the accuracy in words."""

    verdict: Verdict
    seeds: int
    told: str = ""


def main() -> None:
    """Print the tables, in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("base", type=Path, nargs="?", help="a folder of trainings of one lab by one engine")
    parser.add_argument("other", type=Path, nargs="?", help="the same seeds, trained in another environment")
    parser.add_argument("--size", type=read_count, default=LOOKS[-1], help="seeds of a group")
    parser.add_argument(
        "--reference",
        type=read_count,
        help=f"so many first seeds stand for the reference; of a folder the stored one, if not given, else {_FIRST}",
    )
    parser.add_argument("--runs", type=read_count, default=_RUNS, help="groups that are drawn of one set of seeds")
    parser.add_argument("--lose", type=float, default=0.0, help="points of accuracy that the other side loses more")
    parser.add_argument("--margin", type=float, default=100 * ACCURACY_MARGIN, help="the margin of accuracy, in points")
    parser.add_argument("--sharpness", action="store_true", help="print the smallest losses that are found, too")
    parser.add_argument("--stored", action="store_true", help="take the seeds of the stored references, not a folder's")
    options = parser.parse_args()
    if options.stored == (options.base is not None):
        parser.error("name a folder, or give --stored, and not both")
    if options.other is None and (options.lose or options.sharpness):
        parser.error("--lose and --sharpness need two folders")
    for folder in filter(None, (options.base, options.other)):
        if not folder.is_dir():
            parser.error(f"{folder} is no folder")
    if options.stored:
        judge_stored(options.reference or _FIRST, options.size, options.runs)
        return
    base = load_folder(options.base)
    if options.other is None:
        (results,) = base.accuracy
        reference = split_reference(base, options.reference) if options.reference else find_stored(base)
        ended = [*judge_draws(reference, results, options.size, options.runs)]
        print_ended(f"{results.case}, {len(results.seeds)} seeds, against {len(reference.seeds)} of a reference", ended)
        return
    new = load_folder(options.other)
    paired = share_case_streams(base, new, base.accuracy[0].case)
    told = f"{base.accuracy[0].case}, {'pairs' if paired else 'two samples'}"
    if options.lose:
        new = dataclasses.replace(new, accuracy=[plant_loss(new.accuracy[0], round(options.lose / 100 * _IMAGES))])
        told += f", {options.lose:g} points are lost more"
    ended = [*judge_groups(base, new, options.size, options.margin / 100)]
    print_ended(f"{told}, margin {options.margin:g}", ended)
    if told_groups := [it.told for it in ended if it.told]:
        print(f"{len(told_groups)} of {len(ended)} say how much worse the accuracy is, such as: {told_groups[0]}")
    if options.sharpness:
        print_sharpness(base, new, told)


def read_count(text: str) -> int:
    """Return a whole number of 1 or more."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number of 1 or more is allowed")
    return int(text)


def judge_stored(first: int, size: int, runs: int) -> None:
    """Print how each lab's stored seeds by `fused` are spread, and how the gate judges groups of all but the first."""
    stored = {lab: find_reference(find_folder(), "mnist", lab, "fused", digest=mnist.DIGEST) for lab in LABS}
    references = {lab: reference for lab, reference in stored.items() if reference}
    heads = (
        "accuracy: mean, sd",
        "lowest, highest",
        "loss: mean, sd",
        "seeds 3 sd below the mean",
        "5 sd below",
        "below the threshold",
        "the threshold is below the mean by",
    )
    print(f"| lab | seeds | {' | '.join(heads)} |")
    print(f"| --- | --- |{' --- |' * len(heads)}")
    for lab, reference in references.items():
        accuracies, losses = np.array(reference.test_accuracy), np.array(reference.test_loss)
        mean, sd = accuracies.mean(), accuracies.std(ddof=1)
        below = [int((accuracies < level).sum()) for level in (mean - 3 * sd, mean - 5 * sd, LABS[lab].threshold)]
        print(
            f"| {lab} | {len(accuracies)} | {mean:.3%}, {100 * sd:.3f} points | {accuracies.min():.2%}, "
            f"{accuracies.max():.2%} | {losses.mean():.4f}, {losses.std(ddof=1):.4f} | "
            f"{' | '.join(map(str, below))} | {(mean - LABS[lab].threshold) / sd:.1f} sd |"
        )
    print()
    for lab, reference in references.items():
        if len(reference.seeds) < first + size:
            print(f"{lab}: {len(reference.seeds)} seeds are too few for a group of {size} besides the first {first}")
            continue
        ended = [*judge_draws(cut_reference(reference, first), reference, size, runs)]
        print_ended(f"{lab}, {len(reference.seeds) - first} seeds, against the first {first}", ended)


def load_folder(folder: Path) -> VersionRecord:
    """Return the trainings of a folder as one record, with its probe if there is one."""
    record = gather(load_records([folder]), str(folder))[""]
    if len(record.accuracy) != 1:
        raise SystemExit(f"{folder}: trainings of {len(record.accuracy)} labs or engines, and not of one")
    return record


def print_ended(what: str, ended: Sequence[Ended]) -> None:
    """Print how many groups ended with each verdict, and the bound of 95% on the rate of REGRESSED."""
    counts, seeds = Counter(each.verdict.value for each in ended), [each.seeds for each in ended]
    bad, total = counts[Verdict.REGRESSED.value], len(ended)
    most = scipy.stats.beta.ppf(0.95, bad + 1, total - bad) if bad < total else 1.0
    words = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    print(f"{what}: {total} groups: {words}; {np.mean(seeds):.1f} seeds in the mean; REGRESSED in at most {most:.1%}")


def find_stored(base: VersionRecord) -> Reference:
    """Return the stored reference of a folder's trainings."""
    assert base.dataset
    case, dataset = base.accuracy[0].case, base.dataset
    reference = find_reference(find_folder(), dataset.source, case.lab, case.engine, digest=dataset.digest)
    if reference is None:
        raise SystemExit(f"there is no reference of {case} on {dataset.source}")
    return reference


def split_reference(base: VersionRecord, size: int) -> Reference:
    """Return the first seeds of a folder as a reference."""
    assert base.environment
    results = select_seeds(base.accuracy[0], base.accuracy[0].seeds[:size])
    return Reference(
        engine=results.case.engine,
        epochs=base.accuracy[0].epochs,
        seeds=results.seeds,
        test_accuracy=results.test_accuracy,
        test_loss=[loss or 0.0 for loss in results.test_loss],
        environment=base.environment,
        acceptance=make_acceptance("groups of real seeds are judged"),
    )


def judge_draws(reference: Reference, results: SeedResults | Reference, size: int, runs: int) -> Iterator[Ended]:
    """Yield how the gate of `check` judges groups of seeds that the reference does not have."""
    places = [place for place, seed in enumerate(results.seeds) if seed not in reference.seeds]
    rng, looks = np.random.default_rng(0), plan_looks(size)
    accuracies, losses = np.array(results.test_accuracy), np.array(results.test_loss, dtype=float)
    for _ in range(runs):
        drawn = rng.choice(places, size, replace=False)
        for look in looks:
            first = drawn[:look]
            compared = compare_values(reference, accuracies[first].tolist(), losses[first].tolist())
            decisions = judge(compared, rng=rng, looks=len(looks)).values()
            verdict = conclude(Verdict(decision.verdict) for decision in decisions)
            if is_over(Verdict(decision.verdict) for decision in decisions):
                break
        yield Ended(verdict, look)


def is_over(verdicts: Iterator[Verdict]) -> bool:
    """Return whether a look is the last: something is REGRESSED, or nothing is open."""
    found = set(verdicts)
    return Verdict.REGRESSED in found or Verdict.INCONCLUSIVE not in found


def judge_groups(base: VersionRecord, new: VersionRecord, size: int, margin: float) -> Iterator[Ended]:
    """Yield how groups are judged, each behind the last seed that the one before it needed."""
    (old,), (now,), common = base.accuracy, new.accuracy, list_common(base, new)
    while len(common) >= size:
        ended = judge_group(take(base, old, common[:size]), take(new, now, common[:size]), margin=margin)
        yield ended
        common = common[ended.seeds :]


def cut_groups(base: VersionRecord, new: VersionRecord, size: int) -> Iterator[tuple[VersionRecord, VersionRecord]]:
    """Yield groups of the seeds that both have, none in two groups."""
    (old,), (now,), common = base.accuracy, new.accuracy, list_common(base, new)
    for start in range(0, len(common) - size + 1, size):
        chosen = common[start : start + size]
        yield take(base, old, chosen), take(new, now, chosen)


def list_common(base: VersionRecord, new: VersionRecord) -> list[int]:
    """Return the seeds that both have."""
    both = set(new.accuracy[0].seeds)
    return [seed for seed in base.accuracy[0].seeds if seed in both]


def take(record: VersionRecord, results: SeedResults, seeds: Sequence[int]) -> VersionRecord:
    """Return the record with these seeds alone."""
    return dataclasses.replace(record, accuracy=[select_seeds(results, seeds)])


def judge_group(base: VersionRecord, new: VersionRecord, only: str = "", *, margin: float = ACCURACY_MARGIN) -> Ended:
    """Return how `compare` judges two sides with the same seeds, by all its figures or by one."""
    case, (results,) = base.accuracy[0].case, base.accuracy
    paired = share_case_streams(base, new, case)
    planned = PAIR_LOOKS if paired else LOOKS
    looks = [*(look for look in planned if look < len(results.seeds)), len(results.seeds)]
    for look in looks:
        sides = [take(side, seeds_by_case(side)[case], results.seeds[:look]) for side in (base, new)]
        rules = FigureRules(margin=margin, looks=len(planned), last=look == looks[-1])
        judged = compare_figures(sides[0], sides[1], {case: ""}, rules)
        verdicts = [result.verdict for result in judged.results if only in result.name]
        if is_over(iter(verdicts)):
            break
    decision = judged.decisions.get(("accuracy", case))
    return Ended(conclude(verdicts), look, tell_small_loss(case, decision) if decision else "")


def plant_loss(results: SeedResults, images: int) -> SeedResults:
    """Return the results with so many more images wrong in each training, an equal share of them in each class."""
    predictions = []
    for each in results.predictions:
        assert each is not None, "predictions of another version of this package"
        shares = np.diff(np.linspace(0, images, len(each.class_errors) + 1).round().astype(int)).tolist()
        errors = [count + share for count, share in zip(each.class_errors, shares, strict=True)]
        predictions.append(dataclasses.replace(each, class_errors=errors))
    return dataclasses.replace(lose_accuracy(results, images), predictions=predictions)


def lose_accuracy(results: SeedResults, images: int) -> SeedResults:
    """Return the results with so many more images wrong in each training, of no class in particular."""
    return dataclasses.replace(results, test_accuracy=[value - images / _IMAGES for value in results.test_accuracy])


def lose_class(results: SeedResults, images: int) -> SeedResults:
    """Return the results with so many more images of class 3 wrong in each training."""
    return dataclasses.replace(results, predictions=[_spoil(each, images) for each in results.predictions])


def _spoil(predictions: Predictions | None, images: int) -> Predictions | None:
    if predictions is None:
        return None
    errors = [count + images * (digit == 3) for digit, count in enumerate(predictions.class_errors)]
    return dataclasses.replace(predictions, class_errors=errors)


def lose_loss(results: SeedResults, hundredths: int) -> SeedResults:
    """Return the results with so many hundredths of the losses' standard deviation more in each training."""
    losses = [loss or 0.0 for loss in results.test_loss]
    return dataclasses.replace(results, test_loss=[loss + hundredths / 100 * _find_sd(losses) for loss in losses])


def _find_sd(losses: Sequence[float]) -> float:
    return float(np.std(losses, ddof=1))


# What is made worse, in which result it is seen, the unit of a step in words, and the most steps.
_EFFECTS: dict[str, tuple[Callable[[SeedResults, int], SeedResults], str, str, int]] = {
    "accuracy": (lose_accuracy, "accuracy/accuracy", "{:.2f} points", 100),
    "loss": (lose_loss, "accuracy/loss", "{:.2f} sd", 600),
    "errors of class 3": (lose_class, "accuracy/classes", "{:.2f} points of the class", 60),
}


def print_sharpness(base: VersionRecord, new: VersionRecord, told: str) -> None:
    """Print the smallest loss that 90% of the groups find, for groups of 3, 5, 10 and 20 seeds."""
    sizes = [size for size in (3, 5, 10, 20) if size in PAIR_LOOKS]
    print(f"\n| smallest loss found in {_POWER:.0%}: {told} | {' | '.join(f'{size} seeds' for size in sizes)} |")
    print(f"| --- |{' --- |' * len(sizes)}")
    for name, (spoil, seen, unit, most) in _EFFECTS.items():
        cells = []
        for size in sizes:
            step = find_smallest([*cut_groups(base, new, size)], spoil, seen, most)
            scale = 0.01 if name == "loss" else 100 / count_images(new, name)
            cells.append(unit.format(scale * step) if step else f"more than {unit.format(scale * most)}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def count_images(record: VersionRecord, name: str) -> int:
    """Return of how many images a step is one: of the test set, or of its class 3."""
    predictions = record.accuracy[0].predictions
    return predictions[0].class_sizes[3] if "class" in name and predictions and predictions[0] else _IMAGES


def find_smallest(
    groups: Sequence[tuple[VersionRecord, VersionRecord]],
    spoil: Callable[[SeedResults, int], SeedResults],
    seen: str,
    most: int,
) -> int:
    """Return the fewest steps that 90% of the groups find, by bisection; 0 if that is more than the most."""

    def finds(steps: int) -> bool:
        worse = [
            (base, dataclasses.replace(new, accuracy=[spoil(results, steps) for results in new.accuracy]))
            for base, new in groups
        ]
        found = sum(judge_group(*group, only=seen).verdict is Verdict.REGRESSED for group in worse)
        return found >= _POWER * len(groups)

    if not finds(most):
        return 0
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if finds(middle) else (middle, high)
    return high


if __name__ == "__main__":
    main()
