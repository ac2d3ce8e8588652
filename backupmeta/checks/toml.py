"""Reading a policy's TOML: what is wrong is gathered with its place, and reading goes on."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

from backupmeta.archive.limits import MIB
from backupmeta.errors import Mistake, PolicyError, did_you_mean
from backupmeta.evidence import EvidenceFile, open_named
from backupmeta.masking import mask_location

Result = TypeVar("Result")
Default = TypeVar("Default")
Decode = Callable[[object], Result]
"""Returns what a value means, or raises `ValueError` with what is wrong with it and, if there is any, an advice."""

_MOST_MISTAKES: Final = 100
_MOST_DOTS: Final = 1000
_HUGE: Final = 10**18


def parsed(path: str, accept: Callable[[EvidenceFile], object] = lambda _: None) -> dict[str, object]:
    """Return the TOML in the file at ``path``, of 1 MiB at most.

    Raises `PolicyError`, and what `open_named` and ``accept`` raise, which is given the open file.
    """
    import tomllib

    with open_named(path) as file:
        accept(file)
        content = file.read_whole("policy_bytes", MIB)
    try:
        return tomllib.loads(_text(content))
    except (ValueError, RecursionError) as error:
        raise PolicyError(path, (Mistake("", f"can't be read as TOML: {error}"),)) from error


def _text(content: bytes) -> str:
    """Return a text that `tomllib` reads in bounded time, which grows with the square of a dotted key's parts."""
    text = content.decode("utf-8")
    if max(line.count(".") for line in text.split("\n")) > _MOST_DOTS:
        raise ValueError(f"a line has more than {_MOST_DOTS:,} dots")
    return text


class Reading:
    """One reading of a policy: what is wrong is gathered, and reading goes on."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._mistakes: list[Mistake] = []

    def wrong(self, place: str, reason: str, advice: str = "") -> None:
        """Remember a mistake; the hundredth is the last."""
        self._mistakes.append(Mistake(place, reason, advice))
        if len(self._mistakes) == _MOST_MISTAKES:
            self.end()

    def end(self) -> None:
        """Raise `PolicyError` where anything is wrong."""
        if self._mistakes:
            raise PolicyError(self._path, tuple(self._mistakes))

    def each(self, place: str, values: Iterable[object], decode: Decode[Result]) -> list[Result]:
        """Return what each of the values at ``place`` means, without those that are wrong."""
        return [meant for value in values for meant in self.meaning(place, value, decode, f"{shown(value)} ")]

    def meaning(self, place: str, value: object, decode: Decode[Result], before: str = "") -> list[Result]:
        """Return what the ``value`` at ``place`` means, or nothing where it is wrong; ``before`` begins the reason."""
        try:
            return [decode(value)]
        except ValueError as error:
            reason, *advice = error.args
            self.wrong(place, f"{before}{reason}", *advice)
            return []


class Table:
    """A table of a policy, read key by key; a key that nobody asked for is a mistake."""

    def __init__(self, reading: Reading, place: str, values: Mapping[str, object]) -> None:
        """Read the ``values``; ``place`` is what stands before their keys: ``require.``."""
        self._reading = reading
        self._place = place
        self._values = values
        self._asked: dict[str, None] = {}

    def one(self, key: str, decode: Decode[Result], default: Default) -> Result | Default:
        """Return what the value of ``key`` means, or the ``default`` where it is absent or wrong."""
        self._asked[key] = None
        values = [self._values[key]] if key in self._values else []
        return next(iter(self._reading.each(self._place + key, values, decode)), default)

    def items(self, key: str, decode: Decode[Result], default: Default) -> tuple[Result, ...] | Default:
        """Return what each item of the list at ``key`` means, or the ``default`` where it is absent."""
        values = self.one(key, _list, None)
        return default if values is None else tuple(self._reading.each(self._place + key, values, decode))

    def table(self, key: str) -> "Table":
        """Return the table at ``key``, an empty one where it is absent."""
        return Table(self._reading, f"{self._place}{key}.", self.one(key, _mapping, {}))

    def entries(self, check: Decode[object], decode: Decode[Result]) -> dict[str, Result]:
        """Return what each entry means; its keys are names, of which ``check`` knows the right ones."""
        return {
            key: meant
            for key in self._right(check)
            for meant in self._reading.each(self._place + key, [self._values[key]], decode)
        }

    def end(self) -> None:
        """Remember as mistakes the keys that nobody asked for."""
        self._right(one_of("key of a policy", self._asked))

    def _right(self, check: Decode[object]) -> list[str]:
        return [key for key in self._values if self._reading.meaning(self._place + key, key, check)]


def shown(value: object) -> str:
    """Return a value of the TOML as a mistake shows it; the userinfo of a URI is masked."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) >= _HUGE:
        return "a huge number"
    return repr(mask_location(value)) if isinstance(value, str) else str(value)


def one_of(words: str, meanings: Mapping[str, Result], otherwise: str = "") -> Decode[Result]:
    """Return a decoder of the names of ``meanings``; ``words`` say what any other is not."""

    def decode(value: object) -> Result:
        name = value if isinstance(value, str) else ""
        if name not in meanings:
            raise ValueError(f"is no {words}", did_you_mean(name, meanings, otherwise))
        return meanings[name]

    return decode


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError("is no list", "put it in brackets")  # noqa: TRY004 - wrong values are alike, whatever is wrong
    return value


def _mapping(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError("is no table")  # noqa: TRY004 - as above
    return value


def name_of(value: object) -> str:
    """Return a name: ``"wp-config.php"``."""
    if not isinstance(value, str) or not value:
        raise ValueError("is no name", "write one in quotes")
    return value
