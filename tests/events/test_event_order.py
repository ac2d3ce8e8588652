"""Events come out of the spool as they went in, by time, whatever is in them."""

from hypothesis import given
from hypothesis import strategies as st

from backupmeta.events.claims import KINDS, Claim, Event, File, Subject, moment, nearest
from backupmeta.events.timeline import NAMED, EventSpool
from backupmeta.provenance import Source, Witness

TEXT = st.text(st.characters() | st.sampled_from("\udc80\udcff\0\n'\""), max_size=8)
NUMBER = st.integers(0, 2**70)
SOURCES = st.builds(
    Source, st.sampled_from(Witness), TEXT, st.none() | TEXT, st.none() | st.integers(1, 9), st.none() | NUMBER
)
CLAIMS = st.builds(Claim, st.sampled_from(sorted(KINDS)), st.integers(-(10**30), 10**30), SOURCES)
SUBJECTS = st.builds(Subject, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT)
FILES = st.builds(File, NUMBER, st.none() | NUMBER, NUMBER, NUMBER, NUMBER)
EVENTS = st.builds(
    Event,
    CLAIMS,
    TEXT,
    SUBJECTS,
    st.none() | FILES,
    st.lists(CLAIMS, max_size=2).map(tuple),
    st.integers(0, 9),
    st.just(()),
    st.just(1),
)
SHARED = Event(Claim("installed", 5, Source(Witness.INSTALL_RECORD, "/b")), "m", Subject("a", "u"))


def spooled(events: list[Event]) -> list[Event]:
    spool = EventSpool()
    spool.take(events)
    return list(spool)


@given(st.lists(EVENTS, max_size=6, unique_by=lambda event: event._replace(contradicted_by=())))
def test_all_come_back_in_order(events: list[Event]) -> None:
    found = spooled(events)
    alone = [one._replace(also=(), witnesses=1) for one in found if one.witnesses == 1]
    assert sum(one.witnesses for one in found) == len(events)
    assert set(alone) <= set(events)
    assert [nearest(one.time) for one in found] == sorted(nearest(one.time) for one in events)
    assert spooled(events[::-1]) == found
    assert all(moment(one.time).tzinfo is not None for one in found)


def by(path: str) -> Event:
    return SHARED._replace(claim=SHARED.claim._replace(source=Source(Witness.BACKUP_RECORD, path)))


def test_what_several_records_tell_alike_is_told_once() -> None:
    [found] = spooled([SHARED, by("/c"), by("/a"), by("/a")])
    assert found.source.path == "/a"
    assert [one.path for one in found.also] == ["/c", "/b"]
    assert found.witnesses == 3


def test_of_many_witnesses_the_first_are_named() -> None:
    [found] = spooled([by(f"/{number:04}") for number in range(500)])
    assert found.witnesses == 500
    assert [one.path for one in found.also] == [f"/{number:04}" for number in range(1, NAMED + 1)]


def test_what_is_said_otherwise_is_another_event() -> None:
    assert len(spooled([SHARED, SHARED._replace(message="other")])) == 2


def test_who_contradicts_any_of_the_witnesses_contradicts_the_event() -> None:
    against = [Claim("installed", number, Source(Witness.INSTALL_RECORD, f"/{number}")) for number in (1, 2)]
    contradicted = [
        by(f"/z{number}")._replace(contradicted_by=(claim, against[0])) for number, claim in enumerate(against)
    ]
    [event] = spooled([by("/a"), *contradicted])
    assert [event.source.path, *(each.path for each in event.also)] == ["/z0", "/z1", "/a"]
    assert event.contradicted_by == tuple(against)
