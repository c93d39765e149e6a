"""What holds in every pass of every story: rollouts, edits, failures and second thoughts, in an order that nobody thought of.

The stories are made by Hypothesis; each pass is also asked twice, and its status goes through its own JSON (see ``World``).
"""

from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from modelrollout.domain.observation import Limits, Observation
from modelrollout.domain.plan import Apply, Delete, Plan
from modelrollout.domain.reading import State
from modelrollout.domain.status import RolloutState, Status
from modelrollout.names import workload
from tests.unit.engine.world import ERRORS, NAME, World, analysis, canary, spec_of, template

VERSIONS = st.integers(1, 4)
RUNGS = ["manual", "shadow", "assist", "partial", "full"]
STRATEGIES: list[dict[str, Any]] = [
    canary(25, 50),
    canary("pause", 10, "pause", 75, bake="1m"),
    canary(30, shadow={"hold": "1m"}, promotion="manual"),
    {"canary": {"steps": [{"weight": 10, "hold": "0s", "replicas": 3}, {"weight": 60, "hold": "30s"}], "bake": "0s"}},
    {"blueGreen": {"hold": "30s", "shadow": {"percent": 50, "hold": "10s"}, "bake": "1m"}},
    {"blueGreen": {"hold": "1m", "promotion": "manual"}},
    {"shadow": {"hold": "30s", "promotion": "automatic", "bake": "10s"}},
]
DIRECT: list[dict[str, Any]] = [
    canary(50),
    canary(50, "pause", 75, bake="1m"),
    {"blueGreen": {"hold": "30s", "bake": "30s"}},
]
ANALYSES = [
    None,
    analysis(deadline="2m", onInconclusive="promote"),
    analysis({**ERRORS, "threshold": {"max": 0.02, "failures": 2}}),
]


def check(seen: Observation, plan: Plan) -> None:
    before, after = seen.status.route or seen.live_route, plan.status.route
    rollout = plan.status.rollout
    if after is not None:
        assert sum(arm.weight for arm in after.route.arms) == 100
        assert not {arm.revision for arm in after.route.arms} & {mirror.revision for mirror in after.route.mirrors}
        assert after.route.clusters() <= set(after.clusters)
    if before is not None and after is not None:
        assert after.serial >= before.serial
        assert (after.serial > before.serial) is (after != before)
        for arm in after.route.arms:
            if arm.weight > before.route.weight(arm.revision):
                assert seen.ready_pods(arm.revision), "weight for a revision without a Ready pod"
        was = seen.status.rollout
        if rollout is not None and was is not None and rollout.state is RolloutState.PROGRESSING:
            same = (was.revision, was.attempt) == (rollout.revision, rollout.attempt)
            weights = [ask.route.weight(rollout.revision) for ask in (before, after)]
            gone = not seen.ready_pods(rollout.revision)
            lowered = seen.spec.get("automation") == "shadow"
            assert not same or gone or lowered or weights == sorted(weights), "weight falls"
        shadow = seen.spec.get("automation") == "shadow" and rollout is not None and rollout.previous is not None
        if shadow and rollout is not None and rollout.state is RolloutState.PROGRESSING:
            weights = [ask.route.weight(rollout.revision) for ask in (before, after)]
            assert weights[1] <= weights[0], "the candidate answers more on the rung shadow"
    running = rollout is not None and rollout.state in (RolloutState.PROGRESSING, RolloutState.ABORTING)
    for write in plan.writes:
        if isinstance(write, Delete) and after is not None:
            assert write.name not in {workload(NAME, revision) for revision in after.route.revisions()}
        if isinstance(write, Apply) and write.key[0] == "Deployment" and running and rollout is not None:
            old = seen.child(*write.key)
            if (
                old is not None
                and write.key[1] == workload(NAME, rollout.previous or "")
                and "envoy" in str(seen.spec.get("traffic"))
            ):
                assert write.body["spec"]["replicas"] >= old["spec"]["replicas"], "the way home is made smaller"


class Stories(RuleBasedStateMachine):
    """A ModelDeployment with people, an autoscaler, pods and routers that do what they like."""

    world: World
    direct: bool

    @initialize(direct=st.booleans())
    def begin(self, direct: bool) -> None:
        self.direct = direct
        traffic: dict[str, Any] = {"direct": {}} if direct else {"envoy": {}}
        self.world = World(
            spec_of(traffic=traffic, replicas=3, strategy=(DIRECT if direct else STRATEGIES)[0]), twice=True
        )
        self.world.checks.append(check)
        self.go(3)

    def go(self, passes: int = 4) -> None:
        for _ in range(passes):
            self.world.step()

    @rule(version=VERSIONS)
    def apply_a_version(self, version: int) -> None:
        self.world.apply(template=template(version))
        self.go()

    @rule(number=st.integers(0, 6), measured=st.sampled_from(range(len(ANALYSES))))
    def edit_the_strategy(self, number: int, measured: int) -> None:
        known = DIRECT if self.direct else STRATEGIES
        fields: dict[str, Any] = {"strategy": known[number % len(known)]}
        if not self.direct:
            fields["analysis"] = ANALYSES[measured]
        self.world.spec = {key: value for key, value in {**self.world.spec, **fields}.items() if value is not None}
        self.world.generation += 1
        self.go()

    @rule(replicas=st.sampled_from([1, 2, 3, 6]))
    def scale(self, replicas: int) -> None:
        self.world.apply(replicas=replicas)
        self.go(2)

    @rule(automation=st.sampled_from(RUNGS), paused=st.booleans(), freeze=st.booleans())
    def hold_back(self, automation: str, paused: bool, freeze: bool) -> None:
        self.world.apply(automation=automation, paused=paused)
        self.world.limits = Limits(freeze=freeze)
        self.go(2)

    @rule()
    def break_the_spec(self) -> None:
        good = self.world.spec
        self.world.apply(progressDeadline="soon")
        self.go(3)
        self.world.apply(good)
        self.go(1)

    @rule(action=st.sampled_from(["promote", "promote-full", "pause", "resume", "retry"]))
    def ask(self, action: str) -> None:
        if self.world.status.rollout is not None:
            self.world.ask(action)
        self.go()

    @rule(version=VERSIONS)
    def roll_back(self, version: int) -> None:
        self.world.ask("rollback", revision=self.world.name(version), attempt=0)
        self.go()

    @rule()
    def abort(self) -> None:
        if self.world.status.rollout is not None:
            self.world.abort_now()
        self.go()

    @rule(version=VERSIONS, ready=st.sampled_from([0, 1, 9]))
    def pods(self, version: int, ready: int) -> None:
        self.world.ready[self.world.name(version)] = ready
        self.go()

    @rule(deaf=st.sampled_from([set(), {"router-0"}, {"router-0", "router-1"}]))
    def routers(self, deaf: set[str]) -> None:
        self.world.deaf = deaf
        self.go(2)

    @rule(value=st.sampled_from([0.0, 0.5, State.NO_TRAFFIC, State.ERROR]))
    def measure(self, value: float | State) -> None:
        self.world.values["errors"] = value
        self.go(2)

    @rule(seconds=st.sampled_from([5, 31, 61, 200, 700]))
    def wait(self, seconds: int) -> None:
        self.world.now += timedelta(seconds=seconds)
        self.go()

    @rule()
    def lose_the_status(self) -> None:
        self.world.status = Status()
        self.go(2)

    def teardown(self) -> None:
        """Whatever happened, it comes to rest, and the next revision can be rolled out."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.ready.clear()
        world.deaf, world.values, world.abort, world.request = set(), {"errors": 0.0}, None, None
        world.limits = Limits()
        strategy = (DIRECT if self.direct else STRATEGIES)[0]
        world.apply(template=template(5), strategy=strategy, paused=False, automation="full", replicas=3)
        world.wait(1)
        world.ask("resume")
        world.wait(900)
        assert world.status.stable == world.name(5), world.status.message
        assert world.condition("Ready") == ("True", "Stable")
        assert world.size(5) == 3
        kept = {name for kind, name in world.children if kind == "Deployment"}
        assert kept == {workload(NAME, world.name(5))} | (set() if self.direct else {f"{NAME}-router"})


Stories.TestCase.settings = settings(
    max_examples=8,
    stateful_step_count=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestStories = Stories.TestCase
