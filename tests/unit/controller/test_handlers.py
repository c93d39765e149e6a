import kopf
import pytest

from modelrollout.adapters.children import WATCHED, Children
from modelrollout.controller import handlers
from modelrollout.controller.handlers import _Backoffs, missing_watchers
from modelrollout.names import LABEL_NAME


@pytest.fixture
def registry():
    return handlers.registry(None, Children(), lambda key: None, lambda kind, event, body: None)


def test_there_are_only_event_handlers(registry):
    # The storages store nothing, so a handler that needs them would lose its progress.
    assert len(list(registry._watching.get_all_handlers())) == 1 + len(WATCHED)
    for others in (registry._indexing, registry._spawning, registry._changing, registry._webhooks):
        assert list(others.get_all_handlers()) == []


def test_every_handler_names_group_version_and_plural(registry):
    # With less, Kopf would ask every API group, and a broken one would keep it from starting.
    for handler in registry._watching.get_all_handlers():
        assert handler.selector.group is not None
        assert handler.selector.version
        assert handler.selector.any_name


def test_only_our_children_are_watched():
    selectors = handlers.settings().watching.label_selectors
    for group, version, plural in (handlers._resource(name) for name in WATCHED):
        resource = kopf.Resource(group, version, plural, namespaced=True)
        assert list(selectors.collect(resource)) == [LABEL_NAME]


def test_kopf_is_patient_with_a_control_plane_that_is_upgraded_and_each_request_starts_anew():
    backoffs = _Backoffs()
    for _ in range(2):
        pauses = list(backoffs)
        assert 5 * 60 < sum(pauses) < 20 * 60
        assert max(pauses) <= 30


def test_settings_that_were_chosen_for_a_reason():
    chosen = handlers.settings()
    assert chosen.watching.initial_streaming is False
    assert chosen.queueing.worker_limit is None
    assert chosen.posting.enabled is False
    assert chosen.scanning.disabled is True
    assert chosen.process.ultimate_exiting_timeout < 30


ALL = [
    "watcher for modeldeployments.v1alpha1.modelrollout.dev@None",
    "watcher for deployments.v1.apps@None",
    "watcher for services.v1@None",
    "watcher for configmaps.v1@None",
    "watcher for controllerrevisions.v1.apps@None",
]


def test_all_watchers_run():
    assert missing_watchers((), [*ALL, "lease", "kopf"]) == ()


def test_a_watcher_that_is_gone_is_named():
    assert missing_watchers((), ALL[1:]) == ("the watch on modeldeployments in all namespaces has ended",)


def test_each_namespace_has_its_own_watchers():
    of_a = [name.replace("None", "a") for name in ALL]
    assert missing_watchers(("a",), of_a) == ()
    assert len(missing_watchers(("a", "b"), of_a)) == len(ALL)
    assert "in b has ended" in missing_watchers(("a", "b"), of_a)[0]
