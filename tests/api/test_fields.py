"""The two tables of the fields hold together: the wire types of the models, the keys and decoders of the key table."""

from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from pydantic import BaseModel, SecretStr

from backupmeta.api import models
from backupmeta.api.models import Backup, Install
from backupmeta.masking import is_secret
from backupmeta.record import values
from backupmeta.record.fields import FIELD, FIELDS, Field, Scope
from backupmeta.secrets import is_location

WIRE_TYPES: dict[values.Decoder, object] = {
    values.text: str,
    values.digits: str,
    values.schedule_id: str,
    values.integer: int,
    values.seconds: int,
    values.flag: bool,
    values.items: list[str],
    values.plugins: list[models.Plugin],
    values.themes: list[models.Theme],
}
"""What each decoder gives on the wire; of a choice its words, see `choices`."""


def wire_type(model: type[BaseModel], name: str) -> object:
    """Return the type of a field of the answer, without the null that every field may be."""
    annotation = model.model_fields[name].annotation
    if get_origin(annotation) in {Union, UnionType}:
        (annotation,) = (part for part in get_args(annotation) if part is not type(None))
    return annotation


def choices(field: Field) -> set[Any]:
    """Return every word that the field's decoder gives for what real records have there."""
    words = set()
    for raw in (b"0", b"1", b"2", b"custom", b"weeklymonthly"):
        try:
            words.add(field.decode(raw))
        except ValueError:
            continue
    return words


def test_both_tables_have_the_same_fields_in_the_same_order() -> None:
    assert list(Backup.model_fields) == list(FIELD) == [field.name for field in FIELDS]
    assert list(Install.model_fields) == [field.name for field in FIELDS if field.scope is not Scope.BACKUP]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_what_the_decoder_gives_is_what_the_wire_has(field: Field) -> None:
    wire = wire_type(Backup, field.name)
    if get_origin(wire) is Literal:
        assert set(get_args(wire)) == choices(field)
    elif field.secret:
        assert (wire, field.decode) == (SecretStr, values.text)
    else:
        assert wire == WIRE_TYPES[field.decode]


@pytest.mark.parametrize("field", [field for field in FIELDS if field.default], ids=lambda field: field.name)
def test_a_default_is_a_value_of_the_wire(field: Field) -> None:
    assert field.default
    default = field.default.value
    assert Backup.model_validate({field.name: default}).model_dump() == {field.name: default}


def test_what_is_masked_by_its_name_has_the_type_that_masks_it() -> None:
    metadata = {name: field.metadata for name, field in Backup.model_fields.items()}
    for name in ("backup_location", "bkloc"):
        assert is_location(name)
        assert Backup.model_validate({name: "CANARY@b/p"}).model_dump() == {name: "********@b/p"}
    secrets = {name for name in FIELD if metadata[name] == list(get_args(models.Secret)[1:])}
    assert secrets == {name for name in FIELD if is_secret(name)} == {"db_pass"}


@pytest.mark.parametrize(("entry", "model"), [(values.Plugin, models.Plugin), (values.Theme, models.Theme)])
def test_the_entries_of_a_list_have_the_same_parts(entry: type, model: type[BaseModel]) -> None:
    assert list(get_type_hints(entry)) == list(model.model_fields)
    parts = get_type_hints(entry)
    for name in model.model_fields.keys() - {"autoup"}:
        assert model.model_fields[name].annotation == parts[name]


def test_the_times_are_the_formats() -> None:
    times = [field.name for field in FIELDS if field.is_time]
    assert times == ["backup_time", "cache_time", "time_created", "time_updated"]
