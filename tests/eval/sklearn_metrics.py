#!/usr/bin/env python3
"""Figures of scikit-learn and scipy that the tests of the eval room compare with.

    python3 tests/eval/sklearn_metrics.py > tests/eval/sklearn_metrics.json
"""
import json

import numpy
import scipy
import scipy.optimize
import scipy.special
import scipy.stats
import sklearn
from sklearn import metrics

LABELS = ["angry", "disgusted", "fearful", "happy", "sad", "surprised", "neutral"]
N, BINS = 160, 15

random = numpy.random.RandomState(7)
# Class 1 is rare, class 5 has no samples and class 3 is confused with 6; over-confident on purpose.
truth = random.choice(7, N, p=[0.15, 0.02, 0.15, 0.28, 0.18, 0.0, 0.22])
logits = random.normal(0, 1.6, (N, 7))
logits[numpy.arange(N), truth] += 2.2
logits[truth == 3, 6] += 1.5
other_logits = logits + random.normal(0, 2.0, (N, 7))


def probabilities(values):
    return numpy.round(scipy.special.softmax(values, axis=1), 6).astype(numpy.float32).astype(float)


def calibration_error(confidence, correct):
    error = 0.0
    for b in range(BINS):
        inside = (confidence > b / BINS) & (confidence <= (b + 1) / BINS)
        if inside.any():
            error += inside.sum() * abs(correct[inside].mean() - confidence[inside].mean())
    return error / len(confidence)


p, q = probabilities(logits), probabilities(other_logits)
predicted, other = p.argmax(1), q.argmax(1)
correct = predicted == truth
one_hot = numpy.eye(7)[truth]
classes = range(7)
precision, recall, f1, support = metrics.precision_recall_fscore_support(
    truth, predicted, labels=classes, zero_division=0)


def average(kind):
    return metrics.precision_recall_fscore_support(truth, predicted, average=kind, zero_division=0)[:3]


macro, weighted = average("macro"), average("weighted")


def negative_log_likelihood(log_temperature):
    scores = numpy.log(numpy.maximum(p, 1e-30)) / numpy.exp(log_temperature)
    log_p = scipy.special.log_softmax(scores, axis=1)
    return -log_p[numpy.arange(N), truth].mean()


only_a = int((correct & (other != truth)).sum())
only_b = int((~correct & (other == truth)).sum())

figures = {
    "command": "python3 tests/eval/sklearn_metrics.py > tests/eval/sklearn_metrics.json",
    "versions": {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__},
    "labels": LABELS,
    "truth": truth.tolist(),
    "probabilities": p.tolist(),
    "other_probabilities": q.tolist(),
    "confusion": metrics.confusion_matrix(truth, predicted, labels=classes).tolist(),
    "precision": precision.tolist(),
    "recall": recall.tolist(),
    "f1": f1.tolist(),
    "support": support.tolist(),
    "metrics": {
        "accuracy": metrics.accuracy_score(truth, predicted),
        "top2_accuracy": metrics.top_k_accuracy_score(truth, p, k=2, labels=classes),
        "balanced_accuracy": recall[support > 0].mean(),
        "macro_precision": macro[0],
        "macro_recall": macro[1],
        "macro_f1": macro[2],
        "weighted_precision": weighted[0],
        "weighted_recall": weighted[1],
        "weighted_f1": weighted[2],
        "kappa": metrics.cohen_kappa_score(truth, predicted, labels=classes),
        "nll": -numpy.log(numpy.maximum(p[numpy.arange(N), truth], 1e-12)).mean(),
        "brier": ((p - one_hot) ** 2).sum(1).mean(),
        "ece": calibration_error(p.max(1), correct),
    },
    "temperature": float(numpy.exp(scipy.optimize.minimize_scalar(
        negative_log_likelihood, bounds=(-3, 3), method="bounded", options={"xatol": 1e-10}).x)),
    "mcnemar": {
        "only_first": only_a,
        "only_second": only_b,
        "exact": scipy.stats.binomtest(min(only_a, only_b), only_a + only_b).pvalue,
        "corrected": scipy.stats.chi2.sf((abs(only_a - only_b) - 1) ** 2 / (only_a + only_b), 1),
    },
}
print("{" + ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in figures.items()) + "}")
