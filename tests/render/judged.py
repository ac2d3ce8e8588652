"""Verifications for the tests of every format: some written by hand, some of any shape."""

from hypothesis import strategies as st

from backupmeta.checks.policy import Judged, Verdict, Verification
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.findings import Finding, Severity
from backupmeta.provenance import Source, Witness

CANARY = "canary"
ARCHIVE = "/home/u/application_backups/app_a.tar.gz"
RECORD = "/home/u/.appdata/backups/1234567890abcdefghij12345"
SHA256 = "0123456789abcdef" * 4

HOSTILE = (
    "\x1b[31mred\x9b0m\x07",
    "a\r\n::error::b",
    "##[error]x",
    "%0A%25%",
    "\u202e\u2028\ufffe\uffff\x00",
    "]]><!--&\"'",
    "[click](http://a.example)",
    "{0} {{",
    "[[ATTACHMENT|/etc/passwd]]",
    "..//./a b,c:d=e",
    "c:\\inetpub\\vhosts\\a b",
)


def judged(
    id_: str, subject: str = "", detail: str = "", *evidence: Source, severity: Severity | None = None
) -> Judged:
    return Judged(Finding(FINDINGS[id_], subject, detail, evidence), severity or FINDINGS[id_].severity)


def passing(*found: Judged, path: str = ARCHIVE) -> Verification:
    return Verification("archive", path, Verdict.PASS, SHA256, found)


def failing(*found: Judged, path: str = ARCHIVE) -> Verification:
    return Verification("archive", path, Verdict.FAIL, SHA256, found)


def unreadable(*found: Judged, path: str = ARCHIVE) -> Verification:
    return Verification("archive", path, Verdict.UNREADABLE, None, found)


def not_judged(*found: Judged, path: str = ARCHIVE) -> Verification:
    return Verification("archive", path, Verdict.NOT_JUDGED, None, found)


def account(*found: Judged, verdict: Verdict = Verdict.PASS) -> Verification:
    return Verification("account", "/home/u", verdict, None, found)


def _worst_first(found: list[Judged]) -> tuple[Judged, ...]:
    return tuple(
        sorted(found, key=lambda one: (list(Severity).index(one.severity), list(FINDINGS).index(one.finding.id)))
    )


TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(HOSTILE),
    st.binary(max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
)
SECRETS = st.just(f"ftp://u:{CANARY}@a.example/b")
SOURCES = st.builds(
    Source,
    witness=st.sampled_from(Witness),
    path=TEXTS | st.sampled_from(["", ARCHIVE, RECORD]),
    member=st.none() | TEXTS,
    line=st.none() | st.integers(1, 10**6),
    offset=st.none() | st.integers(0, 10**12),
)
FOUND = st.builds(
    Judged,
    finding=st.builds(
        Finding,
        rule=st.sampled_from(list(FINDINGS.values())),
        subject=TEXTS | SECRETS,
        detail=TEXTS | SECRETS,
        evidence=st.lists(SOURCES, max_size=3).map(tuple),
    ),
    severity=st.sampled_from(Severity),
)
VERIFICATIONS = st.lists(
    st.builds(
        Verification,
        path=TEXTS.filter(bool) | st.just(ARCHIVE),
        verdict=st.sampled_from(Verdict),
        sha256=st.none() | st.just(SHA256),
        kind=st.sampled_from(["archive", "account"]),
        judged=st.lists(FOUND, max_size=6).map(_worst_first),
    ),
    max_size=4,
)
