"""φ: how many times noisier the bad requests are than chance among requests would make them.

The tests take each request's fate as drawn on its own. A bad node or a clumped client breaks that for one pod or one
minute, and no routing at random covers it. So evidence is divided by φ, as in quasi-likelihood (McCullagh, Nelder 1989,
section 4.5): the mean square of standardised residuals, which is 1 when nothing but chance is at work.

There are three sources, and the largest one counts: stable's own pods against one another, minute by minute and over all
their past; stable's own polls, in which failures that are tried again at once come in clumps; and the comparison itself. All
states are sums and stay small.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from modelrollout.domain.tally import Rate
from modelrollout.evidence.pair import Pair

# Minutes with bad requests before the comparison's own residuals say anything.
MIN_MINUTES = 8
MOST = 500.0

# Bad requests without a difference between the arms that are added to what is known, so that a ratio always exists. More
# of them would make a candidate that fails altogether look noisy.
_PRIOR = 1.0

# By what factor polls that are compared may differ in size: one bad request of two says nothing about hundreds.
ALIKE = 2.0

# Standard errors beyond which a mean square is no chance: one in a thousand is.
_SURE = 3.0

# Bad requests that come one by one and are added to those that were seen: a single clump does not say how large they are.
_SINGLE = 3.0


@dataclass(frozen=True)
class PodNoise:
    """How much stable's own pods differ.

    Attributes:
        squares: sum of squared standardised residuals.
        residuals: number of them.
    """

    squares: float = 0.0
    residuals: int = 0

    def add(self, pods: Iterable[Rate]) -> "PodNoise":
        """Return the state after one more minute.

        Given how many requests were bad in all, the bad ones of each pod are hypergeometric when pods are alike.
        """
        minute = tuple(pods)
        bad, total = sum(pod.bad for pod in minute), sum(pod.total for pod in minute)
        squares, residuals = self.squares, self.residuals
        if not 0 < bad < total or total <= 1:
            return self
        for pod in minute:
            if 0 < pod.total < total:
                share = pod.total / total
                variance = bad * share * (1 - share) * (total - bad) / (total - 1)
                squares += (pod.bad - bad * share) ** 2 / variance
                residuals += 1
        return PodNoise(squares, residuals)

    @property
    def factor(self) -> float:
        """Mean square; 1 where there is none."""
        return self.squares / self.residuals if self.residuals else 1.0

    @property
    def sure(self) -> bool:
        """Whether so large a mean square is no chance; the square of a residual has mean 1 and variance 2."""
        return self.residuals > 0 and self.factor > 1 + _SURE * math.sqrt(2 / self.residuals)


def pod_dispersion(minutes: Iterable[Iterable[Rate]]) -> float:
    """Return φ of stable's own pods, at least 1.

    Args:
        minutes: bad and all requests of each pod, by minute.
    """
    state = PodNoise()
    for pods in minutes:
        state = state.add(pods)
    return noise(state)


@dataclass(frozen=True)
class Clumps:
    """How many bad requests of stable come together, as where everyone who fails tries again at once.

    A poll's bad requests are compared with those of the poll before and with those of the poll after it, and the two
    differences are multiplied. The mean of the product is the variance of the poll whatever the level, even where the level
    jumps on one side of it: an incident, which hits both versions for some polls, is no clump. Divided by the variance that
    chance among requests alone would make it is the index of dispersion: 1 without clumps; c where c requests always share
    one fate; 2c - 1 where failed ones try again until c are sent on average (Johnson, Kemp, Kotz, Univariate Discrete
    Distributions, 2005, section 9.1: Poisson sums of geometric counts).

    Attributes:
        polls: bad and all requests of the last three polls, the oldest first.
        products: sum of the products.
        expected: sum of the variances that chance alone makes.
        spread: variance of the sum of products by chance alone.
    """

    polls: tuple[Rate, ...] = ()
    products: float = 0.0
    expected: float = 0.0
    spread: float = 0.0

    def add(self, poll: Rate) -> "Clumps":
        """Return the state after one more poll: what it says of the polls before this one, which may temper this one."""
        if poll.total <= 1:
            return self
        polls = (*self.polls, poll)[-3:]
        if len(self.polls) < len(polls) or len(polls) < 3:
            return replace(self, polls=polls)
        totals = [one.total for one in self.polls]
        if max(totals) > ALIKE * min(totals):
            return replace(self, polls=polls)
        before, here, after = self.polls
        own = _chance(here)
        return Clumps(
            polls,
            self.products + _off(here, before) * _off(here, after),
            self.expected + own,
            # Of Poisson counts around m it is m + 5m², and 2m² more with the next product, which shares two of its three polls.
            self.spread + own + 7 * own * (_chance(before) + _chance(after)) / 2,
        )

    @property
    def factor(self) -> float:
        """Index of dispersion, less what two standard errors of chance explain."""
        beyond = self.products - self.expected - 2 * math.sqrt(self.spread)
        return 1 + max(0.0, beyond) / (self.expected + _SINGLE)


def _off(here: Rate, other: Rate) -> float:
    """Return how many more bad requests a poll has than another one, were both of its size."""
    return here.bad - other.bad * here.total / other.total


def _chance(poll: Rate) -> float:
    """Return the variance of the bad requests of a poll where each request has its own fate."""
    return poll.bad * (poll.total - poll.bad) / (poll.total - 1)


@dataclass(frozen=True)
class LiveNoise:
    """How much the comparison itself wavers.

    A constant regression is not noise: residuals are taken from the ratio of the rates so far, and are as large as those
    from the minutes before alone (recursive residuals: Brown, Durbin, Evans, JRSS B 1975). A late one is not noise
    either: it is the differences of neighbours that count.

    Attributes:
        past: totals of the minutes so far.
        last: residual of the last minute that had bad requests; None before there was one.
        squares: half the sum of squared differences of neighbours.
        differences: number of them.
        largest: the largest term of the sum. It is left out: a regression that begins late makes one huge difference, and
            is no noise.
    """

    past: Pair = field(default_factory=Pair)
    last: float | None = None
    squares: float = 0.0
    differences: int = 0
    largest: float = 0.0

    def add(self, minute: Pair) -> "LiveNoise":
        """Return the state after one more minute."""
        past = self.past + minute
        bad, total = minute.kc + minute.ks, minute.nc + minute.ns
        if minute.nc <= 0 or minute.ns <= 0 or total <= 1 or not 0 < bad < total:
            return replace(self, past=past)
        share = _share(past, minute)
        # How much of what is known is this minute itself: it draws the expectation towards it.
        own = bad / (past.kc + past.ks + _PRIOR)
        variance = bad * share * (1 - share) * (total - bad) / (total - 1) * (1 - own)
        residual = (minute.kc - bad * share) / math.sqrt(variance)
        if self.last is None:
            return replace(self, past=past, last=residual)
        square = (residual - self.last) ** 2 / 2
        return LiveNoise(past, residual, self.squares + square, self.differences + 1, max(self.largest, square))

    @property
    def factor(self) -> float:
        """Mean square; 1 where there are too few."""
        return (self.squares - self.largest) / (self.differences - 1) if self.differences + 1 >= MIN_MINUTES else 1.0


def _share(known: Pair, minute: Pair) -> float:
    """Return the share of a minute's bad requests that is the candidate's at the ratio of the rates known so far."""
    everything = known.nc + known.ns
    candidate = minute.nc * (known.kc / known.nc + _PRIOR / everything)
    stable = minute.ns * (known.ks / known.ns + _PRIOR / everything)
    return candidate / (candidate + stable)


def noise(*sources: PodNoise | Clumps | LiveNoise) -> float:
    """Return φ: the largest of the sources, at least 1 and not beyond all measure."""
    return min(MOST, max((1.0, *(source.factor for source in sources))))
