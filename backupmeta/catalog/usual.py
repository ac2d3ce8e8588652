"""The usual backup: its record alone, in its archive word for word, each line a key, as most backups of a fleet are.

Resolving answers for any backup, and knows the source of each value. Here the cells of a row are taken straight from
the record, by the plan that resolving goes by; what a plan does not decide is left to resolving, and so is the first
backup with other keys than any before: what came out for it tells where the values of all like it come from.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import tzinfo
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

from backupmeta.account.home import Home, Pair, PairState, Surroundings
from backupmeta.backup.inspection import Inspection
from backupmeta.backup.program import Plan, plan
from backupmeta.backup.resolve import compare_name
from backupmeta.backup.witnesses import file_of, home_of
from backupmeta.catalog.cells import BACKUP, Shelf, custom_of, extra, list_of, number, seconds
from backupmeta.catalog.rows import Cell, Cells
from backupmeta.catalog.schema import BACKUP_FIELDS, Type
from backupmeta.errors import EvidenceError
from backupmeta.findings import Finding
from backupmeta.masking import MASK
from backupmeta.provenance import display
from backupmeta.record.document import Document
from backupmeta.record.values import Decoder

_PLACES: Final = {one.name: place for place, one in enumerate(BACKUP_FIELDS)}
_ID, _FILE, _PATH, _USER, _INSTALL = (_PLACES[name] for name in ("id", "file", "path", "user", "backup_install"))
_COMPARED: Final = {name: _PLACES[name] for name in ("backup_filename", "url", "title")}
_NUMBERS: Final = frozenset(one.name for one in BACKUP_FIELDS if one.type in {Type.INTEGER, Type.TIME})
_LISTS: Final = frozenset(name for _, name, _ in BACKUP.shared)
_LIVE_PLACES: Final = frozenset(place for place, _ in BACKUP.live)
_ELSEWHERE: Final = frozenset({"id", "file", "cache_numbackups"})
"""The fields that no record tells, and that are known here."""


class _Recipe(NamedTuple):
    """Which key becomes which cell, for records with the same keys.

    Attributes:
        cells: by key: the places of its cells, and what makes a cell of the value.
        lists: by key: the place of its cell, and the field, for what many rows share.
        constant: what each row has anyway, by place: documented defaults.
        custom: by key: the fields that have no column.
        kept: the keys that are no fields.
    """

    cells: Mapping[str, tuple[tuple[int, Callable[[bytes], Cell]], ...]]
    lists: Mapping[str, tuple[int, str]]
    constant: tuple[Cell, ...]
    custom: Mapping[str, str]
    kept: frozenset[str]


class _Filled(NamedTuple):
    """Cells, and the values that they were made of."""

    recipe: _Recipe
    values: Mapping[str, bytes]
    cells: list[Cell]


class _Learned(NamedTuple):
    """How the cells of backups with the same keys are made, and what stands for where their values come from."""

    recipe: _Recipe
    origins: bytes


class Usual:
    """Makes the cells of usual backups."""

    def __init__(self, shelf: Shelf, zone: tzinfo | None) -> None:
        """Put what many rows have on the ``shelf``; ``zone`` is the server's time zone, where it is known."""
        self._shelf = shelf
        self._zone = zone
        self._learned: dict[tuple[str, ...], _Learned] = {}
        self._last: _Filled | None = None

    def learn(self, home: Home, pair: Pair, found: Inspection, cells: Cells) -> None:
        """Learn from a usual backup of ``home`` that was resolved, and the ``cells`` that it has."""
        record = pair.record
        if pair.state is not PairState.PAIRED or record is None or not record.record.is_tidy:
            return
        if any(isinstance(one, Document) and one is not record for one in found.origins.values()):
            return
        recipe, origins = _recipe(record), cells[-1]
        if recipe is None or pair.archive is None or not isinstance(origins, bytes) or "file" not in found.fields:
            return
        with suppress(EvidenceError, ValueError):  # an odd one: what holds of it does not hold of others
            if home.read_head(pair.archive).record == record.record.content:
                self._filled(recipe, record.record.values)
                self._learned[tuple(record.record.values)] = _Learned(recipe, origins)

    def of(self, home: Home, pair: Pair, around: Surroundings) -> tuple[Cells, tuple[Finding, ...]] | None:
        """Return the cells of a backup, and what is odd about it; None where it has to be resolved.

        ``around`` is what its home tells, without the live installs.
        """
        if pair.record is None or pair.archive is None or not pair.record.record.is_tidy:
            return None
        values, keys = pair.record.record.values, tuple(pair.record.record.values)
        learned = self._learned.get(keys)
        try:
            if learned is None or (head := home.read_head(pair.archive)).record != pair.record.record.content:
                return None
            cells = self._filled(learned.recipe, values)
        except (EvidenceError, ValueError):  # it can't be read, or a value can't be decoded
            return None
        cells[_ID] = pair.id
        cells[_FILE] = _file(cells, around)
        if cells[_FILE] is None:
            return None
        light = self._compared(cells, values, pair.archive.server_path)
        found = (str(pair.state), seconds(light.utc_offset), *cells, learned.origins)
        return found, (*pair.findings, *head.findings, *light.findings)

    def _filled(self, recipe: _Recipe, values: Mapping[str, bytes]) -> list[Cell]:
        """Return the cells that the record's ``values`` tell. Raises `ValueError` for one that can't be decoded.

        One after the other, an account's records share most of their values: those are not looked at again.
        """
        before = self._last
        if before is not None and before.recipe is recipe:
            cells, known = before.cells.copy(), before.values
            changed = [key for key, value in values.items() if value is not known[key]]
        else:
            cells, changed = [*recipe.constant, None, None], list(values)
        for key in changed:
            for place, make in recipe.cells.get(key, ()):
                cells[place] = make(values[key])
            if key in recipe.lists:
                place, name = recipe.lists[key]
                cells[place] = self._shelf.key(list_of(name, values[key]))
        if not recipe.kept.isdisjoint(changed) or not recipe.custom.keys().isdisjoint(changed) or cells[-1] is None:
            cells[-2:] = self._beside(recipe, values)
        self._last = _Filled(recipe, values, cells)
        return cells.copy()

    def _beside(self, recipe: _Recipe, values: Mapping[str, bytes]) -> tuple[bytes, bytes]:
        """Return what stands beside the fields. Raises `ValueError` for what is no text, which resolving tells of."""
        kept = tuple((key, value) for key, value in values.items() if key in recipe.kept)
        for _, value in kept:
            value.decode()
        custom = tuple((recipe.custom[key], value.decode()) for key, value in values.items() if key in recipe.custom)
        return self._shelf.key(custom_of(custom)), self._shelf.key(extra(kept))

    def _compared(self, cells: list[Cell], values: Mapping[str, bytes], archive: str) -> Inspection:
        """Return what comparing the archive's name with the record tells."""
        fields: dict[str, Any] = {name: cells[place] for name, place in _COMPARED.items()}
        if "backup-time" in values:
            fields["backup_time"] = values["backup-time"].decode()
        light = Inspection("backup", PairState.PAIRED, archive, fields)
        compare_name(light, archive, self._zone)
        return light


def _recipe(record: Document) -> _Recipe | None:
    """Return the recipe for records with the keys of ``record``; None where a plan does not decide all."""
    decided = plan(record, None, is_backup=True)
    if decided is None or decided.odd or decided.schedule or {one.name for one in decided.elsewhere} - _ELSEWHERE:
        return None
    constant: list[Cell] = [None] * len(BACKUP_FIELDS)
    for name, default in decided.defaults.items():
        if _PLACES[name] not in _LIVE_PLACES:
            constant[_PLACES[name]] = default.value if isinstance(default.value, str) else None
    cells: dict[str, tuple[tuple[int, Callable[[bytes], Cell]], ...]] = {}
    for name, key, make in _makers(decided):
        cells[key] = (*cells.get(key, ()), (_PLACES[name], make))
    lists = {key: (_PLACES[name], name) for name, key, _ in decided.decoded if name in _LISTS}
    custom = {key: name for name, key in decided.texts.items() if name not in _PLACES}
    return _Recipe(cells, lists, tuple(constant), custom, frozenset(decided.kept))


def _makers(decided: Plan) -> Iterator[tuple[str, str, Callable[[bytes], Cell]]]:
    """Yield the fields that have a cell of their own: their keys, and what makes the cell."""
    for name, key in decided.texts.items():
        if name in _PLACES:
            yield name, key, _mask if _PLACES[name] in BACKUP.secrets else bytes.decode
    for name, key, decode in decided.decoded:
        if name not in _LISTS:
            yield name, key, _number(decode) if name in _NUMBERS else _cell(decode)


def _mask(raw: bytes) -> str:
    return MASK if raw.decode() else ""


@lru_cache(maxsize=256)
def _number(decode: Decoder) -> Callable[[bytes], Cell]:
    return lambda raw: number(decode(raw))


@lru_cache(maxsize=256)
def _cell(decode: Decoder) -> Callable[[bytes], Cell]:
    """Return what makes a cell of a code, a schedule, a yes or no: of few different values."""
    return lru_cache(maxsize=256)(lambda raw: cast("Cell", decode(raw)))


def _file(cells: list[Cell], around: Surroundings) -> str | None:
    """Return the cell of the field ``file``."""
    home = around.as_server or home_of(str(cells[_PATH] or ""), str(cells[_USER] or "")) or around.server_path
    path = file_of(home, str(cells[_INSTALL] or ""))
    return None if path is None else display(path)
