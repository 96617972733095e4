"""The value of a zero-sum game, as a linear program; the bracket is computed from both strategies."""
import numpy as np
from scipy.optimize import linprog

from timing import problem, tell

a = np.asarray(problem()["a"])
rows, columns = a.shape


def compute():
    # The row player: maximise v, v - sum x_i a_ij <= 0.
    r = linprog(np.r_[-1, np.zeros(rows)], A_ub=np.c_[np.ones(columns), -a.T], b_ub=np.zeros(columns), A_eq=[np.r_[0, np.ones(rows)]], b_eq=[1],
                bounds=[(None, None)] + [(0, None)] * rows, method="highs")
    x = np.maximum(r.x[1:], 0)
    y = np.maximum(-r.ineqlin.marginals, 0)
    x, y = x / x.sum(), y / y.sum()
    return {"value": -r.fun, "low": (x @ a).min(), "high": (a @ y).max()}


tell(compute)
