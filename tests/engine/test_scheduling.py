"""The scheduler by itself: its rules one by one, in time that is only a number."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from rxstream.engine import scheduling
from rxstream.engine.scheduling import Request, Scheduler, WaitsFor
from rxstream.errors import Overloaded


def offered(scheduler: Scheduler, requests: Iterable[Request], now: float = 0.0) -> list[str]:
    """Those of them that went at once."""
    return [request.id for request in requests if scheduler.offer(request, now)]


def order_of(scheduler: Scheduler, running: str, now: float = 0.0) -> list[str]:
    """Who goes when one after the other ends."""
    order: list[str] = []
    while True:
        admitted = scheduler.ended(running, True, now).admitted
        if not admitted:
            return order
        [running] = admitted
        order.append(running)


def test_a_priority_is_a_head_start_and_what_waits_long_is_passed_no_more() -> None:
    scheduler = Scheduler(places=1, ageing_s=30)
    scheduler.offer(Request("runs"), 0)
    scheduler.offer(Request("old"), 0)
    scheduler.offer(Request("urgent", priority=2), 59)
    scheduler.offer(Request("urgent, too late", priority=2), 61)
    assert order_of(scheduler, "runs") == ["urgent", "old", "urgent, too late"]


def test_users_take_turns_whatever_the_length_of_their_lines() -> None:
    scheduler = Scheduler(places=1)
    scheduler.offer(Request("runs"), 0)
    offered(scheduler, [Request(f"a{n}", "anna") for n in range(6)])
    offered(scheduler, [Request(f"b{n}", "bert", priority=5) for n in range(2)])
    assert order_of(scheduler, "runs") == ["a0", "b0", "a1", "b1", "a2", "a3", "a4", "a5"]


def test_a_weight_is_that_many_turns() -> None:
    scheduler = Scheduler(places=1, weights={"anna": 2})
    scheduler.offer(Request("runs"), 0)
    offered(
        scheduler, [Request(f"{user[0]}{n}", user) for user in ("anna", "bert") for n in (0, 1, 2)]
    )
    assert order_of(scheduler, "runs") == ["a0", "b0", "a1", "a2", "b1", "b2"]


def test_somebody_is_not_held_back_by_ever_new_users() -> None:
    scheduler = Scheduler(places=1)
    scheduler.offer(Request("runs"), 0)
    offered(scheduler, [Request(f"a{n}", "anna") for n in range(4)])
    order, running = [], "runs"
    for n in range(40):
        scheduler.offer(Request(f"new{n}", f"user {n}"), n)
        [running] = scheduler.ended(running, True, n).admitted
        order.append(running)
    assert {"a0", "a1", "a2", "a3"} < set(order)


def test_a_small_weight_holds_also_for_who_comes_back_each_time() -> None:
    scheduler = Scheduler(places=1, weights={"a": 0.25})
    scheduler.offer(Request("runs"), 0)
    offered(scheduler, [Request(f"{name}{n}", name) for name in "bc" for n in range(9)])
    order, running = "", "runs"
    for n in range(18):
        if not any(name.startswith("a") for name in scheduler.line()):
            scheduler.offer(Request(f"a{n}", "a"), n)
        [running] = scheduler.ended(running, True, n).admitted
        order += running[0]
    assert [order.count(name) for name in "abc"] == [2, 8, 8]


def test_who_ran_alone_while_others_were_blocked_is_not_made_to_pay_for_it() -> None:
    scheduler = Scheduler(places=2, resources={"gpu": 1})
    gpu = {"gpu": 1}
    offered(scheduler, [Request(f"gpu {n}", f"user {n}", resources=gpu) for n in range(9)])
    offered(scheduler, [Request(f"a{n}", "anna") for n in range(20)])
    running = "a0"
    for n in range(10):
        [running] = scheduler.ended(running, True, n).admitted
    offered(scheduler, [Request(f"c{n}", "carl") for n in range(4)])
    order = []
    for n in range(8):
        [running] = scheduler.ended(running, True, n).admitted
        order.append(running[0])
    assert order.count("c") == 4
    assert order[:2].count("a") == order[2:4].count("a") == 1


def test_who_gives_up_has_not_used_a_turn() -> None:
    scheduler = Scheduler(places=1)
    scheduler.offer(Request("runs"), 0)
    offered(scheduler, [Request(f"a{n}", "anna") for n in range(3)])
    offered(scheduler, [Request(f"b{n}", "bert") for n in range(2)])
    scheduler.withdraw("a0", 0)
    assert order_of(scheduler, "runs") == ["a1", "b0", "a2", "b1"]


def test_resources_are_taken_together_and_kept_for_who_came_first() -> None:
    scheduler = Scheduler(places=9, resources={"gpu": 2, "cpu": 4})
    small = Request("small", resources={"gpu": 1, "cpu": 1})
    big = Request("big", resources={"gpu": 2, "cpu": 2})
    assert offered(scheduler, [small, big]) == ["small"]
    # two of the three cpu that are free are kept for the big one, and so is the gpu
    assert not scheduler.offer(Request("gpu", resources={"gpu": 1}), 0)
    assert scheduler.offer(Request("one", resources={"cpu": 1}), 0)
    assert not scheduler.offer(Request("two", resources={"cpu": 2}), 0)
    assert scheduler.offer(Request("none"), 0)
    assert scheduler.line()["big"] == (1, (WaitsFor("resource", "gpu"),))
    assert scheduler.ended("small", True, 0).admitted == ["big"]
    assert (scheduler.free("gpu"), scheduler.free("cpu")) == (0, 1)
    assert scheduler.ended("big", False, 0).admitted == ["gpu", "two"]


def test_a_line_for_a_resource_does_not_hold_up_those_that_need_none() -> None:
    scheduler = Scheduler(places=2, resources={"gpu": 1})
    offered(scheduler, [Request(name, resources={"gpu": 1}) for name in ("a", "b", "c")])
    assert scheduler.offer(Request("free"), 0)
    assert scheduler.line()["b"].waits_for == (WaitsFor("resource", "gpu"), WaitsFor("place"))


def test_a_success_is_waited_for_and_a_failure_reaches_who_waits_for_it() -> None:
    scheduler = Scheduler(places=9)
    offered(scheduler, [Request("a"), Request("b")])
    both = Request("both", after_success=frozenset("ab"))
    assert not scheduler.offer(both, 0)
    assert not scheduler.offer(Request("then", after_end=frozenset({"b", "both"})), 0)
    assert scheduler.line()["both"].position is None
    assert set(scheduler.line()["both"].waits_for) == {
        WaitsFor("execution", "a"),
        WaitsFor("execution", "b"),
    }
    assert scheduler.ended("a", True, 0) == ([], [])
    assert scheduler.ended("b", False, 0) == ([], [("both", "b")])
    assert scheduler.ended("both", False, 0) == (["then"], [])
    assert scheduler.waiting == 0


def test_who_waits_for_executions_can_give_up() -> None:
    scheduler = Scheduler(places=9)
    offered(scheduler, [Request("a"), Request("b")])
    scheduler.offer(Request("c", after_success=frozenset("ab")), 0)
    scheduler.offer(Request("d", after_end=frozenset("a")), 0)
    scheduler.withdraw("c", 0)
    assert scheduler.ended("a", False, 0) == (["d"], [])
    assert scheduler.line() == {}


def test_the_refusal_says_when_to_come_back() -> None:
    scheduler = Scheduler(places=1, max_waiting=1)
    offered(scheduler, [Request("a"), Request("b")])
    with pytest.raises(Overloaded, match=r"1 executions run and 1 wait.*in about 1 s"):
        scheduler.offer(Request("c"), 0)
    scheduler.ended("a", True, 8)  # eight seconds after the one before
    scheduler.offer(Request("c"), 8)
    with pytest.raises(Overloaded) as refused:
        scheduler.offer(Request("d"), 9)
    assert refused.value.retry_after == 8
    with pytest.raises(Overloaded) as refused:
        scheduler.offer(Request("d"), 900)
    assert refused.value.retry_after == 60


def test_one_user_cannot_fill_the_queue() -> None:
    scheduler = Scheduler(places=1, max_waiting=9, max_waiting_per_user=2)
    offered(scheduler, [Request(name, "anna") for name in "abc"])
    with pytest.raises(Overloaded, match="2 executions of the user 'anna' wait"):
        scheduler.offer(Request("d", "anna"), 0)
    scheduler.offer(Request("e", "bert"), 0)
    assert scheduler.waiting == 3


def test_a_full_queue_refuses_nobody_who_need_not_wait() -> None:
    scheduler = Scheduler(places=3, resources={"gpu": 1}, max_waiting=1)
    offered(scheduler, [Request("a", resources={"gpu": 1}), Request("b", resources={"gpu": 1})])
    assert scheduler.offer(Request("c"), 0)
    with pytest.raises(Overloaded):
        scheduler.offer(Request("d", resources={"gpu": 1}), 0)


def test_a_call_needs_no_place_and_uses_no_turn_of_its_user() -> None:
    scheduler = Scheduler(places=1, resources={"gpu": 1}, max_waiting=0)
    assert scheduler.offer(Request("runs", "anna"), 0)
    call = Request("call", "anna", resources={"gpu": 1}, place=False)
    assert scheduler.offer(call, 0)
    assert not scheduler.offer(Request("second", "anna", resources={"gpu": 1}, place=False), 0)
    assert (scheduler.running, scheduler.waiting, scheduler.line()) == (1, 0, {})
    assert scheduler.release("call", 0).admitted == ["second"]
    assert scheduler.release("second", 0) == ([], [])
    assert scheduler.free("gpu") == 1


def test_a_call_takes_its_turn_among_executions_that_wait_for_the_same() -> None:
    scheduler = Scheduler(places=9, resources={"gpu": 1})
    gpu = {"gpu": 1}
    offered(scheduler, [Request("a", resources=gpu), Request("b", resources=gpu)])
    offered(scheduler, [Request("call", "a", resources=gpu, place=False)])
    assert scheduler.ended("a", True, 0).admitted == ["b"]
    assert scheduler.ended("b", True, 0).admitted == ["call"]


def test_more_calls_than_may_wait_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "MOST_CALLS", 1)
    scheduler = Scheduler(places=1, resources={"gpu": 1})
    call = [Request(name, resources={"gpu": 1}, place=False) for name in "abc"]
    offered(scheduler, call[:2])
    with pytest.raises(Overloaded, match="1 calls wait for resources, the limit"):
        scheduler.offer(call[2], 0)


def test_while_it_is_paused_calls_go_on() -> None:
    scheduler = Scheduler(places=2, resources={"gpu": 1})
    offered(scheduler, [Request("a", resources={"gpu": 1}), Request("b", resources={"gpu": 1})])
    scheduler.paused = True
    scheduler.offer(Request("call", "a", resources={"gpu": 1}, place=False), 0)
    assert scheduler.ended("a", True, 0).admitted == ["call"]


def test_while_it_is_paused_nobody_goes_and_nobody_is_lost() -> None:
    scheduler = Scheduler(places=2)
    scheduler.offer(Request("a"), 0)
    scheduler.paused = True
    assert not scheduler.offer(Request("b"), 0)
    assert scheduler.ended("a", True, 0) == ([], [])
    assert scheduler.line() == {"b": (1, (WaitsFor("turn"),))}
    assert scheduler.resume(0).admitted == ["b"]


def test_what_ran_before_a_restart_holds_its_part_also_when_there_is_less_now() -> None:
    scheduler = Scheduler(places=1, resources={"gpu": 1})
    scheduler.hold(Request("a", resources={"gpu": 1, "gone": 3}))
    scheduler.hold(Request("b", resources={"gpu": 1}))
    assert (scheduler.running, scheduler.free("gpu")) == (2, -1)
    assert scheduler.holds("a") == {"gpu": 1, "gone": 3}
    assert scheduler.holds("nobody") == {}
    assert not scheduler.offer(Request("c"), 0)
    assert scheduler.ended("a", True, 0).admitted == []
    assert scheduler.ended("b", True, 0).admitted == ["c"]
    assert scheduler.free("gpu") == 1


def test_what_waited_before_a_restart_keeps_its_age_and_is_not_refused() -> None:
    scheduler = Scheduler(places=1, max_waiting=0)
    scheduler.hold(Request("runs"))
    scheduler.offer(Request("new", priority=1), 100, since=100)
    scheduler.offer(Request("old"), 100, since=10)
    assert order_of(scheduler, "runs") == ["old", "new"]


def test_users_who_have_gone_are_forgotten() -> None:
    scheduler = Scheduler(places=1)
    for n in range(50):
        scheduler.offer(Request(str(n), f"user {n}"), n)
        scheduler.ended(str(n), True, n)
    scheduler.offer(Request("runs"), 50)
    for n in range(50):
        scheduler.offer(Request(str(n), f"user {n}"), n)
        scheduler.withdraw(str(n), n)
    scheduler.withdraw("nobody", 50)
    assert len(scheduler._lines) <= 2
    assert not scheduler._waiting_of
