"""Session-wide set-up: Hypothesis profiles, the report header, isolated environment."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator

import hypothesis
import pytest

import nonneg
from nonneg import kernels
from support.cases import PASSES
from support.requirements import is_declared

_COMMON = {
    "deadline": None,
    "suppress_health_check": [hypothesis.HealthCheck.function_scoped_fixture],
}
hypothesis.settings.register_profile(
    "default",
    max_examples=30,
    derandomize=True,
    database=None,
    # examples are small as they come, and shrinking a slow one takes minutes
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    **_COMMON,
)
hypothesis.settings.register_profile("slow", max_examples=1000, **_COMMON)
hypothesis.settings.load_profile("default")


def pytest_configure() -> None:
    """Let Ctrl-C reach the tests that send it.

    A shell starts its background jobs with SIGINT ignored, and a Python started so,
    with its children, would never be interrupted.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that is skipped for another reason than `support.requirements` declares.

    What a test can't be run with is left out where its cases are made.
    """
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
        if not is_declared(reason):
            report.outcome = "failed"
            report.longrepr = f"{reason}\nis no reason of tests/support/requirements.py"
    return report


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Without a core, leave out what would compare the reference with itself."""
    if kernels.native is not None:
        return
    left_out = {item for item in items if item.get_closest_marker("of_the_core")}
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


def pytest_report_header() -> str:
    """Say which package and which instruction set the run tests."""
    simd = "reference" if kernels.native is None else kernels.native.simd_name()
    folder = os.path.dirname(nonneg.__file__)
    return f"nonneg from {folder}, kernels: {simd}"


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep thread limits of the caller's shell out of the tests."""
    for variable in ("NONNEG_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(params=PASSES)
def passes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run passes over X by the kernels in use, then by the reference steps."""
    if request.param == "reference":
        monkeypatch.setattr(kernels, "native", None)
    return request.param


@pytest.fixture
def eager_threads():
    """Threads are woken for any work, as otherwise only for much of it."""
    if kernels.native is None:
        yield
        return
    core = kernels.native._core
    core.set_thread_work(0)
    yield
    core.set_thread_work(4e6)


@pytest.fixture(scope="session")
def cluster():
    """Three worker processes; a test that ends one waits until there are three again."""
    dask = pytest.importorskip("dask")
    distributed = pytest.importorskip("distributed")
    with (
        dask.config.set({"distributed.admin.low-level-log-length": 0}),
        distributed.LocalCluster(
            n_workers=3, threads_per_worker=1, processes=True,
            dashboard_address=":0", silence_logs=50,
        ) as cluster,
    ):  # fmt: skip
        yield cluster


@pytest.fixture
def client(cluster):
    distributed = pytest.importorskip("distributed")
    with distributed.Client(cluster) as client:
        yield client
