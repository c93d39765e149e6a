"""How bright an image is, and of what shape: tensors of numbers, and PNG files in base64.

Of a tensor it is the mean of its values, in whatever unit the model takes them; of a PNG file the mean luma from 0 to 255
(ITU-R BT.601). Only the plain forms of PNG are read (8 bits, grey or RGB, not interlaced); of others the shape is known alone.
"""

import base64
import binascii
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, islice
from math import prod

MAX_PIXELS = 64 * 1024
"""Of a PNG file that is decoded: pixel by pixel it takes 50 ms, and whoever sends messages to the collector waits for that."""
MAX_ROWS = 64
"""Images of one request that are looked at."""
NUMBERS = frozenset((int, float))
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PREFIX = base64.b64encode(_SIGNATURE)[:10].decode()
_HEADER = struct.Struct(">4xIIBBBBB")
_CHANNELS = {0: 1, 2: 3}
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, slots=True)
class Tensor:
    """Values with a shape.

    Attributes:
        data: all values in one list.
        shape: the first dimension is that of the batch, unless there is only one; their product is the number of values.
    """

    data: list[object]
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of one image.

    Attributes:
        shape: such as 28x28x3.
        brightness: None where it was not read.
    """

    shape: str
    brightness: float | None


def is_png(value: object) -> bool:
    """Return whether a text is a PNG file in base64, with or without what a data URL begins with."""
    return isinstance(value, str) and _payload(value).startswith(_PREFIX)


def pictures(tensor: Tensor) -> Iterator[Picture]:
    """Yield the images of a tensor of numbers; none of one with other values in it."""
    if not tensor.data or not set(map(type, tensor.data)) <= NUMBERS:
        return
    rows, shape = (tensor.shape[0], tensor.shape[1:]) if len(tensor.shape) > 1 else (1, tensor.shape)
    size = prod(shape)
    if not size or rows * size != len(tensor.data):
        return
    words = "x".join(map(str, shape))
    for at in range(0, min(rows, MAX_ROWS) * size, size):
        total = sum(tensor.data[at : at + size])  # type: ignore[arg-type]  # numbers, as was looked at above
        try:
            yield Picture(words, float(total) / size)
        except OverflowError:
            yield Picture(words, None)


def png(text: str) -> Picture | None:
    """Return what is known of a PNG file in base64; None when it is none."""
    try:
        data = base64.b64decode(_payload(text), validate=True)
    except (binascii.Error, ValueError):
        return None
    if not data.startswith(_SIGNATURE) or len(data) < 33 or data[12:16] != b"IHDR":
        return None
    width, height, depth, colour, _, _, interlaced = _HEADER.unpack_from(data, 12)
    channels = _CHANNELS.get(colour, 0)
    shape = f"{height}x{width}" + (f"x{channels}" if channels > 1 else "")
    if depth != 8 or not channels or interlaced or not 0 < width * height <= MAX_PIXELS:
        return Picture(shape, None)
    stride = width * channels
    raw = _inflated(data, (stride + 1) * height)
    return Picture(shape, None if raw is None else _brightness(raw, stride, channels))


def _payload(text: str) -> str:
    return text.partition(",")[2] if text.startswith("data:") else text


def _inflated(data: bytes, size: int) -> bytes | None:
    """Return the scan lines; None when they are not as many as the header says."""
    stream, found, at = zlib.decompressobj(), b"", 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IDAT" and len(found) < size:
            try:
                found += stream.decompress(data[at + 8 : at + 8 + length], size - len(found))
            except zlib.error:
                return None
        at += 12 + length
    return found if len(found) == size else None


def _brightness(raw: bytes, stride: int, channels: int) -> float | None:
    totals = [0] * channels
    above = bytes(stride)
    for at in range(0, len(raw), stride + 1):
        line = _line(raw[at], raw[at + 1 : at + 1 + stride], above, channels)
        if line is None:
            return None
        for channel in range(channels):
            totals[channel] += sum(line[channel::channels])
        above = line
    means = [total * channels / (len(raw) // (stride + 1) * stride) for total in totals]
    return means[0] if channels == 1 else sum(weight * mean for weight, mean in zip(_LUMA, means, strict=True))


def _line(kind: int, line: bytes, above: bytes, step: int) -> bytes | None:
    """Undo the filter of a scan line (PNG specification, section 9)."""
    match kind:
        case 0:
            return line
        case 1:
            found = bytearray(len(line))
            for channel in range(step):
                found[channel::step] = bytes(total & 255 for total in accumulate(line[channel::step]))
            return bytes(found)
        case 2:
            return bytes((one + up) & 255 for one, up in zip(line, above, strict=True))
        case 3 | 4:
            return _from_neighbours(line, above, step, paeth=kind == 4)
        case _:
            return None


def _from_neighbours(line: bytes, above: bytes, step: int, *, paeth: bool) -> bytes:
    found = bytearray(step) + line
    corner = bytes(step) + above
    for at, up in enumerate(above):
        left, diagonal = found[at], corner[at]
        if paeth:
            estimate = left + up - diagonal
            distances = abs(estimate - left), abs(estimate - up), abs(estimate - diagonal)
            guess = (left, up, diagonal)[distances.index(min(distances))]
        else:
            guess = (left + up) // 2
        found[at + step] = (line[at] + guess) & 255
    return bytes(islice(found, step, None))
