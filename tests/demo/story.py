"""The story: six versions of one model, each rolled out as its team would, and what a person does in between.

Everything is done with kubectl: apply what the repository says, ask as `kubectl modelrollout` asks, wait, look.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from tests.demo.client import Client
from tests.demo.models.digits import requests
from tests.demo.objects import (
    BLUE_GREEN,
    CANARY,
    CAREFUL,
    NAME,
    NAMESPACE,
    OURS,
    PATH,
    PLAIN_NAMESPACE,
    labelled,
    model_deployment,
    plain,
)
from tests.demo.place import Place
from tests.demo.recording import Outcome
from tests.demo.show import Show
from tests.demo.summary import BAD, BETTER, LOST, SWITCHED, WRONG
from tests.demo.view import View
from tests.demo.watch import Watch

FIRST = "v1"
NOTICED = 30.0
"""Seconds after which a person undoes the plain Deployment's update: quick for somebody whom nothing tells."""
ROUTERS = "modelrollout.dev/component=router"
LIMIT = 240.0
"""Seconds for anything that is waited for; a busy machine starts model servers slowly."""


class TwistError(Exception):
    """The story went another way."""


class Story:
    """One telling of it. Leaves nothing behind in the cluster, however it ends."""

    def __init__(self, place: Place, show: Show) -> None:
        self._place, self._show = place, show
        self._samples = list(requests())
        self._clients: list[Client] = []
        self._stack = ExitStack()

    def tell(self) -> None:
        """Tell it from the beginning to the end."""
        clear(self._place, wait=True)
        with self._stack as stack:
            stack.callback(clear, self._place, wait=False)
            for namespace in (NAMESPACE, PLAIN_NAMESPACE):
                self._place.kubectl("create", "-f", "-", input=json.dumps(labelled(namespace)))
            self._install()
            self._stop_in_the_shadow(2, WRONG, "fast, healthy, and every answer is wrong")
            self._stop_in_the_shadow(3, LOST, "better than v1 on average, and lost where it is dark")
            self._promote()
            self._roll_back()
            self._switch()
            self._show.recording.total_ours = self._clients[0].stop()

    def _install(self) -> None:
        self._show.begin("1/6  v1, a simple model that saw few digits, is installed")
        self._apply(FIRST, CAREFUL, "the first install")
        self._watch = Watch(self._place, NAMESPACE, self._show.changed)
        self._stack.callback(self._watch.kill)
        self._watch.until("the installation of v1", lambda view: view.ready, LIMIT)
        self._invite()
        self._clients.append(self._client(NAMESPACE, plainly=False))
        self._show.say("the client starts: digits that no model has seen")
        # Beside it, for later: MLServer needs its time to start.
        self._apply_plain(BETTER)
        self._pause(5)

    def _invite(self) -> None:
        """Let people on this machine ask the model themselves while the story is told."""
        if self._place.reach is not None:
            address = self._kubectl("get", "service", NAME, "-o", "jsonpath={.spec.clusterIP}")
            here = self._stack.enter_context(self._place.reach(f"{address}:80"))
            self._show.begin(f"1/6  v1 answers; ask it yourself: curl http://{here}{PATH}")

    def _stop_in_the_shadow(self, act: int, version: str, words: str) -> None:
        """Nothing but its predictions tells that this one is bad."""
        self._show.begin(f"{act}/6  {version}: {words}")
        self._apply(version, CAREFUL, "shadow, then canary")
        self._until_over(version, "Aborted")
        self._pause(2)

    def _promote(self) -> None:
        self._show.begin("4/6  v2, a better model: shadow, then canary")
        self._apply(BETTER, CAREFUL, "shadow, then canary")
        self._until_over(BETTER, "Completed")
        self._pause(2)
        # So that the errors of v3 reach a client at all. Routers without a collector take the place of those with one.
        self._apply(BETTER, CANARY, "the same version, from now on without copies")
        self._until_routers_lack_a_collector()
        self._pause(2)

    def _roll_back(self) -> None:
        """Both get the same bad version at the same time; only one of them looks at the answers."""
        self._show.begin("5/6  v3: every fifth answer is an error. Beside it, a plain Deployment gets it too")
        self._wait_for_plain()
        beside = self._client(PLAIN_NAMESPACE, plainly=True)
        self._clients.append(beside)
        self._pause(4)
        self._apply(BAD, CANARY, "canary; the same to the plain Deployment")
        self._apply_plain(BAD)
        self._until_over(BAD, "Aborted")
        self._show.say("the plain Deployment rolls on, because its pods are Ready")
        self._until_noticed()
        self._show.say(f"after {NOTICED:.0f} s somebody notices, and undoes the plain Deployment's update")
        self._place.kubectl("-n", PLAIN_NAMESPACE, "rollout", "undo", f"deployment/{NAME}")
        self._wait_for_plain()
        self._pause(3)
        self._clients.remove(beside)
        self._show.recording.total_plain = beside.stop()

    def _switch(self) -> None:
        self._show.begin("6/6  v4, another good model: blue-green, switched on and switched back")
        self._apply(SWITCHED, BLUE_GREEN, "blue-green")
        self._watch.until("the switch to v4", lambda view: view.weight == 100 and view.verified and view.current, LIMIT)
        self._pause(8)
        self._show.say("somebody switches back")
        self._abort()
        self._until_over(SWITCHED, "Aborted")
        self._pause(4)

    def _apply(self, version: str, strategy: Mapping[str, Any], words: str) -> None:
        self._show.say(f"kubectl apply {version}: {words}")
        body = model_deployment(self._place.images["modelserver"], version, strategy, self._place.drain)
        # As a pipeline would: a field that is not there any more, such as the last strategy, goes away.
        self._kubectl("apply", "--server-side", "--field-manager=pipeline", "-f", "-", input=json.dumps(body))

    def _abort(self) -> None:
        """Ask as `kubectl modelrollout abort` does: for this attempt, whatever comes in between."""
        rollout = json.loads(self._kubectl("get", "modeldeployment", NAME, "-o", "json"))["status"]["rollout"]
        abort = f"modelrollout.dev/abort={rollout['revision']}/{rollout['attempt']}"
        self._kubectl("annotate", "--overwrite", "modeldeployment", NAME, abort)

    def _kubectl(self, *arguments: str, input: str | None = None) -> str:  # noqa: A002  # as in subprocess
        return self._place.kubectl("-n", NAMESPACE, *arguments, input=input)

    def _apply_plain(self, version: str) -> None:
        body = plain(self._place.images["modelserver"], version, self._place.drain)
        self._place.kubectl("-n", PLAIN_NAMESPACE, "apply", "-f", "-", input=json.dumps(body))

    def _wait_for_plain(self) -> None:
        command = ("rollout", "status", f"deployment/{NAME}", f"--timeout={LIMIT:.0f}s")
        self._place.kubectl("-n", PLAIN_NAMESPACE, *command)

    def _client(self, namespace: str, *, plainly: bool) -> Client:
        heard = self._show.heard_plain if plainly else self._show.heard
        client = Client(self._place, namespace, self._samples, heard)
        self._stack.callback(client.kill)
        return client

    def _until_over(self, version: str, state: str) -> None:
        """Wait until the rollout of a version has come to its end.

        Raises:
            TwistError: it is another end than the story's.
        """
        found: list[Outcome] = []

        def over(_: View) -> bool:
            found[:] = [outcome for outcome in self._show.recording.outcomes if outcome.version == version]
            return bool(found)

        self._watch.until(f"the end of the rollout of {version}", over, LIMIT)
        if found[0].state != state:
            raise TwistError(
                f"the rollout of {version} was to be {state}, and it is {found[0].state}: {found[0].cause}"
            )

    def _until_routers_lack_a_collector(self) -> None:
        """Wait until the last router that has one is gone: until then it has to confirm every route, too.

        Raises:
            TwistError: one stays.
        """
        end = time.monotonic() + LIMIT
        command = ("get", "pods", "-l", ROUTERS, "-o", "jsonpath={.items[*].spec.containers[*].name}")
        while "collector" in self._kubectl(*command).split():
            if time.monotonic() > end:
                raise TwistError("routers with a collector are still there")
            self._pause(0.5)
        self._watch.until("the route on the new routers", lambda view: view.current and view.verified, LIMIT)

    def _until_noticed(self) -> None:
        """Wait until the plain Deployment has answered with errors for a while.

        Raises:
            TwistError: it never does.
        """
        end = time.monotonic() + LIMIT
        heard = self._show.recording.plain
        while time.monotonic() < end:
            self._pause(0.5)
            first = next((each.at for each in list(heard) if each.model), None)
            if first is not None and heard[-1].at >= first + NOTICED:
                return
        raise TwistError(f"the plain Deployment of {BAD} answered with no error")

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while True:
            for client in self._clients:
                client.check()
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(0.2, left))


def clear(place: Place, *, wait: bool) -> None:
    """Remove what this or an earlier telling has made, by its label: somebody's own namespace may have the same name."""
    place.kubectl("delete", "namespace", "--selector", OURS, f"--wait={str(wait).lower()}")
