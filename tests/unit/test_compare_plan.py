"""What the comparison measures in which order, on which cores, and with which configuration."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from compare import origin, programs
from compare.certificate import Certificate
from compare.cli import compare
from compare.cores import layout
from compare.environment import cpu_model
from compare.plan import Cell, order
from compare.proxies import DIRECT, PEERS, Site
from compare.proxies.ours import config
from compare.workloads import WORKLOADS

pytestmark = pytest.mark.timeout(30)


def names(cells: list[Cell]) -> list[tuple[int, str, str, str]]:
    return [(cell.round, cell.workload.name, cell.part, cell.name) for cell in cells]


def test_each_round_has_every_peer_and_the_direct_run() -> None:
    peers = [PEERS["nginx"], PEERS["caddy"]]
    cells = order(peers, [WORKLOADS["get-1k"]], rounds=3, seed=1, chosen=False)
    for index in range(3):
        measured = {cell.name for cell in cells if cell.round == index}
        assert measured == {"nginx", "caddy", DIRECT}


def test_order_depends_on_the_seed_alone() -> None:
    def made(seed: int) -> list[tuple[int, str, str, str]]:
        return names(order(list(PEERS.values()), [WORKLOADS["get-1k"]], rounds=4, seed=seed, chosen=False))

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_growth_measures_both_parts_of_our_backends_only() -> None:
    cells = order(list(PEERS.values()), [WORKLOADS["idle-10000"]], rounds=1, seed=1, chosen=False)
    assert sorted(names(cells)) == [
        (0, "idle-10000", part, peer) for part in ("base", "grown") for peer in ("aiohttp", "fastapi")
    ]


def test_named_peers_join_growth_if_they_can() -> None:
    peers = [PEERS["nginx"], PEERS["fastapi-httpx"]]
    cells = order(peers, [WORKLOADS["routes-1000"]], rounds=1, seed=1, chosen=True)
    # The recipe has no routing table.
    assert {cell.name for cell in cells} == {"nginx"}


def test_estimates_grow_with_the_work() -> None:
    (cell,) = order([PEERS["nginx"]], [WORKLOADS["p99"]], rounds=1, seed=1, chosen=True)
    assert cell.estimate(seconds=3, warm=1) > cell.estimate(seconds=1, warm=1) > 2


@pytest.mark.parametrize(
    ("available", "proxy", "load", "shared"),
    [
        ([0], (0,), (0,), True),
        ([2, 5], (2,), (5,), False),
        ([0, 1, 2, 3, 4], (0, 1), (2, 3), False),
    ],
)
def test_cores_keep_proxy_and_load_apart(
    available: list[int], proxy: tuple[int, ...], load: tuple[int, ...], shared: bool
) -> None:
    found = layout(available)
    assert (found.proxy, found.load, found.shared) == (proxy, load, shared)


def test_two_workers_share_a_core_when_there_is_only_one() -> None:
    assert layout([0, 1]).for_workers(2) == (0,)
    assert layout([0, 1, 2, 3]).for_workers(2) == (0, 1)
    assert layout([0, 1, 2, 3]).for_workers(1) == (0,)


@pytest.mark.parametrize("name", list(PEERS))
@pytest.mark.parametrize("variant", ["plain", "tls", "routes"])
def test_every_peer_writes_what_it_needs_into_its_folder(name: str, variant: str, tmp_path: Path) -> None:
    made = Certificate(
        tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "both.pem", tmp_path / "authority.pem"
    )
    site = Site(
        port=20001,
        origin_port=20002,
        folder=tmp_path,
        certificate=made if variant == "tls" else None,
        routes=1000 if variant == "routes" else 1,
    )
    peer = PEERS[name]
    if variant == "routes" and "routes" not in peer.features:
        pytest.skip("has no routing table")
    launch = peer.launch(site)
    told = " ".join([*launch.argv, *launch.env.values()])
    told += "".join(path.read_text() for path in tmp_path.iterdir())
    assert "20001" in told
    assert "127.0.0.1:20002" in told
    assert ("pem" in told) == (variant == "tls")
    assert ("/r0999" in told) == (variant == "routes")
    assert peer.settings


def test_our_configuration_is_toml_with_a_table_for_each_route(tmp_path: Path) -> None:
    site = Site(port=1, origin_port=20002, folder=tmp_path, routes=3)
    read = tomllib.loads(config(site))
    assert read["access_log"] is False
    assert [table["prefix"] for table in read["downstreams"].values()] == ["/r0000", "/r0001", "/r0002"]


def test_origin_writes_its_bodies(tmp_path: Path) -> None:
    launch = origin.launch(tmp_path, 20003)
    assert {path.name: path.stat().st_size for path in (tmp_path / "bodies").iterdir()} == origin.SIZES
    assert "listen 127.0.0.1:20003" in (tmp_path / "nginx.conf").read_text()
    assert str(tmp_path / "nginx.conf") in launch.argv


def test_a_missing_program_is_one_line_with_its_package() -> None:
    assert programs.missing("no-such-program", "a-package", "it is needed") == (
        "no-such-program is not installed (Debian: apt install a-package); it is needed"
    )


def test_cpu_model_is_the_first_named() -> None:
    assert cpu_model("processor\t: 0\nmodel name\t: A CPU\nmodel name\t: Another\n") == "A CPU"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--peers", "nginx,apache"], "unknown peer apache"),
        (["--workloads", "get-2k"], "unknown workload get-2k"),
    ],
)
def test_unknown_names_are_refused_with_the_known_ones(arguments: list[str], words: str) -> None:
    shown = CliRunner().invoke(compare, ["proxies", *arguments])
    assert shown.exit_code == 2
    assert words in shown.output


def test_missing_tools_end_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compare.programs.find", lambda name: None)  # noqa: ARG005
    shown = CliRunner().invoke(compare, ["proxies"])
    assert shown.exit_code == 1
    assert "cannot measure: nginx is not installed" in shown.output
