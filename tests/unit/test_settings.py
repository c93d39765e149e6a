from datetime import timedelta

import click
import pytest
from pydantic import ValidationError

from modelrollout.cli.run import run
from modelrollout.domain.observation import Limits
from modelrollout.settings import Settings


@pytest.fixture
def set_env(monkeypatch):
    def set_env(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(f"MODELROLLOUT_{name.upper()}", value)

    return set_env


def test_without_any_variable_everything_has_a_value_and_decide_gets_its_own_defaults():
    settings = Settings()
    assert settings.namespaces == ()
    assert settings.limits() == Limits()
    assert settings.lease_retry < settings.lease_deadline < settings.lease_duration


def test_variables_are_read_in_the_forms_that_the_spec_uses(set_env):
    set_env(namespaces="a, b,", drain="40s", freeze="true", workers="4", prometheus_headers='{"X-Scope-OrgID": "ml"}')
    settings = Settings()
    assert settings.namespaces == ("a", "b")
    assert settings.limits().drain == timedelta(seconds=40)
    assert settings.limits().freeze is True
    assert settings.workers == 4
    assert settings.prometheus_headers == {"X-Scope-OrgID": "ml"}


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"drain": "0s"}, "longer than 0s"),
        ({"drain": "soon"}, "drain"),
        ({"namespaces": "Upper_Case"}, "namespaces"),
        ({"workers": "0"}, "workers"),
        ({"http_port": "70000"}, "http_port"),
        ({"log_level": "LOUD"}, "log_level"),
        ({"prometheus_url": "prometheus:9090"}, "prometheus_url"),
        ({"prometheus_token_file": "/nowhere/token"}, "/nowhere/token"),
        ({"lease_deadline": "15s"}, "LEASE_DEADLINE < MODELROLLOUT_LEASE_DURATION"),
        ({"lease_retry": "10s"}, "LEASE_RETRY < MODELROLLOUT_LEASE_DEADLINE"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(set_env, variables, words):
    set_env(**variables)
    with pytest.raises(ValidationError, match=words):
        Settings()


def test_settings_cannot_change_while_the_operator_runs():
    with pytest.raises(ValidationError):
        Settings().freeze = True


def test_the_lease_is_in_the_namespace_that_was_set_or_the_pods_own(set_env, monkeypatch, tmp_path):
    monkeypatch.setattr("modelrollout.settings.SERVICE_ACCOUNT_NAMESPACE", tmp_path / "namespace")
    assert Settings().own_namespace() == "default"
    (tmp_path / "namespace").write_text("ml-system\n")
    assert Settings().own_namespace() == "ml-system"
    set_env(lease_namespace="other")
    assert Settings().own_namespace() == "other"


def test_the_command_names_the_variable_and_does_not_start(set_env):
    set_env(drain="0s", workers="0")
    with pytest.raises(click.ClickException) as caught:
        run()
    assert "MODELROLLOUT_DRAIN: must be longer than 0s" in caught.value.message
    assert "MODELROLLOUT_WORKERS" in caught.value.message
