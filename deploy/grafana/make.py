#!/usr/bin/env python3
"""Make dashboard.json beside this file: rows of panels from the list below.

Needs nothing but Python. A test compares the file with what this makes, and every expression with the metrics
that exist.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_OF = '{job=~"$job",downstream=~"$downstream"}'
_ALL = '{job=~"$job"}'


def _quantile(share: float, name: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({name}_bucket{_OF}[$__rate_interval])))"


def _rate(name: str, by: str, labels: str = _OF) -> str:
    return f"sum by ({by}) (rate({name}{labels}[$__rate_interval]))"


# Rows of panels: title, unit, and expressions with their legends.
ROWS: tuple[tuple[str, tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]], ...] = (
    (
        "Traffic",
        (
            (
                "Requests by status",
                "reqps",
                ((_rate("downstream_proxy_requests_total", "status"), "{{status}}"),),
            ),
            (
                "Failures by kind",
                "reqps",
                ((_rate("downstream_proxy_errors_total", "downstream, kind"), "{{downstream}} {{kind}}"),),
            ),
            (
                "In flight",
                "short",
                (
                    (f"sum(downstream_proxy_inflight{_ALL})", "requests"),
                    (f"sum(downstream_proxy_connections{_ALL})", "client connections"),
                ),
            ),
            (
                "Bytes",
                "Bps",
                (
                    (_rate("downstream_proxy_response_bytes_total", "downstream"), "{{downstream}} out"),
                    (_rate("downstream_proxy_request_bytes_total", "downstream"), "{{downstream}} in"),
                ),
            ),
        ),
    ),
    (
        "Where the time goes",
        (
            (
                "Whole exchange",
                "s",
                tuple(
                    (_quantile(share, "downstream_proxy_request_seconds"), f"p{share * 100:g}")
                    for share in (0.5, 0.95, 0.99)
                ),
            ),
            (
                "First byte, p95",
                "s",
                (
                    (
                        _quantile(0.95, "downstream_proxy_first_byte_seconds", "downstream"),
                        "{{downstream}}",
                    ),
                ),
            ),
            (
                "New connections, p95",
                "s",
                ((_quantile(0.95, "downstream_proxy_connect_seconds", "downstream"), "{{downstream}}"),),
            ),
            (
                "Waiting for a place, p95",
                "s",
                ((_quantile(0.95, "downstream_proxy_queue_seconds", "downstream"), "{{downstream}}"),),
            ),
        ),
    ),
    (
        "Downstreams",
        (
            (
                "Places in use",
                "percentunit",
                (
                    (
                        f'sum by (downstream) (downstream_proxy_pool{{job=~"$job",downstream=~"$downstream",'
                        f'state="in_use"}}) / sum by (downstream) (downstream_proxy_pool_limit{_OF})',
                        "{{downstream}}",
                    ),
                ),
            ),
            (
                "Waiting for a place",
                "short",
                (
                    (
                        'sum by (downstream) (downstream_proxy_pool{job=~"$job",downstream=~"$downstream",'
                        'state="waiting"})',
                        "{{downstream}}",
                    ),
                ),
            ),
            (
                "Addresses by state",
                "short",
                (
                    (
                        f"sum by (downstream, address, state) (downstream_proxy_address_state{_OF}) > 0",
                        "{{downstream}} {{address}} {{state}}",
                    ),
                ),
            ),
            (
                "Retries, ejections, breaker",
                "short",
                (
                    (_rate("downstream_proxy_retries_total", "downstream"), "{{downstream}} retries/s"),
                    (
                        f"sum by (downstream) (increase(downstream_proxy_ejections_total{_OF}"
                        "[$__rate_interval]))",
                        "{{downstream}} ejections",
                    ),
                    (
                        "sum by (downstream) (downstream_proxy_breaker_state"
                        '{job=~"$job",downstream=~"$downstream",state="open"})',
                        "{{downstream}} breaker open",
                    ),
                ),
            ),
        ),
    ),
    (
        "Process",
        (
            (
                "Processor",
                "percentunit",
                ((_rate("process_cpu_seconds_total", "instance", _ALL), "{{instance}}"),),
            ),
            (
                "Memory",
                "bytes",
                ((f"sum by (instance) (process_resident_memory_bytes{_ALL})", "{{instance}}"),),
            ),
            (
                "Open descriptors",
                "short",
                ((f"sum by (instance) (process_open_fds{_ALL})", "{{instance}}"),),
            ),
            (
                "Reloads and rate limits",
                "short",
                (
                    (
                        f"sum by (outcome) (increase(downstream_proxy_reloads_total{_ALL}"
                        "[$__rate_interval]))",
                        "reload {{outcome}}",
                    ),
                    (
                        f"sum(rate(downstream_proxy_rate_limit_unchecked_total{_ALL}[$__rate_interval]))",
                        "unchecked requests/s",
                    ),
                    (
                        'sum(rate(downstream_proxy_errors_total{job=~"$job",kind="rate-limited"}'
                        "[$__rate_interval]))",
                        "refused requests/s",
                    ),
                ),
            ),
        ),
    ),
)

_SOURCE = {"type": "prometheus", "uid": "${source}"}


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    for number, (title, row) in enumerate(ROWS):
        top = number * 9
        place = {"h": 1, "w": 24, "x": 0, "y": top}
        panels.append({"id": len(panels) + 1, "type": "row", "title": title, "gridPos": place, "panels": []})
        for column, (name, unit, queries) in enumerate(row):
            place = {"h": 8, "w": 6, "x": 6 * column, "y": top + 1}
            panels.append(_panel(len(panels) + 1, name, unit, queries, place))
    return {
        "title": "downstream-proxy",
        "uid": "downstream-proxy",
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "tags": ["downstream-proxy"],
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": list(_variables())},
        "annotations": {
            "list": [
                {
                    "name": "Reloads",
                    "datasource": _SOURCE,
                    "enable": True,
                    "iconColor": "blue",
                    "expr": "changes(downstream_proxy_config_last_reload_success_timestamp_seconds"
                    f"{_ALL}[1m]) > 0",
                }
            ]
        },
        "panels": panels,
    }


def _panel(
    number: int, title: str, unit: str, queries: tuple[tuple[str, str], ...], place: dict[str, int]
) -> dict[str, Any]:
    return {
        "id": number,
        "type": "timeseries",
        "title": title,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": _SOURCE,
                "expr": expression,
                "legendFormat": legend,
            }
            for index, (expression, legend) in enumerate(queries)
        ],
    }


def _variables() -> tuple[dict[str, Any], ...]:
    def labels(name: str, query: str) -> dict[str, Any]:
        return {
            "name": name,
            "type": "query",
            "datasource": _SOURCE,
            "query": {"query": query, "refId": name},
            "refresh": 2,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
        }

    return (
        {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
        labels("job", "label_values(downstream_proxy_build_info, job)"),
        labels("downstream", 'label_values(downstream_proxy_requests_total{job=~"$job"}, downstream)'),
    )


def text() -> str:
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    Path(sys.argv[0]).with_name("dashboard.json").write_text(text(), encoding="utf-8")
