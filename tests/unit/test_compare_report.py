"""Answers, sections and charts of compare.md, on made-up evidence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from compare import recommend, sides
from compare.cost.points import CENTRE
from compare.report import backends, sections
from compare.report.decide import answer
from compare.report.evidence import Behaviour, Evidence, behaviour, gathered
from compare.report.needs import NEEDS
from compare.results import COST, Results
from compare.samples import Sample

pytestmark = pytest.mark.timeout(60)

BY_FLAG = {need.flag: need for need in NEEDS}
ENVIRONMENT = {
    "cpu": "a CPU", "cores": 2, "kernel": "6", "python": "CPython 3.11", "loop": "uvloop", "date": "2026",
    "proxy_cores": [0], "load_cores": [1], "origin": "nginx", "tools": {}, "packages": {},
}  # fmt: skip
KINDS = dict.fromkeys(("aiohttp", "httpx", "fast", "requests", "urllib3"), "client") | {
    "nginx": "peer",
    "swift": "peer",
}


def sample(name: str, cpu_us: float, point: str = CENTRE, **fields: Any) -> Sample:
    values: dict[str, Any] = {"round": 0, "part": "main", "order": 0, "requests": 2000, "rate": 1000.0}
    return Sample(peer=name, workload=point, cpu_us=cpu_us, **(values | fields))


def evidence(*samples: Sample, **parts: Any) -> Evidence:
    names = dict.fromkeys(sample.peer for sample in samples)
    peers = {name: {"title": name, "kind": KINDS[name], "version": "1"} for name in names}
    return Evidence(Results(ENVIRONMENT, {"rounds": 1}, peers, {}, list(samples), COST), **parts)


def stored(**subjects: dict[str, str]) -> Behaviour:
    """Behaviour from outcomes by topic; every topic is one rule of the same name."""
    topics = dict.fromkeys(topic for cells in subjects.values() for topic in cells)
    return behaviour(
        {
            "rules": [{"id": name, "title": f"the {name}", "rules": [f"bodies.{name}"]} for name in topics],
            "subjects": {
                subject: {f"bodies.{name}": {"outcome": outcome, "detail": "seen", "rule": ""}
                          for name, outcome in cells.items()}
                for subject, cells in subjects.items()
            },
        }
    )  # fmt: skip


COSTS = (sample("aiohttp", 100), sample("httpx", 900), sample("fast", 70), sample("nginx", 10))


def test_the_cheapest_library_is_taken_and_no_proxy_is_one() -> None:
    found = answer(evidence(*COSTS), [])
    assert found.taken == ("fast",)
    assert [row.subject for row in found.rows] == ["fast", "aiohttp", "httpx"]
    assert found.reference is not None
    assert found.reference.group == 1


def test_equals_inside_the_noise_are_all_taken() -> None:
    found = answer(evidence(sample("fast", 99), sample("aiohttp", 100), sample("httpx", 900)), [])
    assert found.taken == ("aiohttp", "fast")


def test_a_needed_behaviour_that_is_broken_or_unmeasured_refuses() -> None:
    kept = stored(aiohttp={"http2": "not-offered"}, httpx={"http2": "kept"})
    found = answer(evidence(*COSTS, behaviour=kept), [BY_FLAG["http2"]])
    assert found.taken == ("httpx",)
    assert found.refused["aiohttp"] == "the http2: not offered (bodies.http2: seen)"
    assert found.refused["fast"] == "the http2: not measured"


def test_a_library_that_mixes_up_users_is_never_taken() -> None:
    found = answer(evidence(*COSTS, behaviour=stored(fast={"cookie-isolation": "broken"})), [])
    assert found.taken == ("aiohttp",)
    assert "fast" in found.refused


def test_needs_add_up() -> None:
    samples = (*COSTS, sample("aiohttp", 100, "body-1m"), sample("fast", 900, "body-1m"))
    found = answer(evidence(*samples), [BY_FLAG["large-bodies"], BY_FLAG["streaming-upload"]])
    assert found.rows == ()
    found = answer(evidence(*samples), [BY_FLAG["large-bodies"]])
    assert found.taken == ("aiohttp",)
    assert found.refused == {"httpx": "body-1m: not measured"}


def test_a_rate_that_was_not_kept_is_told() -> None:
    open_loop = {"asked_rate": 1000.0, "rate": 300.0}
    kept = {"asked_rate": 1000.0, "rate": 1000.0}
    found = answer(
        evidence(
            sample("aiohttp", 0, "arrivals-1000", open_loop=kept, latency_ms={"p99": 3.0}),
            sample("httpx", 0, "arrivals-1000", open_loop=open_loop, latency_ms={"p99": 3.0}, rate=300.0),
        ),
        [BY_FLAG["steady-latency"]],
    )
    assert found.taken == ("aiohttp",)
    assert found.rows[0].figures == ("p99 3.0 ms",)
    assert found.refused == {"httpx": "arrivals-1000: served only 300/s"}


def test_synchronous_code_and_whole_proxies_are_asked_for() -> None:
    samples = (*COSTS, sample("requests", 2000))
    assert answer(evidence(*samples), [BY_FLAG["sync"]]).taken == ("requests",)
    assert answer(evidence(*samples), [BY_FLAG["proxy"]]).taken == ("nginx",)


def test_where_nobody_keeps_it_all_the_nearest_is_named() -> None:
    found = {"urllib3": {"leak": "broken"}, "requests": {"cookie-isolation": "broken", "leak": "broken"}}
    samples = (sample("aiohttp", 100), sample("requests", 200), sample("urllib3", 300))
    given = evidence(*samples, behaviour=stored(**found))
    told = answer(given, [BY_FLAG["sync"]])
    assert told.taken == ()
    assert [row.subject for row in told.nearest] == ["urllib3"]
    line = next(line for line in sections.decision(given).splitlines() if "`--sync`" in line)
    assert "nobody keeps it all; nearest: **urllib3** | urllib3: the leak: broken, 300 us" in line
    assert "Nearest: urllib3" in "\n".join(recommend.lines(given, told))


def test_who_is_cheaper_but_breaks_a_rule_is_named() -> None:
    given = evidence(
        sample("aiohttp", 100), sample("fast", 70), behaviour=stored(fast={"truncation": "broken"})
    )
    told = answer(given, [])
    assert told.taken == ("aiohttp",)
    line = next(line for line in sections.decision(given).splitlines() if "nothing special" in line)
    assert "fast is cheaper with 70 us, but the truncation: broken" in line
    assert "Cheaper, but left out: fast." in recommend.lines(given, told)


def test_who_lacks_what_was_asked_for_is_not_near() -> None:
    given = evidence(sample("aiohttp", 100), behaviour=stored(aiohttp={"http2": "not-offered"}))
    assert answer(given, [BY_FLAG["http2"]]).nearest == ()


def test_the_worst_rule_of_a_topic_has_the_word() -> None:
    found = {
        "a": {"outcome": "kept", "detail": "3 of 3"},
        "b": {"outcome": "broken", "detail": "joined"},
        "c": {"outcome": "not-offered", "detail": "none"},
    }
    cell = gathered(found, ["a", "b"])
    assert (cell.result, cell.kept_rules, cell.asked, cell.evidence) == ("partly", 1, 2, "b: joined")
    assert gathered(found, ["b"]).result == "broken"
    assert gathered(found, ["c"]).result == "not offered"
    assert gathered(found, ["d"]).result == "not measured"
    assert gathered(found, ["a"]).kept


def test_the_document_says_where_aiohttp_loses() -> None:
    assert (
        sections.losses(evidence(*COSTS))
        == "- **100 in flight**, CPU time per request: fast (0.70) of aiohttp's."
    )
    assert "no point" in sections.losses(evidence(sample("aiohttp", 100), sample("httpx", 900)))
    line = next(
        line for line in sections.decision(evidence(*COSTS)).splitlines() if "nothing special" in line
    )
    assert "**fast**" in line
    assert "aiohttp takes 100 us, 1.4 times as much" in line


def test_a_rule_leads_to_the_contract_and_messages_are_plain_text() -> None:
    shown = sections.behaviour(
        evidence(*COSTS, behaviour=stored(aiohttp={"cut-length": "kept"}, httpx={"cut-length": "broken"}))
    )
    assert "| [the cut-length](docs/contract.md#bodiescut-length) | yes | **no** |" in shown
    assert "the cut-length: bodies.cut-length: seen" in shown
    assert sections.plain("a|b <x> _y_") == r"a\|b \<x\> \_y\_"


def test_recommend_prints_the_rows_it_used(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    # Behaviour is always the published one; of `swift` that knows nothing, now and later.
    evidence(*COSTS, sample("swift", 10)).cost.write(file)
    shown = CliRunner().invoke(recommend.recommend, ["--proxy", "--from", str(file)])
    assert shown.exit_code == 0, shown.output
    assert "Take: swift." in shown.output
    assert "10 us" in shown.output


def test_recommend_refuses_a_file_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    shown = CliRunner().invoke(recommend.recommend, ["--from", str(tmp_path / "other.json")])
    assert shown.exit_code == 1
    assert "not a result of `compare`" in shown.output


def test_the_same_results_give_the_same_charts(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the charts need it (extra: compare)")
    from compare.report.charts import draw

    first, again = (draw(evidence(*COSTS), tmp_path / name) for name in ("first", "again"))
    assert [path.name for path in first] == [
        "cpu-light.svg",
        "lines-light.svg",
        "cpu-dark.svg",
        "lines-dark.svg",
    ]
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert "<dc:date>" not in one.read_text()


def test_code_lines_are_those_without_blanks_comments_and_docstrings() -> None:
    lines = ['"""What for."""', "", "import os  # why", "", "def f() -> None:"]
    lines += ['    """Doc."""', "    # reason", "    os.abort()"]
    assert sides.code_lines("\n".join(lines)) == 3


def test_the_dependencies_of_the_fastapi_backend_include_those_of_the_other() -> None:
    core = sides.closure("downstream-proxy", set())
    assert {"aiohttp", "yarl", "multidict"} <= core
    assert core < sides.closure("downstream-proxy", {"fastapi"})
    assert "pytest" not in sides.closure("downstream-proxy", {"fastapi"})


def test_the_backends_stand_side_by_side() -> None:
    side = {
        "files": 10, "lines": 200, "distributions": ["aiohttp"], "installed_mib": 30.0, "start_s": 0.5,
        "rest_mib": 50.0, "drain_answered": True, "drain_s": 0.1, "worker_replaced_s": 0.1,
    }  # fmt: skip
    other = {**side, "distributions": ["aiohttp", "fastapi"], "drain_answered": False}
    found = evidence(*COSTS, sides=json.loads(json.dumps({"backends": {"aiohttp": side, "fastapi": other}})))
    shown = backends.section(found)
    assert "| request in flight at SIGTERM | answered | **lost** |" in shown
    assert "`fastapi_impl` alone brings fastapi." in shown
