"""An export as text, a line a row: JSONL and CSV (RFC 4180). Times are ISO 8601 in UTC, bytes base64.

A time that no calendar has stands there as its number, in digits. CSV tells what is absent from what is empty: nothing
at all, and a pair of quotes.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from json.encoder import encode_basestring
from typing import Any, Final

from backupmeta import escapes
from backupmeta.catalog.queries import Row
from backupmeta.catalog.schema import Column, Type
from backupmeta.render.json import utc

_NANOSECONDS: Final = 1_000_000_000
_SECONDS_END: Final = len("2024-06-13T20:55:21")
_TO_QUOTE: Final = re.compile('[",\r\n]')

_Texts = Mapping[Type, Callable[[Any], str]]
"""How what a column holds is written, by its type."""


def jsonl(columns: tuple[Column, ...], rows: Iterable[Row]) -> Iterator[str]:
    """Yield a line a row: an object with a member for each of the ``columns``."""
    members = [(encode_basestring(one.name) + ":", _JSON[one.type]) for one in columns]
    for row in rows:
        cells = zip(members, row, strict=True)
        told = ",".join([key + ("null" if cell is None else text(cell)) for (key, text), cell in cells])
        yield escapes.json(f"{{{told}}}\n")


def csv(columns: tuple[Column, ...], rows: Iterable[Row]) -> Iterator[str]:
    """Yield the names of the ``columns``, then a line a row."""
    yield _csv_line(one.name for one in columns)
    texts = [_CSV[one.type] for one in columns]
    for row in rows:
        yield _csv_line(["" if cell is None else text(cell) for text, cell in zip(texts, row, strict=True)])


def moment(seconds: int) -> str:
    """Return Unix seconds as ISO 8601 in UTC; as digits, where no calendar has them."""
    return utc(seconds) or str(seconds)


def _csv_line(cells: Iterable[str]) -> str:
    return ",".join(cells) + "\r\n"


def _quoted(text: str) -> str:
    return text if text and _TO_QUOTE.search(text) is None else '"' + text.replace('"', '""') + '"'


def _flag(number: int) -> str:
    return "true" if number else "false"


def _time_ns(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, _NANOSECONDS)
    told = utc(seconds)
    return f"{told[:_SECONDS_END]}.{rest:09}{told[_SECONDS_END:]}" if told else str(nanoseconds)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _string(text: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda cell: f'"{text(cell)}"'


_NUMBERS: Final[_Texts] = {Type.KEY: str, Type.INTEGER: str, Type.FLAG: _flag}
_PLAIN: Final[_Texts] = {Type.TIME: moment, Type.NANOSECONDS: _time_ns, Type.BYTES: _base64}
_JSON: Final[_Texts] = {
    **_NUMBERS,
    **{type_: _string(text) for type_, text in _PLAIN.items()},
    Type.TEXT: encode_basestring,
    Type.JSON: str,
    Type.SHARED: str,
}
_CSV: Final[_Texts] = {**_NUMBERS, **_PLAIN, Type.TEXT: _quoted, Type.JSON: _quoted, Type.SHARED: _quoted}
