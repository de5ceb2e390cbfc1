"""Many tests, hour after hour: which of them may be believed?

Testing a hundred features every hour finds something every day. e-LOND (Xu and Ramdas, "Online multiple
testing with e-values", 2024, section 3) rejects the t-th hypothesis when its e-value is at least
1 / (alpha gamma_t (D + 1)), D being the number of rejections before and the gammas summing to 1. The expected
share of false rejections among all is then at most alpha *whatever the dependence* between the tests, and
that is why it is used here rather than LORD++ (Ramdas, Yang, Wainwright and Jordan 2017), which asks for
independent p-values: features share cards, cards come again, and windows overlap.

Gammas here are equal within a period of fixed length, then everything begins anew: the promise
holds within each period, and tests do not grow weaker for ever.

p-values become e-values by (1 - p + p log p) / (p log(p)^2), which integrates to 1 (Vovk and Wang, "E-values:
calibration, combination and applications", 2021, equation 2).
"""

import math

from monitoring.compiled import borrowing


@borrowing
def log_e_value(log_p: float) -> float:
    """Logarithm of the e-value of a p-value, given as its logarithm.

    >>> round(math.exp(log_e_value(math.log(0.001))), 2)
    20.79
    >>> log_e_value(0.0) == math.log(0.5)
    True
    """
    if log_p > -1e-3:  # the limit at 1: the formula itself is 0 / 0 there
        return math.log(0.5)
    top = math.log1p(-math.exp(log_p) * (1.0 - log_p))
    return top - log_p - 2.0 * math.log(-log_p)


@borrowing
def log_threshold(alpha: float, tests: float, rejections: int) -> float:
    """Logarithm of what an e-value must reach, as one of `tests` in a period.

    >>> round(math.exp(log_threshold(0.05, 100.0, 1)))
    1000
    """
    return math.log(tests / (alpha * (rejections + 1.0)))


def once_in(log_e: float) -> str:
    """The odds that an e-value stands for (Markov: at least e comes with a chance of at most 1 / e).

    >>> once_in(math.log(316_000.0)), once_in(math.log(10.0) * 24.1)
    ('320,000', '10^24.1')
    """
    digits = log_e / math.log(10.0)
    return f"10^{digits:.1f}" if digits >= 9.0 else f"{float(f'{math.exp(log_e):.2g}'):,.0f}"
