"""Quantile of one compound Poisson loss with lognormal damages, by the package aggregate. Argument: the binary logarithm of the number of buckets."""
import math
import sys

from aggregate import build

from timing import problem, tell

p = problem()
log2 = int(sys.argv[2])
rate, mu, sigma = (p[k][0] for k in ("lambda", "mu", "sigma"))


def compute():
    law = build(f"agg Risk {rate} claims sev {math.exp(mu)} * lognorm {sigma} poisson", log2=log2, bs=p["span"] / 2 ** log2)
    return {"value": float(law.q(p["level"]))}


tell(compute)
