"""From the inputs of a request to increments of counters: bins, categories, and what is missing.

Features are those that somebody has named, or the first twenty that requests are found to have. One that was found once is
missed from then on in every request that does not have it.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from modelrollout.collector.bins import Bins
from modelrollout.collector.body import Body
from modelrollout.collector.compare import MAX_CLASSES, OTHER
from modelrollout.collector.features import Rows, inputs_of, length_of, shaped
from modelrollout.collector.image import MAX_ROWS, NUMBERS, Picture, Tensor, is_png, pictures, png
from modelrollout.collector.text import hashed, label
from modelrollout.domain.capture import Capture, Feature, FeatureKind, Observed, Protocol
from modelrollout.domain.jsonpath import ABSENT, MAX_VALUES, covers, read_path

MOST = 20
"""Features."""
LONGEST = 64
"""Characters. Longer texts are told apart by their length alone, unless somebody has called them categories."""
LONGEST_NAME = 63
ALWAYS = ("bytes", "length")
"""What is measured of every request."""

Increments = Mapping[str, float]
"""By series, what one request adds."""


class Categories:
    """Series of categories: the first twenty by name, all others together."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._series: dict[str, str] = {}

    def series(self, text: str) -> str:
        """Return the series of a category."""
        found = self._series.get(text)
        if found is None:
            if len(self._series) >= MAX_CLASSES:
                return f"{self._prefix}/is={OTHER}"
            found = self._series[text] = f"{self._prefix}/is={quote(text, safe='', errors='replace')}"
        return found


class Measure:
    """Counts one feature.

    Args:
        feature: what it is.
        learned: nobody has named it, so its texts are told by a hash.
        redacted: its values must not be told, nor a hash of them.

    Attributes:
        feature: likewise.
        bins: for its numbers.
    """

    def __init__(self, feature: Feature, *, learned: bool = False, redacted: bool = False) -> None:
        self.feature = feature
        self._learned = learned
        self._redacted = redacted
        self._prefix = f"in/{quote(feature.name, safe='', errors='replace')}"
        self.bins = Bins(feature.low, feature.high)
        self._at = tuple(f"{self._prefix}/at={name}" for name in self.bins.names)
        self._categories = Categories(self._prefix)
        self._shapes = Categories(f"{self._prefix}.shape")

    def look(self, value: object, found: Counter[str]) -> None:
        """Count a value, ABSENT for none."""
        found[f"{self._prefix}/count"] += 1
        match self.feature.kind:
            case FeatureKind.IMAGE:
                whole = self._images(value, found)
            case FeatureKind.LENGTH:
                whole = self._lengths(value, found)
            case FeatureKind.NUMBER:
                whole = self._numbers(value, found)
            case FeatureKind.CATEGORY:
                whole = self._labels(value, found)
        if not whole:
            found[f"{self._prefix}/missing"] += 1

    def _numbers(self, value: object, found: Counter[str]) -> bool:
        whole = value is not ABSENT
        for one in _values(value):
            number = _number(one)
            if math.isnan(number):
                whole = False
            else:
                found[self._at[self.bins.index(number)]] += 1
        return whole

    def _labels(self, value: object, found: Counter[str]) -> bool:
        whole = value is not ABSENT
        for one in _values(value):
            try:
                text = label(one)
            except TypeError:
                text = None
            if text is None:
                whole = False
            elif self._redacted:
                found[f"{self._prefix}/is={OTHER}"] += 1
            else:
                secret = self._learned and isinstance(one, str)
                found[self._categories.series(hashed(text)[:8] if secret else text)] += 1
        return whole

    def _lengths(self, value: object, found: Counter[str]) -> bool:
        values = value.values[:MAX_VALUES] if isinstance(value, Rows) else [] if value is ABSENT else [value]
        lengths = [length_of(one) for one in values if one is not None]
        for length in lengths:
            self.count(length, found)
        return bool(values) and len(lengths) == len(values)

    def count(self, length: int, found: Counter[str]) -> None:
        """Count a length: also what all of them sum up to, so that their mean is exact."""
        found[self._at[self.bins.index(length)]] += 1
        found[f"{self._prefix}/sum"] += length

    def _images(self, value: object, found: Counter[str]) -> bool:
        seen = [*_pictures(value)]
        whole = bool(seen)
        for picture in seen:
            found[f"{self._prefix}.shape/count"] += 1
            found[self._shapes.series(picture.shape)] += 1
            if picture.brightness is not None and math.isnan(picture.brightness):
                whole = False
            elif picture.brightness is not None:
                found[self._at[self.bins.index(picture.brightness)]] += 1
        return whole


class Measures:
    """Measures requests.

    Args:
        capture: which protocol, and what is redacted.
        observed: which features.
    """

    def __init__(self, capture: Capture, observed: Observed) -> None:
        self._protocol = capture.protocol
        self._redact = capture.redact
        self._learns = not observed.features
        self._bytes, self._length = (Measure(Feature(name=name, kind=FeatureKind.LENGTH)) for name in ALWAYS)
        self._measures = {
            feature.name: Measure(feature, redacted=self._hidden(feature)) for feature in observed.features
        }

    def of(self, body: Body, size: int) -> Increments:
        """Return what a request adds to the counters.

        Args:
            body: what it holds.
            size: bytes, as they came.
        """
        found: Counter[str] = Counter()
        if size:
            self._count(self._bytes, size, found)
        if body.problem:
            return found
        inputs = inputs_of(self._protocol, body.document)
        self._count(self._length, length_of(self._asked(inputs, body.document)), found)
        if self._learns and len(self._measures) < MOST:
            self._learn(inputs)
        for measure in self._measures.values():
            measure.look(self._found(body.document, inputs, measure.feature), found)
        return found

    def scales(self) -> dict[str, tuple[str, ...]]:
        """Return the bins of features that have some of their own."""
        given = (measure for measure in self._measures.values() if measure.feature.low is not None)
        return {measure.feature.name: measure.bins.names for measure in given}

    def _asked(self, inputs: Mapping[str, object], document: object) -> object:
        """Return all that the model is asked with, as far as that can be told from the rest of a request."""
        match self._protocol:
            case Protocol.OPEN_AI:
                return inputs.get("prompt")
            case Protocol.HTTP:
                return document
            case _:
                return [*inputs.values()]

    def _found(self, document: object, inputs: Mapping[str, object], feature: Feature) -> object:
        if feature.path is not None:
            value = read_path(document, feature.path)
            return Rows(value) if "[*]" in feature.path and isinstance(value, list) else value
        if self._protocol is Protocol.HTTP and not self._learns:
            return document
        return inputs.get(feature.name, ABSENT)

    def _count(self, measure: Measure, length: int, found: Counter[str]) -> None:
        found[f"in/{measure.feature.name}/count"] += 1
        measure.count(length, found)

    def _learn(self, inputs: Mapping[str, object]) -> None:
        known = {*self._measures, *ALWAYS}
        for name in sorted(name for name in inputs if name not in known and len(name) <= LONGEST_NAME):
            kind = _kind(inputs[name])
            if kind is FeatureKind.CATEGORY and self._protocol is Protocol.OPEN_AI:
                kind = FeatureKind.LENGTH
            if kind is not None and len(self._measures) < MOST:
                feature = Feature(name=name, kind=kind)
                self._measures[name] = Measure(feature, learned=True, redacted=self._hidden(feature))

    def _hidden(self, feature: Feature) -> bool:
        """Return whether a feature may be what is redacted; one without a path is known by its name."""
        path = feature.path or feature.name
        return any(covers(redacted, path) or _last(redacted) == feature.name for redacted in self._redact)


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _kind(value: object) -> FeatureKind | None:
    """Return what a value seems to be; None when it does not say."""
    if isinstance(value, Tensor):
        return FeatureKind.IMAGE if set(map(type, value.data)) <= NUMBERS else FeatureKind.LENGTH
    one = next((item for item in _values(value) if item is not None), None)
    match one:
        case None:
            return None
        case bool():
            return FeatureKind.CATEGORY
        case int() | float():
            return FeatureKind.NUMBER
        case str():
            if is_png(one):
                return FeatureKind.IMAGE
            return FeatureKind.CATEGORY if len(one) <= LONGEST else FeatureKind.LENGTH
        case _:
            return FeatureKind.LENGTH


def _values(value: object) -> list[object]:
    if isinstance(value, Tensor):
        return value.data[:MAX_VALUES]
    if isinstance(value, Rows):
        return value.values[:MAX_VALUES]
    if isinstance(value, list):
        return value[:MAX_VALUES]
    return [] if value is ABSENT else [value]


def _number(value: object) -> float:
    """Return a number; NaN for everything else, which is as good as missing."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _pictures(value: object) -> Iterator[Picture]:
    if isinstance(value, Rows):
        for one in value.values[:MAX_ROWS]:
            yield from _pictures_in(one)
    elif isinstance(value, Tensor):
        yield from pictures(value)
    else:
        yield from _pictures_in(value)


def _pictures_in(value: object) -> Iterator[Picture]:
    """Yield what is known of one image, or of several in one list: height and width alone, or with three or four colours."""
    if isinstance(value, dict):
        value = value.get("b64")
    if isinstance(value, str):
        picture = png(value)
        if picture is not None:
            yield picture
        return
    tensor = shaped(value)
    if tensor is not None:
        dimensions = len(tensor.shape)
        alone = dimensions < 3 or (dimensions == 3 and tensor.shape[-1] in (1, 3, 4))
        yield from pictures(Tensor(tensor.data, (1, *tensor.shape)) if alone else tensor)
