"""Quantile of a sum of compound Poisson losses with lognormal damages, by the transform of the damages on a lattice.

Arguments: repetitions, point or bracket, the binary logarithm of the number of points. The lattice is tilted, so that what
goes beyond its end comes back with next to no weight. For the bracket damages are rounded down and up.
"""
import sys

import numpy as np
from scipy.special import ndtr

from timing import problem, tell

p = problem()
rates, mus, sigmas = (np.asarray(p[k]) for k in ("lambda", "mu", "sigma"))
mode, n = sys.argv[2], 1 << int(sys.argv[3])
step = p["span"] / n
tilt = np.exp(-20.0 / n * np.arange(n))


def below(points, mu, sigma):
    """The probability that a damage is at most so many steps."""
    out = np.zeros(len(points))
    some = points > 0
    out[some] = ndtr((np.log(points[some] * step) - mu) / sigma)
    return out


def quantile(shift):
    """Damages within [k - shift, k + 1 - shift) steps count as k."""
    exponent = np.zeros(n // 2 + 1, dtype=complex)
    edges = np.arange(n + 1) - shift
    for rate, mu, sigma in zip(rates, mus, sigmas):
        exponent += rate * (np.fft.rfft(np.diff(below(edges, mu, sigma)) * tilt) - 1)
    law = np.fft.irfft(np.exp(exponent), n) / tilt
    cumulated = np.cumsum(law)
    k = int(np.searchsorted(cumulated, p["level"]))
    if shift != 0.5 or k == 0:
        return k * step
    # Between the points the law is taken for even.
    return (k - 0.5 + (p["level"] - cumulated[k - 1]) / (cumulated[k] - cumulated[k - 1])) * step


def compute():
    if mode == "point":
        return {"value": quantile(0.5)}
    low, high = quantile(0), quantile(1)
    return {"value": (low + high) / 2, "low": low, "high": high}


tell(compute)
