"""The matrix as data: which TensorFlow, Keras and Python the name of a version stands for, and which pins it needs."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from mnist_bench.training.fingerprint import BUILDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mnist_bench.records.environment import EnvironmentRecord

__all__ = [
    "KERAS",
    "MATRIX",
    "NIGHTLY",
    "PYTHONS",
    "RELEASES",
    "Axis",
    "VersionSpec",
    "check_made_python",
    "describe_version",
    "expand_name",
    "find_axis",
    "find_between",
    "find_predecessor",
    "find_version",
    "list_requirements",
    "suggest_names",
]

NIGHTLY = ("tf-nightly", "keras-nightly")
"""The packages of nightly builds. tf-nightly-cpu is not taken: its builds ended on 2026-09-05, tf-nightly's go on."""

Axis = Literal["tensorflow", "keras", "python"]

# Safe as a file's name, on a page and in a shell.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_BUILT_IN = re.compile(r"py3(?P<python>\d+)-(?P<tf>tf2\d+)(?:-(?P<keras>keras3\d+))?")


@dataclass(frozen=True, kw_only=True)
class VersionSpec:
    """One version of the matrix.

    Attributes:
        name: Such as `py312-tf219`, or a name of the user's own.
        python: Such as `3.12`.
        tensorflow: The release, such as `2.19.1`.
        keras: The release; with None, pip chooses it by TensorFlow's own requirement.
        pins: Further requirements, such as `numpy<2`.
    """

    name: str
    python: str
    tensorflow: str
    keras: str | None
    pins: list[str]

    def __post_init__(self) -> None:
        """Refuse a name that cannot be the name of a file, and texts that are no versions or no requirements."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"name {self.name!r} is not allowed: up to 64 of a-z, 0-9, '.', '_' and '-'")
        for field, text in (("python", self.python), ("tensorflow", self.tensorflow), ("keras", self.keras)):
            if text is not None and not _is_version(text):
                raise ValueError(f"{field} {text!r} is not a version, such as 2.19.1")
        for pin in self.pins:
            _check_pin(pin, self)


@dataclass(frozen=True)
class _Release:
    """A minor release of TensorFlow: its last patch, the Keras of its time, the Pythons that have wheels, and pins.

    `least_keras` is the oldest Keras 3 that it can be installed with; None where it requires a Keras 2 of its own.
    """

    tensorflow: str
    keras: str
    pythons: tuple[str, ...]
    pins: tuple[str, ...] = ()
    least_keras: str | None = None


# TensorFlow up to 2.15 was built for NumPy 1; releases before 2.12 do not require that version.
_NUMPY_1 = ("numpy<2",)

# Up to 2.15 TensorFlow requires one minor release of Keras. From 2.16 on pip installs the newest Keras, so the Keras
# of a TensorFlow's time is what pip installed on the day of its first patch, found by
#     echo tensorflow-cpu==2.17.0 | uv pip compile - --python-version 3.12 --exclude-newer 2024-07-12
# with 2.16.1 on 2024-03-09, 2.18.0 on 2024-10-28, 2.19.0 on 2025-03-14, 2.20.0 on 2025-08-16, 2.21.0 on 2026-03-10.
RELEASES = {
    "tf28": _Release("2.8.4", "2.8.0", ("3.10",), _NUMPY_1),
    "tf29": _Release("2.9.3", "2.9.0", ("3.10",), _NUMPY_1),
    "tf210": _Release("2.10.1", "2.10.0", ("3.10",), _NUMPY_1),
    "tf211": _Release("2.11.1", "2.11.0", ("3.10",), _NUMPY_1),
    "tf212": _Release("2.12.1", "2.12.0", ("3.10", "3.11"), _NUMPY_1),
    "tf213": _Release("2.13.1", "2.13.1", ("3.10", "3.11"), _NUMPY_1),
    "tf214": _Release("2.14.1", "2.14.0", ("3.10", "3.11"), _NUMPY_1),
    "tf215": _Release("2.15.1", "2.15.0", ("3.10", "3.11"), _NUMPY_1),
    "tf216": _Release("2.16.2", "3.0.5", ("3.10", "3.11", "3.12"), least_keras="3.0"),
    "tf217": _Release("2.17.1", "3.4.1", ("3.10", "3.11", "3.12"), least_keras="3.2"),
    "tf218": _Release("2.18.1", "3.6.0", ("3.10", "3.11", "3.12"), least_keras="3.5"),
    "tf219": _Release("2.19.1", "3.9.0", ("3.10", "3.11", "3.12"), least_keras="3.5"),
    "tf220": _Release("2.20.0", "3.11.2", ("3.10", "3.11", "3.12", "3.13"), least_keras="3.10"),
    # Keras 3.13 needs Python 3.11.
    "tf221": _Release("2.21.0", "3.13.2", ("3.11", "3.12", "3.13"), least_keras="3.12"),
}

PYTHONS = tuple(sorted({python for release in RELEASES.values() for python in release.pythons}, key=Version))
"""The versions of Python that a TensorFlow of the matrix has wheels for, the oldest first."""

# The last patch of each minor release of Keras that a name may pin.
KERAS = {
    "keras30": "3.0.5",
    "keras33": "3.3.3",
    "keras36": "3.6.0",
    "keras38": "3.8.0",
    "keras310": "3.10.0",
    "keras312": "3.12.4",
    "keras314": "3.14.1",
    "keras315": "3.15.1",
}

# Three axes. TensorFlow with the Keras of its time, each on the newest Python that has a wheel. Keras on one
# TensorFlow: 3.3 on 2.16, 3.8 and 3.10 on 2.18, which needs at least 3.5, and from 3.12 on on 2.21, which needs that.
# And Python, with the last Keras that all four Pythons can have.
MATRIX = (
    *(f"py310-{tf}" for tf in ("tf28", "tf29", "tf210", "tf211")),
    *(f"py311-{tf}" for tf in ("tf212", "tf213", "tf214", "tf215")),
    *(f"py312-{tf}" for tf in ("tf216", "tf217", "tf218", "tf219")),
    *(f"py313-{tf}" for tf in ("tf220", "tf221")),
    "py312-tf216-keras33",
    *(f"py312-tf218-{keras}" for keras in ("keras38", "keras310")),
    *(f"py313-tf221-{keras}" for keras in ("keras312", "keras314", "keras315")),
    *(f"py3{minor}-tf221-keras312" for minor in (10, 11, 12)),
)


# Short forms of the names, for the command line: `tf219`, `2.19` and `2.19.1` all mean `py312-tf219`.
_SHORT_FORMS = {
    form: name
    for name in MATRIX
    if (release := RELEASES.get(name.partition("-")[2]))
    for form in (name.partition("-")[2], release.tensorflow, release.tensorflow.rpartition(".")[0])
}


def expand_name(text: str) -> str:
    """Return the name of the matrix that a short form means; return any other text as it is, without blanks around."""
    name = text.strip()
    return _SHORT_FORMS.get(name, name)


def suggest_names(text: str, names: Iterable[str] = ()) -> str:
    """Return the end of a message on an unknown version: the names that look similar, if there are any."""
    short = [form for form in _SHORT_FORMS if form.count(".") < 2]  # noqa: PLR2004 - patch releases all look alike
    near = difflib.get_close_matches(text, [*dict.fromkeys([*names, *MATRIX, *short])], n=3)
    return f"; similar names: {', '.join(near)}" if near else ""


def find_version(name: str) -> VersionSpec:
    """Return the version that a name stands for. Its parts combine freely if they can be installed together.

    Raises:
        ValueError: The name has another form, or names a release that is unknown or has no wheel, or a Keras that this
            TensorFlow cannot have.
    """
    parts = _BUILT_IN.fullmatch(name)
    if not parts:
        hint = "`matrix list` lists the versions, `matrix add` adds one"
        raise ValueError(f"unknown version {name!r}: {hint}{suggest_names(name)}")
    tf, keras, python = parts["tf"], parts["keras"], f"3.{parts['python']}"
    if tf not in RELEASES or (keras and keras not in KERAS):
        raise ValueError(f"unknown version {name!r}: choose from {', '.join(RELEASES)} and {', '.join(KERAS)}")
    release = RELEASES[tf]
    # TensorFlow 2.21 itself has a wheel for Python 3.10; only the Keras of its time has none.
    pythons = ("3.10", *release.pythons) if keras == "keras312" and tf == "tf221" else release.pythons
    if python not in pythons:
        raise ValueError(f"{name}: no wheels for Python {python}, only for {', '.join(pythons)}")
    if keras and release.least_keras is None:
        raise ValueError(f"{name}: TensorFlow {release.tensorflow} requires a Keras of its own, {release.keras}")
    if keras and Version(KERAS[keras]) < Version(release.least_keras or "0"):
        raise ValueError(f"{name}: TensorFlow {release.tensorflow} requires Keras {release.least_keras} or newer")
    return VersionSpec(
        name=name,
        python=python,
        tensorflow=release.tensorflow,
        keras=KERAS[keras] if keras else release.keras,
        pins=list(release.pins),
    )


def check_made_python(python: str) -> str:
    """Return a version of Python for an environment that is made; one that is given has any Python that runs it.

    Raises:
        ValueError: No TensorFlow of the matrix has wheels for it.
    """
    if python not in PYTHONS:
        raise ValueError(f"--python {python!r} is not supported: choose from {', '.join(PYTHONS)}")
    return python


def describe_version(name: str, environment: EnvironmentRecord) -> VersionSpec:
    """Return the version that is installed in an environment, under a name of the user's own."""
    python = ".".join(environment.python.split(".")[:2])
    return VersionSpec(name=name, python=python, tensorflow=environment.tensorflow, keras=environment.keras, pins=[])


def list_requirements(spec: VersionSpec, *, package: str = "tensorflow-cpu") -> list[str]:
    """Return what pip has to install for a version.

    Args:
        spec: The version.
        package: The name of TensorFlow's package on this machine.
    """
    builds = zip((package, "keras"), NIGHTLY, (spec.tensorflow, spec.keras), strict=True)
    chosen = [(nightly if _is_nightly(version) else name, version) for name, nightly, version in builds if version]
    return [*(f"{name}=={version}" for name, version in chosen), *spec.pins]


def _is_nightly(version: str) -> bool:
    """Return whether a version is that of a nightly build, which is in a package of its own."""
    try:
        return Version(version).dev is not None
    except InvalidVersion:
        return False


def find_between(good: VersionSpec, bad: VersionSpec) -> list[VersionSpec]:
    """Return the versions from `good` to `bad`, both included, along the axis on which they differ.

    Between two Keras on one TensorFlow lie the Keras of the matrix on this TensorFlow; between two TensorFlows lie the
    releases, each with the Keras of its time.

    Raises:
        ValueError: The two are one version, or differ in Python alone.
    """
    same = good.tensorflow == bad.tensorflow
    if same and good.keras == bad.keras:
        raise ValueError(f"{good.name} and {bad.name} differ in neither TensorFlow nor Keras: nothing lies between")
    axis = "keras" if same else "tensorflow"
    low, high = sorted((good, bad), key=lambda spec: _order(spec, axis))
    between = [
        spec
        for spec in map(find_version, MATRIX)
        if _order(low, axis) < _order(spec, axis) < _order(high, axis)
        and (spec.tensorflow == good.tensorflow if same else spec.name.count("-") == 1)
    ]
    # One version for each step: Python is another axis.
    steps = {_order(spec, axis): spec for spec in between}
    path = [low, *(steps[step] for step in sorted(steps)), high]
    return path if low == good else path[::-1]


def find_predecessor(spec: VersionSpec, specs: Iterable[VersionSpec]) -> VersionSpec | None:
    """Return the version to compare with: the nearest older version that differs in one thing only.

    It differs in Python if TensorFlow and Keras can be the same; else, for a pinned Keras, in Keras on the same
    TensorFlow; else in TensorFlow, both with the Keras of their time.

    Args:
        spec: The version.
        specs: The versions to choose from, such as the matrix.

    Returns:
        The nearest version; None for the first version of its axis.
    """
    python = _order(spec, "python")
    candidates = [other for other in specs if _order(other, "python") <= python]
    older = [other for other in candidates if _software(other) == _software(spec) and _order(other, "python") < python]
    if older:
        return max(older, key=lambda other: _order(other, "python"))
    axis = "tensorflow" if _is_of_its_time(spec) else "keras"
    older = [
        other
        for other in candidates
        if _order(other, axis) < _order(spec, axis)
        and (_is_of_its_time(other) if axis == "tensorflow" else other.tensorflow == spec.tensorflow)
    ]
    return max(
        older,
        key=lambda other: (_order(other, axis), other.python == spec.python, _order(other, "python")),
        default=None,
    )


def find_axis(spec: VersionSpec, specs: Iterable[VersionSpec]) -> Axis:
    """Return the axis of the matrix that a version belongs to.

    A TensorFlow with the Keras of its time belongs to TensorFlow's axis, a version on several Pythons to Python's.

    Args:
        spec: The version.
        specs: The versions that are shown with it.
    """
    if _is_of_its_time(spec):
        return "tensorflow"
    pythons = {other.python for other in specs if _software(other) == _software(spec)}
    return "python" if pythons - {spec.python} else "keras"


def _is_of_its_time(spec: VersionSpec) -> bool:
    """Return whether a version has the Keras of its TensorFlow's time: a nightly has that of its own night."""
    newer = all(_order(spec, "tensorflow") > Version(release.tensorflow) for release in RELEASES.values())
    return newer or _software(spec) in map(_software, RELEASES.values())


def _software(spec: VersionSpec | _Release) -> tuple[str, str | None]:
    return spec.tensorflow, spec.keras


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return text == text.strip()


def _check_pin(pin: str, spec: VersionSpec) -> None:
    """Refuse what an installer would take for an option, a file or an address, and what contradicts the version.

    Pins come from records, too.
    """
    try:
        requirement = Requirement(pin)
    except InvalidRequirement as error:
        raise ValueError(f"pin {pin!r} is not a requirement (PEP 508), such as numpy<2") from error
    if requirement.url or not pin.isprintable():
        raise ValueError(f"pin {pin!r} is not allowed: a name with versions, such as numpy<2, on one line")
    name = canonicalize_name(requirement.name)
    for package, builds, version in (("tensorflow", BUILDS, spec.tensorflow), ("keras", ("keras",), spec.keras)):
        if name in builds and version and not requirement.specifier.contains(version, prereleases=True):
            raise ValueError(f"pin {pin!r} contradicts {package} {version}")


def _order(spec: VersionSpec, axis: str) -> Version:
    return Version(getattr(spec, axis) or "0")
