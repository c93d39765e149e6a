"""From one answer to what is kept of it until the other one comes: small, bounded, and made for one comparison."""

from array import array
from dataclasses import dataclass, replace

from modelrollout.collector import openai
from modelrollout.collector.body import NOT_JSON, UNDECODABLE, Body, read_body
from modelrollout.collector.forms import Rows, form
from modelrollout.collector.text import shown
from modelrollout.domain.capture import Capture, Extraction, Kind, Protocol
from modelrollout.domain.jsonpath import ABSENT, MAX_VALUES, covers, read_path, replace_path

ERROR, NO_PATH, SHAPE = "error", "noPath", "shape"
REDACTED = "(redacted)"
UNSEEN = frozenset((UNDECODABLE, "stream", "tooLarge"))
"""Problems of an answer of which nobody can say whether it was right."""
_ANNOUNCED = {"empty": NOT_JSON, "notJson": NOT_JSON, "stream": "stream", "tooLarge": "tooLarge"}
"""What the answer to a copy amounts to that came without its body."""
_DEFAULT: dict[Protocol, tuple[str, ...]] = {
    Protocol.OPEN_INFERENCE: ("outputs[0].data",),
    Protocol.KSERVE_V1: ("predictions",),
    Protocol.OPEN_AI: openai.PATHS,
    Protocol.HTTP: (),
}


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one answer predicts.

    Attributes:
        problem: why there is nothing to compare: error, notJson, undecodable, stream, tooLarge, noPath or shape; else empty.
        rows: the predictions.
        length: characters of text, entries of rankings, rows otherwise.
        empty: a prediction is null or empty, or there is none.
        invalid: the answer, or its text, is not JSON.
        refused: the model refused.
        finish: why a text ended; empty where that is not said.
        shown: for examples.
    """

    problem: str = ""
    rows: Rows = ()
    length: int = 0
    empty: bool = False
    invalid: bool = False
    refused: bool = False
    finish: str = ""
    shown: str = ""

    @property
    def size(self) -> int:
        """Bytes that it needs, roughly."""
        if isinstance(self.rows, array):
            return 200 + 8 * len(self.rows)
        texts = (row if isinstance(row, tuple) else (row,) for row in self.rows)
        rows = sum(60 + sum(60 + len(text or "") for text in row) for row in texts)
        return 200 + 2 * len(self.shown) + rows


class Extractor:
    """Finds what one extraction asks for in an answer.

    Args:
        capture: which protocol, what is redacted.
        extraction: what to find.

    Attributes:
        extraction: what it finds.
        hidden: the prediction itself is redacted, or a part of it.
    """

    def __init__(self, capture: Capture, extraction: Extraction) -> None:
        self.extraction = extraction
        self._protocol = capture.protocol
        self._paths = (extraction.path,) if extraction.path else _DEFAULT[capture.protocol]
        self.hidden = any(covers(redacted, path) for redacted in capture.redact for path in self._paths)

    def read(self, document: object) -> Prediction:
        """Return what a document predicts."""
        refused, finish = self._openai(document)
        value = self._find(document)
        if value is ABSENT:
            return Prediction(NO_PATH, refused=refused, finish=finish)
        try:
            rows, length, empty, invalid = form(self._rows(value, document), self.extraction)
        except TypeError:
            return Prediction(SHAPE, refused=refused, finish=finish)
        return Prediction("", rows, length, empty and not refused, invalid, refused, finish)

    def show(self, document: object) -> str:
        """Return what a redacted document predicts, for people."""
        value = self._find(document)
        return REDACTED if value is ABSENT else shown(value)

    def _find(self, document: object) -> object:
        if self.extraction.path is None and self._protocol is Protocol.OPEN_AI:
            return openai.content(document)
        return read_path(document, self._paths[0]) if self._paths else ABSENT

    def _rows(self, value: object, document: object) -> object:
        """Give a flat tensor its rows back: probabilities of classes, or rankings."""
        kind = self.extraction.kind
        if kind not in (Kind.LABEL, Kind.RANKING) or self._paths != _DEFAULT[Protocol.OPEN_INFERENCE]:
            return value
        match read_path(document, "outputs[0]"):
            case {"shape": [int(count), int(width)], "datatype": str(datatype)} if (
                isinstance(value, list) and count * width == len(value) and width > 1
            ):
                # Whole numbers are labels in themselves, several of one request.
                if kind is Kind.RANKING or datatype.startswith("FP"):
                    return [value[at : at + width] for at in range(0, min(len(value), MAX_VALUES * width), width)]
        return value

    def _openai(self, document: object) -> tuple[bool, str]:
        if self._protocol is not Protocol.OPEN_AI:
            return False, ""
        return openai.refusal(document), openai.finish(document)


class Reader:
    """Turns answers into predictions, one for each extraction.

    Args:
        capture: what to find.

    Attributes:
        extractors: of what is compared; what is only observed or held against labels comes after these.
    """

    def __init__(self, capture: Capture) -> None:
        compared = dict.fromkeys(capture.extractions)
        observed = capture.observed.output if capture.observed is not None else None
        labelled = capture.labelled.output if capture.labelled is not None else None
        every = [*dict.fromkeys(item for item in (*compared, observed, labelled) if item is not None)]
        self._every = tuple(Extractor(capture, item) for item in every)
        self.extractors = self._every[: len(compared)]
        self._observed = None if observed is None else every.index(observed)
        self._labelled = None if labelled is None else every.index(labelled)
        self._keep = capture.keep_bodies
        self._redact = capture.redact

    def compared(self, predictions: tuple[Prediction, ...]) -> tuple[Prediction, ...]:
        """Return those of an answer's predictions that are held against another answer's."""
        return predictions[: len(self.extractors)]

    def observed(self, predictions: tuple[Prediction, ...]) -> Prediction | None:
        """Return that one whose distribution is measured; None where none is."""
        return None if self._observed is None else predictions[self._observed]

    def labelled(self, predictions: tuple[Prediction, ...]) -> Prediction | None:
        """Return that one which labels are held against; None where none is."""
        return None if self._labelled is None else predictions[self._labelled]

    def read(self, status: int, body: bytes, encoding: str, skipped: str) -> tuple[Prediction, ...]:
        """Return what an answer predicts."""
        if status >= 400:
            return self._none(Prediction(ERROR), f"(error {status})")
        problem = _ANNOUNCED.get(skipped, UNDECODABLE) if skipped else "" if body else NOT_JSON
        found = Body(problem=problem) if problem else read_body(body, encoding)
        if found.problem:
            invalid, empty = found.problem == NOT_JSON, skipped == "empty" or not (body or skipped)
            return self._none(Prediction(found.problem, empty=empty, invalid=invalid), f"({found.problem})")
        predictions = tuple(extractor.read(found.document) for extractor in self._every)
        return self._shown(predictions, found.document) if self._keep else predictions

    def _none(self, prediction: Prediction, shown: str) -> tuple[Prediction, ...]:
        """Return an answer without a document, as all extractions see it."""
        return (replace(prediction, shown=shown if self._keep else ""),) * len(self._every)

    def _shown(self, predictions: tuple[Prediction, ...], document: object) -> tuple[Prediction, ...]:
        # Last, because it changes the document.
        for path in self._redact:
            document = replace_path(document, path, REDACTED)
        return tuple(
            replace(prediction, shown=f"({prediction.problem})" if prediction.problem else extractor.show(document))
            for prediction, extractor in zip(predictions, self._every, strict=True)
        )
