"""The server's answers as models: exact names, order and wire types, and envelopes (fixtures/api/view-backup.txt).

Keys, decoders and meanings are those of `backupmeta.record.fields.FIELDS`, in the same order; a test holds the two
tables together. A field that is absent from the answer is unset.
Secrets are ``SecretStr``; dumps and reprs mask them, and those that stand in texts, unless the dump's ``context`` is
`SHOW_SECRETS`.
"""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, TypeVar, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    PlainSerializer,
    SecretStr,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from backupmeta.masking import is_secret
from backupmeta.record.fields import FIELD
from backupmeta.secrets import closed, plain

SHOW_SECRETS: Final = {"show_secrets": True}


def _shows(info: SerializationInfo[dict[str, bool] | None]) -> bool:
    return bool(info.context and info.context.get("show_secrets"))


def _clear(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()


Text = str | None
Texts = list[str] | None
Secret = Annotated[SecretStr | None, PlainSerializer(_clear, return_type=str | None)]
"""Dumped in clear by itself: what is dumped is masked as a whole."""
Integer = int | None


class Plugin(BaseModel):
    """One plugin of an install; null is what the record does not tell."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    id: str
    version: str | None
    activated: bool | None
    autoup: Literal["all", "none"] | None


class Theme(BaseModel):
    """One theme of an install; null is what the record does not tell."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    id: str
    version: str | None
    active: bool | None
    autoup: Literal["all", "none"] | None


class _Result(BaseModel):
    """What the server answers, and parts of it."""

    def to_json(self, *, show_secrets: bool = False) -> dict[str, object]:
        """Return it for JSON, as the server gives it."""
        return self.model_dump(mode="json", context={"show_secrets": show_secrets})


class _Answer(_Result):
    """What backups and installs share: custom fields, masking, and that unset fields are absent."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="allow")

    @model_validator(mode="before")
    @classmethod
    def _wrap_custom_secrets(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Make a custom field with a secret's name a ``SecretStr``: ``enckey``, ``passwd``."""
        return {
            name: SecretStr(value) if name not in FIELD and is_secret(name) and isinstance(value, str) else value
            for name, value in values.items()
        }

    @model_serializer(mode="wrap")
    def _present(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo[dict[str, bool] | None]
    ) -> dict[str, Any]:
        """Leave out what is unset, and mask what is secret."""
        dumped: dict[str, Any] = {name: value for name, value in handler(self).items() if name in self.model_fields_set}
        for name, value in (self.model_extra or {}).items():
            dumped[name] = _clear(value) if isinstance(value, SecretStr) else value
        return dumped if _shows(info) else {name: plain(closed(name, value)) for name, value in dumped.items()}

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Show what a dump shows: nothing secret."""
        return self.model_dump().items()

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Take the fields' meanings from the key table; custom fields are text."""
        unserialized = cast("CoreSchema", {key: part for key, part in schema.items() if key != "serialization"})
        shown = handler.resolve_ref_schema(handler(unserialized))
        for name, described in shown.get("properties", {}).items():
            if name in FIELD:
                described["description"] = FIELD[name].meaning
        shown["additionalProperties"] = {"type": ["string", "null"]}
        return shown


class Install(_Answer):
    """An install, as ``GET /installs/{id}`` answers."""

    id: Text = None
    application: Text = None
    agent: Text = None
    autobk: Literal["none", "schedule", "custom"] | None = None
    autobk_schedule: Text = None
    autobk_daily: Integer = None
    autobk_weekly: Integer = None
    autobk_monthly: Integer = None
    autoup: Literal["none", "minor", "all"] | None = None
    autoup_backup: Literal["none", "all"] | None = None
    autoup_plugins: Literal["none", "all", "custom"] | None = None
    autoup_themes: Literal["none", "all", "custom"] | None = None
    bkloc: Text = None
    cache_numerrors: Integer = None
    cache_numwarnings: Integer = None
    cache_files: Integer = None
    cache_numbackups: Integer = None
    cache_preview: Integer = None
    cache_tables: Integer = None
    cache_time: Integer = None
    db_host: Text = None
    db_type: Text = None
    db_name: Text = None
    db_user: Text = None
    db_pass: Secret = None
    db_prefix: Text = None
    login: Text = None
    email: Text = None
    language: Text = None
    sitetitle: Text = None
    sitetagline: Text = None
    limitloginattempts: Text = None
    twofactor: Text = None
    exclude_files: Texts = None
    failures: Texts = None
    file: Text = None
    files: Texts = None
    incomplete: bool | None = None
    link_admin: Text = None
    notification: Texts = None
    parent: Text = None
    path: Text = None
    plugins: list[Plugin] | None = None
    stage: Text = None
    tables: Texts = None
    themes: list[Theme] | None = None
    time_created: Integer = None
    time_updated: Integer = None
    title: Text = None
    url: Text = None
    url_domain: Text = None
    user: Text = None
    version: Text = None
    version_autouped: Text = None
    version_autouped_attempts: Integer = None
    version_available: Text = None
    version_available_minor: Text = None
    version_updates_available: Integer = None


class _BackupFields(_Answer):
    """What a backup has before everything else."""

    backup_filename: Text = None
    backup_install: Text = None
    backup_location: Text = None
    backup_note: Text = None
    backup_time: Text = None


class Backup(Install, _BackupFields):
    """A backup, as ``GET /backups/{id}`` answers: its own fields first, then its install's at that time."""


# --- envelopes --------------------------------------------------------------------------------------------------------

Answer = TypeVar("Answer", Backup, Install)


class _Envelope(_Result):
    """What every answer has."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    result: bool
    status: int
    errcode: str | None = None
    errfield: str | None = None
    message: str


class Response(_Envelope, Generic[Answer]):
    """The envelope of one answer; ``data`` is null in a negative one."""

    data: Answer | None = None


class ListResponse(_Envelope, Generic[Answer]):
    """The envelope of a list: the part of it from ``offset`` on, at most ``limit`` of all ``total_count``."""

    offset: int
    limit: int
    total_count: int
    data: list[Answer]
