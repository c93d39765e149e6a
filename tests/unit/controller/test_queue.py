from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from modelrollout.controller.queue import FIRST, LONGEST, KeyedQueue
from tests.unit.controller.clock import EPOCH

A, B = ("n", "a"), ("n", "b")


def at(seconds):
    return EPOCH + timedelta(seconds=seconds)


def test_wakes_coalesce():
    queue = KeyedQueue()
    for _ in range(3):
        queue.wake(A)
    assert queue.depth == 1
    assert queue.take(at(0)) == A
    queue.done(A, None)
    assert queue.take(at(0)) is None


def test_keys_come_in_the_order_in_which_they_were_woken():
    queue = KeyedQueue()
    queue.wake(B)
    queue.wake(A)
    queue.wake(B)
    assert [queue.take(at(0)), queue.take(at(0))] == [B, A]


def test_a_key_that_is_woken_while_it_is_worked_on_is_looked_at_once_more_afterwards():
    queue = KeyedQueue()
    queue.wake(A)
    queue.take(at(0))
    queue.wake(A)
    assert queue.take(at(0)) is None
    queue.done(A, at(60))
    assert queue.take(at(0)) == A


def test_the_earliest_due_time_wins():
    queue = KeyedQueue()
    queue.wake_at(A, at(10))
    queue.wake_at(A, at(5))
    queue.wake_at(A, at(20))
    assert queue.next_due == at(5)
    assert queue.take(at(4.9)) is None
    assert queue.take(at(5)) == A
    queue.done(A, None)
    assert queue.take(at(99)) is None


def test_failures_back_off_doubling_up_to_a_limit_and_success_forgets_them():
    queue = KeyedQueue()
    pauses = []
    for _ in range(12):
        queue.wake(A)
        queue.take(at(0))
        pauses.append(queue.failed(A, at(0)))
    assert pauses[:3] == [FIRST, 2 * FIRST, 4 * FIRST]
    assert pauses[-1] == LONGEST
    queue.wake(A)
    queue.take(at(0))
    queue.done(A, None)
    queue.wake(A)
    queue.take(at(0))
    assert queue.failed(A, at(0)) == FIRST


def test_a_pause_that_the_server_asks_for_is_kept():
    queue = KeyedQueue()
    queue.wake(A)
    queue.take(at(0))
    assert queue.failed(A, at(0), timedelta(seconds=40)) == timedelta(seconds=40)
    assert queue.next_due == at(40)


KEYS = st.sampled_from([A, B, ("n", "c")])
SPANS = st.integers(0, 30)
NOW = -1.0
"""In the model: a key that is wanted at once."""


class AgainstAModel(RuleBasedStateMachine):
    """The queue against the simplest thing that could be right: for each key, when it is wanted next."""

    def __init__(self):
        super().__init__()
        self.queue, self.now = KeyedQueue(), 0.0
        self.wanted, self.active = {}, set()

    def want(self, key, when):
        self.wanted[key] = min(when, self.wanted.get(key, when))

    @rule(key=KEYS)
    def wake(self, key):
        self.queue.wake(key)
        self.want(key, NOW)

    @rule(key=KEYS, later=SPANS)
    def wake_at(self, key, later):
        self.queue.wake_at(key, at(self.now + later))
        self.want(key, self.now + later)

    @rule(span=SPANS)
    def time_passes(self, span):
        self.now += span

    @rule()
    def take(self):
        key = self.queue.take(at(self.now))
        for each, when in self.wanted.items():
            if when <= self.now:
                self.wanted[each] = NOW
        ready = {each for each, when in self.wanted.items() if when == NOW and each not in self.active}
        assert key in ready if ready else key is None
        if key is not None:
            del self.wanted[key]
            self.active.add(key)

    @precondition(lambda self: self.active)
    @rule(data=st.data(), later=st.none() | SPANS)
    def done(self, data, later):
        key = data.draw(st.sampled_from(sorted(self.active)))
        self.active.remove(key)
        self.queue.done(key, None if later is None else at(self.now + later))
        if later is not None:
            self.want(key, self.now + later)

    @precondition(lambda self: self.active)
    @rule(data=st.data())
    def failed(self, data):
        key = data.draw(st.sampled_from(sorted(self.active)))
        self.active.remove(key)
        pause = self.queue.failed(key, at(self.now))
        self.want(key, self.now + pause.total_seconds())

    @invariant()
    def it_knows_when_to_wake_up(self):
        later = [when for when in self.wanted.values() if when != NOW]
        assert self.queue.next_due == (at(min(later)) if later else None)
        assert self.queue.active == len(self.active)

    def teardown(self):
        # Whatever was wanted is still handed out, each key once: nothing was lost.
        owed = set(self.wanted)
        for key in sorted(self.active):
            self.queue.done(key, None)
        got = []
        while (key := self.queue.take(at(10_000))) is not None:
            got.append(key)
        assert sorted(got) == sorted(owed)


AgainstAModel.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_no_key_is_lost_or_worked_on_twice_at_once = AgainstAModel.TestCase
