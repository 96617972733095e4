"""Quantile of a sum of compound Poisson losses with lognormal damages, by simulation of so many years."""
import sys

import numpy as np

from timing import problem, tell

p = problem()
years = int(sys.argv[2])


def compute():
    draw = np.random.default_rng(1)
    total = np.zeros(years)
    for rate, mu, sigma in zip(p["lambda"], p["mu"], p["sigma"]):
        counts = draw.poisson(rate, years)
        damages = draw.lognormal(mu, sigma, counts.sum())
        total += np.bincount(np.repeat(np.arange(years), counts), weights=damages, minlength=years)
    total.sort()
    k = int(p["level"] * years)
    # The order statistics between which the quantile lies with probability 95 %.
    half = int(1.96 * np.sqrt(years * p["level"] * (1 - p["level"])))
    return {"value": total[k], "low": total[k - half], "high": total[k + half], "note": "bracket at 95 %"}


tell(compute)
