"""
A questionnaire with gaps
=========================

Answers that were not given: filled within a pipeline, so that folds stay apart.
"""

from __future__ import annotations

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from nonneg import NMFImputer

rng = np.random.default_rng(0)
people, questions = 300, 24
trait = rng.gamma(2.0, size=(people, 3))
loading = rng.random((3, questions)) * (rng.random((3, questions)) < 0.5)
score = trait @ loading
answers = np.clip(1 + np.rint(4 * score / np.quantile(score, 0.95)), 1, 5)
answers[rng.random(answers.shape) < 0.3] = np.nan
outcome = trait[:, 0] + 0.3 * rng.standard_normal(people)

imputer = NMFImputer(
    solver="hals", alpha_W=0.01, init="random", random_state=0, tol=1e-3
)
search = GridSearchCV(
    make_pipeline(imputer, RidgeCV()), {"nmfimputer__n_components": [1, 2, 3, 5]}, cv=3
)
search.fit(answers, outcome)
print(f"{np.isnan(answers).mean():.0%} of {answers.size:,} answers missing")
print(
    f"filled by NMF: R² {search.best_score_:.2f},",
    f"{search.best_params_['nmfimputer__n_components']} components",
)
by_mean = make_pipeline(SimpleImputer(), RidgeCV())
print(
    f"filled by means: R² {cross_val_score(by_mean, answers, outcome, cv=3).mean():.2f}"
)
