"""The loop: when it stops and why, what it records, calls back and prints."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from nonneg.base.interfaces import Progress, SolverBase, State
from nonneg.base.records import History, Iteration, StopReason
from nonneg.fitting.checkpoints.files import Past
from nonneg.fitting.loop import Limits, run


@dataclass(frozen=True)
class Script(SolverBase):
    """A solver that only plays back what it was told, one entry an iteration."""

    residuals: list[float]
    objectives: Any = None
    converge_at: int = 10**9
    interrupt_at: int = 10**9
    pause: float = 0.0

    name: ClassVar[str] = "script"
    measure: ClassVar[str] = "distance"

    def start(self, problem: Any, W: Any, Ht: Any) -> State:
        return State(W, Ht)

    def iterate(self, problem: Any, state: State) -> Progress:
        if state.n_iter + 1 == self.interrupt_at:
            raise KeyboardInterrupt
        time.sleep(self.pause)
        state.W += 1
        objective = None
        if self.objectives is not None:
            objective = np.atleast_1d(self.objectives[state.n_iter])
        return Progress(
            objective=objective,
            residual=np.array([self.residuals[state.n_iter % len(self.residuals)]]),
            decrease=None,
            converged=np.array([state.n_iter + 1 >= self.converge_at]),
            sweeps=1.5,
        )

    def finish(self, problem: Any, state: State) -> Any:
        return state.W, state.Ht


def play(script: Script, n_iter: int = 0, **limits: Any):
    state = script.start(None, np.zeros((2, 1)), np.zeros((3, 1)))
    state.n_iter = n_iter
    return run(
        script, None, Past(state), Limits(**{"max_iter": 6, "tol": 0.1, **limits})
    )


def test_it_ends_at_max_iter():
    outcome = play(Script([3.0]))
    assert outcome.stop_reason is StopReason.MAX_ITER
    assert outcome.state.n_iter == 6
    assert outcome.state.W[0, 0] == 6
    assert outcome.interrupt is None


def test_it_ends_when_the_solver_has_converged():
    outcome = play(Script([3.0], converge_at=4))
    assert outcome.stop_reason is StopReason.CONVERGED
    assert outcome.state.n_iter == 4


@pytest.mark.parametrize("last", [4, 6])
def test_convergence_at_the_last_iteration_is_convergence(last):
    outcome = play(Script([3.0], converge_at=last), max_iter=last)
    assert outcome.stop_reason is StopReason.CONVERGED


def test_every_model_has_to_converge():
    class Two(Script):
        def iterate(self, problem, state):
            progress = super().iterate(problem, state)
            progress.converged = np.array([True, state.n_iter >= 3])
            progress.residual = np.array([1.0, 2.0])
            progress.objective = np.array([8.0, 5.0])
            return progress

    outcome = play(Two([1.0]))
    assert outcome.state.n_iter == 4
    # the best model's objective, the worst one's residual
    assert outcome.history.objective == [5.0] * 4
    assert outcome.history.residual == [2.0] * 4


def test_history_has_an_entry_for_each_iteration():
    outcome = play(
        Script([5.0, 4.0, 3.0, 2.0, 1.0, 0.5], objectives=[9, 8, 7, 6, 5, 4])
    )
    assert outcome.history.residual == [5.0, 4.0, 3.0, 2.0, 1.0, 0.5]
    assert outcome.history.objective == [9.0, 8.0, 7.0, 6.0, 5.0, 4.0]
    assert outcome.history.sweeps == [1.5] * 6
    assert np.all(np.diff(outcome.history.seconds) >= 0)
    table = outcome.history.as_dict()
    assert table.keys() == vars(History()).keys() - {"objectives"}
    assert {column.shape for column in table.values()} == {(6,)}


def test_unknown_objectives_are_nan():
    assert np.isnan(play(Script([1.0])).history.objective).all()


def test_the_callback_sees_each_iteration():
    seen: list[Iteration] = []
    play(Script([5.0, 4.0], objectives=range(6)), max_iter=2, callback=seen.append)
    assert [(it.n_iter, it.residual, it.objective) for it in seen] == [
        (1, 5.0, 0.0),
        (2, 4.0, 1.0),
    ]
    assert {(it.max_iter, it.tol) for it in seen} == {(2, 0.1)}
    assert 0 <= seen[0].seconds <= seen[1].seconds


def test_a_true_answer_of_the_callback_ends_the_fit():
    outcome = play(Script([1.0]), callback=lambda it: it.n_iter == 3)
    assert outcome.stop_reason is StopReason.CALLBACK
    assert outcome.state.n_iter == 3


@pytest.mark.parametrize("answer", [None, False, 0])
def test_any_other_answer_does_not(answer):
    assert play(Script([1.0]), callback=lambda it: answer).state.n_iter == 6


def test_an_error_in_the_callback_is_the_callers():
    def broken(iteration):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        play(Script([1.0]), callback=broken)


def test_max_time_ends_after_a_whole_iteration():
    outcome = play(Script([1.0]), max_time=0.0)
    assert outcome.stop_reason is StopReason.MAX_TIME
    assert outcome.state.n_iter == 1
    assert outcome.state.W[0, 0] == 1


def test_max_time_is_not_reached_in_a_short_fit():
    outcome = play(Script([1.0]), max_time=3600.0)
    assert outcome.stop_reason is StopReason.MAX_ITER


def test_an_interrupt_keeps_what_was_found():
    outcome = play(Script([1.0], interrupt_at=4))
    assert outcome.stop_reason is StopReason.INTERRUPTED
    assert isinstance(outcome.interrupt, KeyboardInterrupt)
    assert outcome.state.n_iter == len(outcome.history.residual) == 3
    assert outcome.state.W[0, 0] == 3


def test_an_interrupt_in_the_callback_counts_the_iteration():
    def interrupt(iteration):
        if iteration.n_iter == 2:
            raise KeyboardInterrupt

    outcome = play(Script([1.0]), callback=interrupt)
    assert outcome.stop_reason is StopReason.INTERRUPTED
    assert outcome.state.n_iter == 2


def test_a_restored_state_goes_on_counting():
    outcome = play(Script([1.0]), n_iter=4)
    assert outcome.state.n_iter == 6
    assert len(outcome.history.residual) == 2


def test_no_iteration_is_left():
    outcome = play(Script([1.0]), n_iter=6)
    assert outcome.stop_reason is StopReason.MAX_ITER
    assert outcome.history == History()


def test_verbose_prints_the_measure_and_the_end(capsys):
    play(Script([0.5, 0.25], converge_at=2), verbose=1)
    assert capsys.readouterr().out.splitlines() == [
        "distance: 0.5",
        "distance: 0.25",
        "Converged at iteration 2",
    ]


def test_it_is_quiet_by_default(capsys):
    play(Script([0.5], converge_at=2))
    assert capsys.readouterr().out == ""
