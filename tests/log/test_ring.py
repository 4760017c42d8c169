"""The rings against a list that forgets nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rxstream.log.ring import READ_BYTES, Ring, Rings, weight

TERMINAL = "pipeline_complete"


def lines(*sizes: int, ended: bool = False) -> list[bytes]:
    """JSON as far as a ring looks at it, of so many bytes if its type leaves room."""
    types = ["step_output"] * len(sizes)
    if ended:
        types[-1] = TERMINAL
    return [
        f'{{"event_type":"{name}"'.encode().ljust(size, b"x")
        for name, size in zip(types, sizes, strict=True)
    ]


SIZES = st.lists(st.integers(0, 5_000), min_size=0, max_size=8)
BATCHES = st.lists(st.tuples(st.sampled_from("abc"), SIZES), max_size=30)


@given(BATCHES, st.integers(1, 12), st.integers(0, 60_000), st.booleans())
def test_what_is_kept_is_right_and_bounded(
    batches: list[tuple[str, list[int]]], max_events: int, max_bytes: int, elsewhere: bool
) -> None:
    rings = Rings(max_events, max_bytes, elsewhere=elsewhere)
    model: dict[str, list[bytes]] = {}
    for execution_id, sizes in batches:
        known = model.setdefault(execution_id, [])
        added = lines(*sizes)
        rings.append(execution_id, len(known) + 1, added)
        known += added
        held = {key: ring for key in model if (ring := rings.get(key))}
        assert rings.bytes == sum(ring.bytes for ring in held.values())
        for key, ring in held.items():
            assert len(ring) <= max_events
            assert ring.last == len(model[key])
            for after in range(ring.first - 1, ring.last + 1):
                read = rings.read(key, after, 3) or []
                assert [event.json for event in read] == model[key][after : after + 3]
                assert [event.sequence for event in read] == [*range(after + 1, ring.last + 1)][:3]
            if ring.first > 1:
                assert rings.read(key, ring.first - 2, 3) is None
        assert rings.bytes <= max_bytes or all(len(ring) == 1 for ring in held.values())


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), SIZES.filter(bool)), max_size=30), st.booleans()
)
def test_ended_executions_are_given_up_first(
    batches: list[tuple[str, list[int]]], elsewhere: bool
) -> None:
    most = 30_000  # half of it holds the 30 events of `live`: last words may have the other half
    rings = Rings(1_000, most, elsewhere=elsewhere)
    forgotten: list[str] = []
    rings.on_forgotten = forgotten.append
    for n, (name, sizes) in enumerate(batches):
        rings.append(f"{name}{n}", 1, lines(*sizes, ended=True))
        rings.append("live", n + 1, lines(1))
        assert rings.bytes <= most
        live = rings.get("live")
        assert live is not None
        assert len(live) == n + 1
    assert all(rings.get(name) is None for name in forgotten)
    kept = [ring for n, (name, _) in enumerate(batches) if (ring := rings.get(f"{name}{n}"))]
    assert all(len(ring) >= 1 for ring in kept)  # its ending can be said
    assert len(kept) + len(forgotten) == len(batches)


def test_what_was_read_lately_stays_longest() -> None:
    rings = Rings(1_000, 10_000, elsewhere=True)
    rings.append("old", 1, lines(3_000, ended=True))
    rings.append("new", 1, lines(3_000, ended=True))
    rings.read("old", 0, 1)
    rings.append("more", 1, lines(3_000, ended=True))
    assert rings.get("new") is None
    assert rings.get("old") is not None


def test_an_execution_without_events_has_no_ring() -> None:
    rings = Rings(10, 10_000)
    rings.append("e", 7, [])
    assert rings.get("e") is None
    assert rings.read("e", 0, 1) is None
    rings.drop("e")


def test_rings_can_be_dropped() -> None:
    rings = Rings(10, 2_600)
    rings.append("words", 1, lines(300, 300, ended=True))
    rings.append("live", 1, lines(300))  # now `words` is down to its last
    ring = rings.get("words")
    assert ring is not None
    assert (ring.first, ring.last) == (2, 2)
    rings.drop("words")
    rings.drop("live")
    assert rings.bytes == 0
    rings.append("live", 1, lines(300))
    rings.clear()
    assert rings.bytes == 0
    assert rings.get("live") is None


def test_a_page_holds_about_a_mebibyte_and_one_event_at_least() -> None:
    ring = Ring("e", 1)
    third = READ_BYTES // 3
    ring.extend(lines(2 * READ_BYTES, third, third, third, third))
    assert [e.sequence for e in ring.slice(0, 10)] == [1]
    assert [e.sequence for e in ring.slice(1, 10)] == [2, 3, 4]
    assert [e.sequence for e in ring.slice(2, 2)] == [3, 4]
    assert ring.slice(5, 10) == []


def test_a_ring_that_begins_later_keeps_its_numbers() -> None:
    ring = Ring("e", 100)
    ring.extend(lines(1, 1, 1))
    freed = ring.trim(1)
    assert freed == weight(lines(1))
    assert (ring.first, ring.last, len(ring)) == (101, 102, 2)
    assert [e.sequence for e in ring.slice(100, 5)] == [101, 102]


def test_what_was_taken_elsewhere_is_not_read_from_here() -> None:
    rings = Rings(100, 1_000_000, elsewhere=True)
    rings.trim("nobody", 5)
    rings.append("e", 11, lines(*[10] * 10))
    rings.trim("e", 5)  # that is not here anyway
    ring = rings.get("e")
    assert ring is not None
    assert (ring.oldest, ring.first) == (5, 11)
    rings.trim("e", 15)
    assert (ring.oldest, ring.first, ring.last) == (15, 15, 20)
    assert rings.read("e", 13, 9) is None
    rings.trim("e", 99)  # the last one stays
    assert list(ring) == lines(10)
    assert rings.bytes == ring.bytes


def test_all_readers_share_one_event() -> None:
    rings = Rings(100, 1_000_000)
    rings.append("e", 1, lines(1, 1, 1, ended=True))
    middle = rings.read("e", 1, 1) or []
    events = rings.read("e", 0, 9) or []
    assert events[1] is middle[0]
    assert (events[0].execution_id, events[0].event_type) == ("e", "step_output")
    assert [event.terminal for event in events] == [False, False, True]
    again = rings.read("e", 0, 9) or []
    assert all(one is other for one, other in zip(again, events, strict=True))
