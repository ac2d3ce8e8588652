"""JSON: the server's envelopes, one inspection a line, provenance, members, explained files."""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timezone
from typing import Final

from backupmeta import escapes
from backupmeta.api.status import SUCCESS
from backupmeta.archive.digests import MemberDigests
from backupmeta.archive.dump import Dump, Dumps, State
from backupmeta.archive.end import Stream
from backupmeta.archive.gzip import SYSTEMS
from backupmeta.archive.member import Member
from backupmeta.archive.reader import Pass
from backupmeta.errors import AnswerError
from backupmeta.explain import Step
from backupmeta.findings import Finding
from backupmeta.inspection import Inspection, Resolved, shown
from backupmeta.masking import mask_text, masked
from backupmeta.provenance import Fact, as_text, display, located, named
from backupmeta.record.document import Document
from backupmeta.record.fields import FIELD

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]

_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)
_SPACED: Final = json.JSONEncoder(ensure_ascii=False)

_NANOSECONDS: Final = 1_000_000_000
_COMPLETE: Final = {State.WHOLE: True, State.CUT: False, State.UNKNOWN: None}

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def pretty(value: object, indent: int = 2) -> str:
    """Return ``value`` as JSON for people, a level indented by ``indent`` blanks, with a line end."""
    return escapes.json(json.dumps(value, ensure_ascii=False, indent=indent)) + "\n"


def spaced(value: object) -> str:
    """Return ``value`` as JSON in a line, a blank after each comma and colon."""
    return escapes.json(_SPACED.encode(value))


def compact(value: object) -> str:
    """Return ``value`` as JSON in a line, without blanks."""
    return escapes.json(_COMPACT.encode(value))


def answer(inspection: Inspection, *, show_secrets: bool, provenance: bool) -> str:
    """Return the server's envelope for one backup or install."""
    envelope = {**_envelope(result=True, status=200, errcode=None, message=SUCCESS)}
    envelope["data"] = inspection.wire(show_secrets=show_secrets)
    if provenance:
        envelope["provenance"] = origins(inspection, show_secrets=show_secrets)
    return pretty(envelope)


def negative(error: AnswerError) -> str:
    """Return the server's envelope for a negative answer."""
    envelope = _envelope(
        result=False, status=error.status, errcode=error.errcode, message=display(error.message) + "\n"
    )
    return pretty({**envelope, "data": None})


def page(offset: int, limit: int, total_count: int, *, is_empty: bool) -> tuple[str, str]:
    """Return the server's envelope for a part of a list: what stands before its entries, and what behind them."""
    envelope = _envelope(result=True, status=200, errcode=None, message=SUCCESS)
    text = pretty({**envelope, "offset": offset, "limit": limit, "total_count": total_count, "data": []})
    before, _, after = text.rpartition("]")
    return before, f"]{after}" if is_empty else f"\n  ]{after}"


def entry(value: Mapping[str, object], *, is_first: bool) -> str:
    """Return an entry of a `page`, and what parts it from the one before it."""
    text = pretty(value).rstrip().replace("\n", "\n    ")
    return f"\n    {text}" if is_first else f",\n    {text}"


def row(inspection: Inspection, *, show_secrets: bool, provenance: bool) -> Mapping[str, object]:
    """Return one entry of a list, as the server has it, its provenance beside its fields if wanted."""
    fields = inspection.wire(show_secrets=show_secrets)
    if not provenance:
        return fields
    return {**fields, "provenance": origins(inspection, show_secrets=show_secrets)}


def line(value: object) -> str:
    """Return ``value`` as one line of JSONL."""
    return compact(value) + "\n"


def origins(inspection: Inspection, *, show_secrets: bool) -> dict[str, object]:
    """Return where each value comes from, what else was said, what was kept beside, and every finding."""
    described: dict[str, object] = {}
    if inspection.state is not None:
        described["state"] = str(inspection.state)
    if (name := inspection.archive_name) is not None:
        described["archive_name"] = {
            "host": display(name.host),
            "title": display(name.title),
            "local_time": name.local_time.isoformat(),
            "utc_offset": _offset(inspection.utc_offset),
        }
    ids = dict[str, list[str]]()
    for one in inspection.findings:
        ids.setdefault(one.subject, []).append(one.id)
    described["fields"] = {
        name: _field(one, ids.get(name, []), show_secrets=show_secrets) for name, one in inspection.values.items()
    }
    described["extra"] = dict(
        _extra(key, holding, show_secrets=show_secrets) for key, holding in inspection.kept.items()
    )
    described["findings"] = [finding(one) for one in inspection.findings]
    return described


def finding(one: Finding) -> dict[str, object]:
    """Return a finding."""
    return {
        "id": one.id,
        "severity": str(one.severity),
        "message": display(one.message),
        "evidence": [located(place) for place in one.evidence],
    }


def walked(archive: Pass, dumps: Dumps, digests: MemberDigests | None) -> Iterable[str]:
    """Yield what a pass over an archive shows: its members, a line each, as they come; then everything else."""
    before = f'{{"path": {spaced(display(archive.file.path))},\n"members": [\n  '
    for number, one in enumerate(archive, 1):
        described: dict[str, object] = {"number": number, **member(one)}
        if digests is not None:
            described["digest"] = digests.last
        yield before + spaced(described)
        before = ",\n  "
    yield before.rstrip() + "],\n" if before.startswith("{") else "\n],\n"
    yield pretty(_archive(archive, dumps.dump), indent=1).removeprefix("{").lstrip()


def _archive(archive: Pass, dump: Dump | None) -> dict[str, object]:
    """Return what is known of an archive as a whole, after the pass over it; offsets in bytes."""
    end = archive.end
    return {
        "compression": archive.compression.name,
        "size": archive.file.size,
        "inflated": archive.position,
        "digests": dict(archive.digests),
        "streams": [_stream(one) for one in archive.streams],
        "stream_count": archive.stream_count,
        "member_count": archive.seen,
        "verdict": end.verdict if end else None,
        "reason": end.reason if end else "",
        "dump": _dump(dump) if dump is not None else None,
        "findings": [finding(one) for one in archive.findings()],
    }


def _stream(one: Stream) -> dict[str, object]:
    described: dict[str, object] = {"offset": one.offset, "inflated_offset": one.inflated_offset}
    described["inflated"] = one.inflated
    if one.header is not None:
        described["mtime"] = utc(one.header.mtime) if one.header.mtime else None
        described["system"] = SYSTEMS.get(one.header.system, str(one.header.system))
        described["name"] = display(one.header.name.decode("latin-1")) if one.header.name is not None else None
    return {**described, "layer": one.layer, "fault": one.fault or None}


def _dump(dump: Dump) -> dict[str, object]:
    return {
        "is_complete": _COMPLETE[dump.state],
        "reason": dump.reason,
        "writer": dump.writer,
        "left_out": dump.left_out,
        "tables": [
            {
                **named("name", one.name.decode("utf-8", "surrogateescape")),
                "type": one.kind,
                "inserts": one.inserts,
                "rows": one.rows,
            }
            for one in dump.tables
        ],
    }


def member(one: Member) -> dict[str, object]:
    """Return a member of an archive: sizes and offsets in bytes, times in UTC."""
    described: dict[str, object] = named("name", one.name.decode("utf-8", "surrogateescape"))
    described.update(type=one.kind, size=one.size, mode=f"{one.mode & 0o7777:04o}", uid=one.uid, gid=one.gid)
    owners = (display(name.decode("utf-8", "replace")) for name in (one.owner, one.group))
    described.update(zip(("user", "group"), owners, strict=True))
    described["mtime"] = utc(one.mtime_ns // _NANOSECONDS, one.mtime_ns % _NANOSECONDS // 1000)
    described.update(named("link", one.link.decode("utf-8", "surrogateescape")) if one.link else {})
    described["offset"] = one.offset
    if one.is_sparse:
        described["stored"] = one.stored
    return described


def step(one: Step) -> dict[str, object]:
    """Return one step of an explanation."""
    return {
        "place": one.place,
        "line": one.line,
        "offset": one.offset,
        "text": as_text(one.text),
        "meaning": as_text(one.meaning),
    }


def utc(seconds: int, microseconds: int = 0) -> str | None:
    """Return Unix seconds, and the microseconds behind them, as ISO 8601 in UTC; None for a time no calendar has."""
    try:
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds).isoformat()
    except (OverflowError, ValueError, OSError):
        return None


def _envelope(*, result: bool, status: int, errcode: str | None, message: str) -> dict[str, object]:
    return {"result": result, "status": status, "errcode": errcode, "errfield": None, "message": message}


def _field(one: Resolved, ids: list[str], *, show_secrets: bool) -> dict[str, object]:
    described: dict[str, object] = {"source": located(one.source)}
    if one.losers:
        described["conflicts"] = [_loser(one.name, fact, show_secrets=show_secrets) for fact in one.losers]
    if ids:
        described["findings"] = ids
    return described


def _loser(name: str, fact: Fact, *, show_secrets: bool) -> dict[str, object]:
    """Return a value that lost, decoded like the one that won where it can be."""
    described = _raw(fact, show_secrets=show_secrets)
    if (known := FIELD.get(name)) is not None:
        try:
            value = known.decode(fact.raw)
            described = {"value": value if show_secrets else shown(name, value)}
        except ValueError:
            pass
    return {**described, "source": located(fact.source)}


def _raw(fact: Fact, *, show_secrets: bool) -> dict[str, object]:
    """Return a raw value: its text, and its bytes where they are not UTF-8 and no secret."""
    text = fact.raw.decode("utf-8", "replace")
    given = text if show_secrets else masked(fact.field, text)
    described: dict[str, object] = {"value": given}
    if given == text and fact.raw.decode("utf-8", "surrogateescape") != text:
        described["base64"] = base64.b64encode(fact.raw).decode("ascii")
    return described


def _extra(field: str, holding: list[Document], *, show_secrets: bool) -> tuple[str, dict[str, object]]:
    """Return a key and what is kept of it; bytes of a key that aren't UTF-8 as ``\\xff``, exactly in base64."""
    exact = field.encode("utf-8", "surrogateescape")
    key = exact.decode("utf-8", "backslashreplace")
    described: dict[str, object] = {}
    if not show_secrets and (shown_key := mask_text(key)) != key:
        key = shown_key
    elif key != field:
        described["key_base64"] = base64.b64encode(exact).decode("ascii")
    fact, *others = (document.fact(field) for document in holding)
    described |= {**_raw(fact, show_secrets=show_secrets), "source": located(fact.source)}
    if losers := [other for other in others if other.raw != fact.raw]:
        described["conflicts"] = [
            {**_raw(other, show_secrets=show_secrets), "source": located(other.source)} for other in losers
        ]
    return key, described


def _offset(zone: timezone | None) -> str | None:
    return None if zone is None else datetime(2000, 1, 1, tzinfo=zone).isoformat()[-6:]
