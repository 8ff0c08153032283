"""The dashboard and the alerts in deploy/ speak of metrics, labels and values that exist."""

from __future__ import annotations

import functools
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from downstream_proxy.balancing.status import ADDRESS_STATES, BREAKER_STATES
from downstream_proxy.errors import ErrorKind
from downstream_proxy.exposition import process_families
from downstream_proxy.metrics_families import Family, families
from downstream_proxy.metrics_shared import Slot, WorkerMetrics
from downstream_proxy.settings import DownstreamSettings, Settings
from downstream_proxy.settings_rates import RateLimit
from downstream_proxy.state import ProcessState, ProxyState
from downstream_proxy.wire_downstream import WireDownstream

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = DEPLOY / "grafana" / "dashboard.json"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"

# Label values that a rule may name.
VALUES = {
    "kind": {kind.value for kind in ErrorKind},
    "status": {f"{hundreds}xx" for hundreds in range(1, 6)},
    "outcome": {"success", "failure"},
    "state": {*ADDRESS_STATES, *BREAKER_STATES, "in_use", "waiting"},
}
# What Prometheus adds, and what is no metric of anybody's.
OUTER = {"job", "instance", "le"}
WORD = re.compile(r"\b(?:(?:downstream_proxy|process)_[a-z_]+|up)\b")
SELECTOR = re.compile(r"(\w+)\{([^}]*)\}")
GROUPING = re.compile(r"by \(([^)]*)\)")
MATCHER = re.compile(r'(\w+)=~?"([^"]*)"')


@functools.cache
def shown() -> dict[str, Family]:
    """Every metric of a proxy that uses everything, by the names of its series."""
    process = ProcessState()
    rates = (RateLimit(limits=("1/second",)),)
    api = DownstreamSettings(url="http://127.0.0.1:9", rate_limits=rates)
    ProxyState(Settings(downstreams={"api": api}), WireDownstream, process).show()
    own = [*families(process), *process_families()]
    series = {}
    for family in WorkerMetrics([Slot()], 0).total(own):
        names = [family.name]
        if family.kind == "histogram":
            names = [f"{family.name}_{part}" for part in ("bucket", "sum", "count")]
        series.update(dict.fromkeys(names, family))
    return series


def expressions() -> Iterator[str]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


@pytest.mark.parametrize("expression", list(expressions()))
def test_expression_asks_for_what_exists(expression: str) -> None:
    series = shown()
    plain = re.sub(r'"[^"]*"', '""', expression)
    names = {name for name in WORD.findall(plain) if name != "up"}
    assert names <= series.keys()
    labels = OUTER.union(*(series[name].labels for name in names))
    for group in GROUPING.findall(expression):
        assert {label.strip() for label in group.split(",")} <= labels
    for name, matchers in SELECTOR.findall(expression):
        for label, value in MATCHER.findall(matchers):
            assert label in OUTER.union(series[name].labels if name != "up" else ())
            if "$" not in value and label in VALUES:
                assert set(value.split("|")) <= VALUES[label]


def test_dashboard_is_what_its_maker_makes() -> None:
    spec = importlib.util.spec_from_file_location("make_dashboard", DASHBOARD.with_name("make.py"))
    assert spec is not None
    assert spec.loader is not None
    maker: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    assert DASHBOARD.read_text() == maker.text(), "run deploy/grafana/make.py"


def test_every_alert_says_what_is_wrong_and_how_bad() -> None:
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"])
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
