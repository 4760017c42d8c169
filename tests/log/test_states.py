"""Stored deltas against a dict of dicts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxstream.adapters.logs import states
from rxstream.errors import LogError
from rxstream.log import Delta

KEYS = st.sampled_from(["", "a", "b", "clé", 'q"\n', "d"])
VALUES = st.binary(max_size=40) | st.just(b"\n")
DELTAS = st.builds(
    Delta, st.dictionaries(KEYS, VALUES, max_size=4), st.lists(KEYS, max_size=3), st.booleans()
)
COMMITS = st.lists(st.dictionaries(st.sampled_from(["n", "m", ""]), DELTAS, max_size=3), max_size=8)


def applied(model: states.States, commit: dict[str, Delta]) -> None:
    for node, delta in commit.items():
        state = model.setdefault(node, {})
        if delta.wiped:
            state.clear()
        state.update(delta.set)
        for key in delta.deleted:
            state.pop(key, None)
        if not state:
            del model[node]


@given(COMMITS, st.integers(0, 60), st.booleans())
def test_folding_gives_exactly_what_was_there(
    commits: list[dict[str, Delta]], row_bytes: int, whole: bool
) -> None:
    rows: list[bytes] = []
    model: states.States = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(states, "ROW_BYTES", row_bytes)
        for commit in commits:
            rows += states.pack(commit)
            applied(model, commit)
            if whole:
                rows = list(states.pack_whole(states.fold(rows)))
    assert states.fold(rows) == model


def test_large_states_are_split_into_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "ROW_BYTES", 1_000)
    state = {str(i): bytes(100) for i in range(100)}
    rows = list(states.pack({"n": Delta(state, wiped=True), "m": Delta({"k": b"v"})}))
    assert len(rows) > 9
    assert max(map(len, rows)) < 2_000
    assert states.fold(rows) == {"n": state, "m": {"k": b"v"}}


@pytest.mark.parametrize(
    "row", [b"", b"no line", b"[]\nmore", b'[["n",1,[],[["k",9]]]]\nx', b"{\n"]
)
def test_a_damaged_row_is_said(row: bytes) -> None:
    with pytest.raises(LogError, match="damaged") as said:
        states.fold([row])
    assert said.value.code == "log_corrupt"
