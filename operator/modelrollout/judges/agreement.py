"""Do candidate and stable predict the same? Held against a least agreement, or against how far stable agrees with itself.

What is compared are answers to copies of the same requests, pair by pair, so load, hour and what the requests are cancel out.
Scores are held against a mean, labels taken two by two against Cohen's kappa.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.problem import Problem
from modelrollout.domain.reading import Reading
from modelrollout.domain.tally import Block, Crossed, Features, Histogram, Mean, Paired, Rate, Scores, Shares
from modelrollout.domain.verdict import Gate
from modelrollout.judges import _agreement_words, _scores
from modelrollout.judges._base import DEFAULT_BETA, Question, Weigher
from modelrollout.judges._case import Damping
from modelrollout.judges._gate import conclude
from modelrollout.judges._kappa import Kappa
from modelrollout.judges._scale import Agreement, Excess, Scale
from modelrollout.judges._scores import ScoreLedger
from modelrollout.judges._stored import fields
from modelrollout.schema import ApiModel, Rule

VERSION = 2
"""Of stored ledgers, see ``compare.py``."""
_FRACTION = Rule(
    lambda share: share < 1, "self < 1.0", "is no fraction below 1. Write a number between 0 and 1: 0.97 for 97 %."
)
_OTHERS = {
    Rate: "bad requests",
    Histogram: "values by size",
    Mean: "a mean",
    Shares: "classes",
    Paired: "bad answers",
    Features: "features of requests",
}
"""What other metrics count."""


class AgreementConfig(ApiModel):
    """How far the candidate's predictions must agree with stable's; exactly one of min and margin.

    Evidence is gathered until it proves one of two things: they agree less (rollback; false with a chance of at most
    `analysis.alpha`), or at least so far (pass; false with a chance of at most `analysis.beta`). Both hold however often it is
    looked at. It needs signal agreement or kappa of the source predictions.
    """

    min: Annotated[float, Field(gt=0, allow_inf_nan=False), _FRACTION] | None = None
    """The least that you accept, as a fraction of 1: 0.97 asks for an agreement of 97 % on average; of signal kappa it is
    Cohen's kappa, in which agreement by chance does not count."""
    margin: Annotated[float, Field(gt=0, allow_inf_nan=False), _FRACTION] | None = None
    """By how much the candidate may agree less with stable than stable agrees with itself, as a fraction of 1: 0.02 allows two
    percentage points. For models whose answers to one request differ by chance; needs `analysis.predictions.baseline`, by
    which stable answers some requests twice."""
    min_requests: Annotated[int, Field(ge=1, le=1_000_000_000)] = 50
    """Pairs of predictions without which nothing passes, whatever the evidence."""
    required: bool = True
    """Whether the rollout waits until this metric passes. false: it can only roll back, and never holds anything up."""

    rules = (
        Rule(
            lambda config: (config.min is None) != (config.margin is None),
            "has(self.min) != has(self.margin)",
            "must have exactly one of min and margin. Set min, or margin for a model whose own answers differ by chance.",
        ),
    )


class AgreementJudge(Weigher[AgreementConfig, ScoreLedger]):
    """Passes when the predictions are proven to agree far enough."""

    name = "agreement"
    config = AgreementConfig

    def problems(
        self,
        config: AgreementConfig,
        *,
        counts: bool,
        fraction: bool = False,  # noqa: ARG002  # agreement always is one
        forms: frozenset[type] = frozenset(),
    ) -> tuple[Problem, ...]:
        """Return why this judge cannot judge such readings."""
        if not forms or not counts:
            reason = "this metric is one number and counts no pairs of predictions"
            return (Problem("agreement", reason, f"Use threshold, or {_SOURCE}."),)
        if other := next((words for form, words in _OTHERS.items() if form in forms), None):
            reason = f"this metric counts {other}, not how far predictions agree"
            return (Problem("agreement", reason, f"Use compare or threshold, or {_SOURCE}."),)
        if Crossed in forms and config.margin is not None:
            reason = "kappa has no margin: it is about labels, and is held against a constant"
            return (Problem("agreement.margin", reason, "Set min instead, or measure the signal agreement."),)
        return ()

    def needs_baseline(self, config: AgreementConfig) -> bool:
        """Return whether stable must answer some requests twice."""
        return config.margin is not None

    def required(self, config: AgreementConfig) -> bool:
        """Return what the user says."""
        return config.required

    def min_requests(self, config: AgreementConfig) -> int:
        """Return how many pairs a pass needs."""
        return config.min_requests

    def forms(self, config: AgreementConfig) -> frozenset[type]:
        """Return what tallies it accepts with such a config."""
        return frozenset({Scores, Crossed} if config.margin is None else {Scores})

    def begin(self, config: AgreementConfig, question: Question) -> ScoreLedger:
        """Return the ledger before the first block."""
        scale = next(scale for scale, form in _scales(config) if form is question.form)
        return _scores.begin(scale, question.horizon, question.beta)

    def weigh(
        self,
        config: AgreementConfig,  # noqa: ARG002  # it is in the ledger
        ledger: ScoreLedger,
        block: Block,
        noise: float,
        cap: float,
    ) -> ScoreLedger:
        """Fold one block in."""
        return _scores.weigh(ledger, block, Damping(max(float(noise), 1.0), float(cap)))

    def evidence(self, config: AgreementConfig, ledger: ScoreLedger) -> Evidence:
        """Return what has been gathered."""
        return _scores.evidence(ledger, config.min_requests)

    def dump(self, ledger: ScoreLedger) -> list[Any]:
        """Return a ledger as JSON values."""
        return [VERSION, *_scores.dump(ledger)]

    def load(self, config: AgreementConfig, question: Question, raw: object) -> ScoreLedger:
        """Return the ledger that was dumped."""
        version, *rest = fields(raw, 7)
        if version != VERSION:
            raise ValueError("The ledger is of another version.")
        scales = [scale for scale, _ in _scales(config)]
        return _scores.load(scales, question.horizon, question.beta, rest)

    def judge(
        self, config: AgreementConfig, reading: Reading, gate: Gate | None, *, beta: float = DEFAULT_BETA
    ) -> Gate:
        """Return the gate that the evidence of a reading makes."""
        evidence = reading.evidence
        if evidence is not None and evidence.candidate is None and not reading.message:
            reading = reading._replace(message=_agreement_words.silent(evidence))
        return conclude(
            reading,
            gate,
            beta=beta,
            least=config.min_requests,
            required=self.required(config),
            limit=_agreement_words.limit(config.min, config.margin, evidence),
            values=_agreement_words.values(evidence),
            basis=_agreement_words.basis(config.min, config.margin, evidence),
            bound="margin" if config.margin is not None else "bound",
            unit=_agreement_words.PAIR,
        )

    def needed(self, config: AgreementConfig, form: type, rate: float, share: float, beta: float) -> int | None:  # noqa: ARG002  # pairs are not split
        """Return how many pairs a pass will take when a share of them disagrees, all of it.

        With a margin they are those that stable answers twice, when it disagrees with itself as often: of three answers alike
        in law each is the odd one out at most half as often. Of kappa nobody can tell: it depends on the labels.
        """
        if form is not Scores:
            return None
        scale = _scales(config)[0][0]
        law = {1.0: 1 - rate, 0.0: rate}
        if isinstance(scale, Excess):
            law = {1.0: rate / 2, -1.0: rate / 2, 0.0: 1 - rate}
        found = _scores.forecast(scale, [law.get(value, 0.0) for value in scale.values], beta)
        return max(found, config.min_requests) if found is not None else None

    def blame_words(self, config: AgreementConfig, evidence: Evidence, alpha: float) -> str:
        """Return what speaks against the candidate."""
        return _agreement_words.blame(config.min, config.margin, evidence, alpha)


def _scales(config: AgreementConfig) -> Sequence[tuple[Scale, type]]:
    """Return what it can be held against, each with the form of tallies that says it."""
    if config.margin is not None:
        return ((Excess(config.margin), Scores),)
    assert config.min is not None
    return ((Agreement(config.min), Scores), (Kappa(config.min), Crossed))


_SOURCE = "predictions with signal agreement or kappa"
PLUGIN = AgreementJudge()
