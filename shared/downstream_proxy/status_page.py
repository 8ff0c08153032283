"""The status as one HTML page that needs nothing else: no script is needed to read it, one keeps it live.

What it is for: words and numbers for people. Everything that comes from outside is escaped; style and script
are named by their hashes, so that nothing else in the page can run.
What it must not know: where the numbers come from, how often they are sent.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import Final

from .balancing.status import AddressStatus
from .status import NOTHING, PARTS, Counts, DownstreamStatus, Status, percentile

WINDOW: Final = 10.0
"""Seconds that the figures of a live page look back on."""

_PART_NAMES = {"total": "total", "first_byte": "first byte", "connect": "connect", "queue": "queue"}
_STATE_COLOURS = {
    "healthy": "good",
    "slow-start": "warn",
    "ejected": "bad",
    "unhealthy": "bad",
    "closed": "good",
    "half-open": "warn",
    "open": "bad",
    "off": "plain",
}
_STATUS_CLASSES = ("2xx", "3xx", "4xx", "5xx")


def _template(name: str) -> str:
    return files(__package__).joinpath("templates", "status", name).read_text(encoding="utf-8")


_CSS, _JS = _template("page.css"), _template("page.js")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src {_hash(_CSS)}; script-src {_hash(_JS)}; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(now: Status) -> str:
    """The whole page, with figures since the start."""
    filled = _template("page.html").replace("@{css}", _CSS).replace("@{js}", _JS)
    return filled.replace("@{body}", body(now, ()))


def body(now: Status, earlier: Sequence[Status]) -> str:
    """The `main` element. earlier: statuses of the last minute, oldest first; figures are of the last ten
    seconds then, else since the start."""
    before = _before(now, earlier)
    parts = (
        _header(now),
        _tiles(now, before),
        _curve(earlier),
        "<h2>Downstreams</h2>",
        f'<div class="cards">{"".join(_cards(now, before))}</div>',
        _errors(now, before),
        _recent(now),
        _reloads(now),
        _footer(now),
    )
    return f"<main>{''.join(parts)}</main>"


def _before(now: Status, earlier: Sequence[Status]) -> Status | None:
    """The status that the window begins with."""
    fit = [one for one in earlier if 0 < now.at - one.at <= WINDOW + 0.5]
    return fit[0] if fit else None


def _header(now: Status) -> str:
    state = (
        '<span class="badge warn">draining</span>'
        if now.draining
        else '<span class="badge good">ready</span>'
    )
    workers = f"{now.workers} workers" if now.workers > 1 else "1 worker"
    return (
        f'<header><h1>downstream-proxy</h1>{state}<span class="badge plain live"></span>'
        f"<p>{escape(now.version)} on {escape(now.backend)}, Python {escape(now.python)} · {workers}, "
        f"process {now.pid} · up {_span(now.time - now.started) if now.started else 'for an unknown time'} · "
        f'<time datetime="{_clock(now.time, "%Y-%m-%dT%H:%M:%SZ")}">{_clock(now.time, "%H:%M:%S")} UTC</time>'
        "</p></header>"
    )


def _tiles(now: Status, before: Status | None) -> str:
    total, seconds = _window(now.routed, before.routed if before else None, now, before)
    failed = sum(total.errors.values())
    cpu = (now.cpu - before.cpu) if before else now.cpu
    tiles = (
        ("requests", _rate(total.answered, seconds), "/s"),
        ("errors", _rate(failed, seconds), "/s"),
        ("median", *_duration(percentile(total.histograms["total"], 0.5))),
        ("99th percentile", *_duration(percentile(total.histograms["total"], 0.99))),
        ("in flight", f"{now.inflight:.0f}", ""),
        ("connections", f"{now.connections:.0f}", ""),
        ("sent", *_size(total.bytes_out / seconds), "/s"),
        ("processor", f"{100 * cpu / seconds:.0f}", "%"),
        ("memory", *_size(now.memory)),
        ("open files", f"{now.open_files:.0f}", f"of {now.max_files:.0f}" if now.max_files else ""),
    )
    rows = "".join(
        f"<div><dt>{name}</dt><dd>{value} <small>{''.join(unit)}</small></dd></div>"
        for name, value, *unit in tiles
    )
    span = "of the last ten seconds" if before else "since the start"
    return f'<dl class="tiles">{rows}</dl><p class="note">Rates and latency {span}.</p>'


def _curve(earlier: Sequence[Status]) -> str:
    """Requests per second over the last minute."""
    rates = [
        max(0.0, (new.routed.answered - old.routed.answered) / (new.at - old.at))
        for old, new in zip(earlier, list(earlier)[1:], strict=False)
        if new.at > old.at
    ]
    most = max(rates, default=0.0)
    heights = [38 - 36 * rate / most if most else 38.0 for rate in rates]
    points = " ".join(f"{61 - len(heights) + n},{height:.1f}" for n, height in enumerate(heights))
    told = f"requests per second, last minute, up to {most:.0f}" if rates else "requests per second"
    return (
        f'<figure class="card"><svg viewBox="0 0 60 40" preserveAspectRatio="none" role="img" '
        f'aria-label="{told}"><polyline points="{points}"/></svg><figcaption>{told}</figcaption></figure>'
    )


def _cards(now: Status, before: Status | None) -> Iterable[str]:
    for downstream in now.downstreams:
        if downstream.name:
            yield _card(downstream, now, before)
    rest = next(one for one in now.downstreams if not one.name).counts
    about = "<code>the proxy's own answers, and what was refused</code>"
    yield (
        f'<section class="card"><div class="name"><h3>none</h3>{about}</div>'
        f"<table><thead><tr><th>since the start</th>{_heads(_STATUS_CLASSES)}</tr></thead>"
        f"<tbody>{_row('answers', *_by_class(rest))}</tbody></table></section>"
    )


def _by_class(counts: Counts, seconds: float | None = None) -> list[str]:
    """Answers by hundreds of their status; per second when told how many."""
    found = [counts.requests.get(key, 0.0) for key in _STATUS_CLASSES]
    return [f"{count:.0f}" if seconds is None else _rate(count, seconds) for count in found]


def _card(downstream: DownstreamStatus, now: Status, before: Status | None) -> str:
    counts, seconds = _window(downstream.counts, _same(downstream.name, before), now, before)
    breaker = downstream.breaker
    shown = "" if breaker.state == "off" else _badge(f"breaker {breaker.state}", breaker.state)
    again = f" tries again in {breaker.seconds:.0f} s" if breaker.seconds else ""
    latency = "".join(_latency(part, counts.histograms[part]) for part in PARTS)
    return (
        f'<section class="card"><div class="name"><h3>{escape(downstream.name)}</h3>'
        f"<code>{escape(downstream.prefix)}</code>{shown}{again}</div>{_pool(downstream)}"
        f"<table><thead><tr><th>answers</th>{_heads(_STATUS_CLASSES)}</tr></thead><tbody>"
        f"{_row('per second', *_by_class(counts, seconds))}"
        f"{_row('in all', *_by_class(downstream.counts))}</tbody></table>"
        f"<table><thead><tr><th>latency</th>{_heads(('50 %', '90 %', '99 %', 'count'))}</tr></thead>"
        f"<tbody>{latency}</tbody></table>{_addresses(downstream.addresses)}</section>"
    )


def _latency(part: str, histogram: Sequence[float]) -> str:
    shown = [" ".join(_duration(percentile(histogram, share))) for share in (0.5, 0.9, 0.99)]
    return _row(_PART_NAMES[part], *shown, f"{sum(histogram[:-1]):.0f}")


def _pool(downstream: DownstreamStatus) -> str:
    places, used = max(1.0, downstream.places), downstream.in_use
    return (
        f'<div class="pool"><meter min="0" max="{places:.0f}" high="{places * 0.9:.0f}" optimum="0" '
        f'value="{used:.0f}">{used:.0f} of {places:.0f}</meter>'
        f"<p><span>{used:.0f} of {downstream.places:.0f} places in use</span>"
        f"<span>{downstream.waiting:.0f} waiting</span>"
        f"<span>{downstream.counts.retries:.0f} sent again</span></p></div>"
    )


def _addresses(addresses: Sequence[AddressStatus]) -> str:
    rows = "".join(
        _row(
            escape(one.url),
            _badge(one.state, one.state) + (f" {one.seconds:.0f} s" if one.seconds else ""),
            one.inflight,
            one.ejections,
            escape(one.last_error or "–"),
        )
        for one in addresses
    )
    return (
        '<div class="wide"><table class="words addresses"><thead><tr>'
        f"{_heads(('address', 'state', 'in flight', 'ejected', 'last error'))}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _errors(now: Status, before: Status | None) -> str:
    rows = []
    for downstream in now.downstreams:
        counts, _ = _window(downstream.counts, _same(downstream.name, before), now, before)
        for kind, count in sorted(downstream.counts.errors.items()):
            lately = f"{counts.errors.get(kind, 0):.0f}" if before else "–"
            rows.append(_row(escape(kind), escape(downstream.name or "none"), lately, f"{count:.0f}"))
    heads = "<th>kind</th><th>downstream</th><th>last 10 s</th><th>since the start</th>"
    return f"<h2>Errors by kind</h2>{_table(heads, rows, 'No errors.')}"


def _recent(now: Status) -> str:
    rows = [
        _row(
            _clock(one.time, "%H:%M:%S"),
            escape(one.kind),
            one.status,
            escape(one.method),
            escape(one.downstream or "none"),
            escape(one.request_id or "–"),
        )
        for one in now.recent_errors[:20]
    ]
    heads = _heads(("UTC", "kind", "status", "method", "downstream", "request id"))
    about = f"Of process {now.pid} alone; paths are in the access log, under the request's id."
    note = f'<p class="note">{about}</p>' if rows else ""
    return f"<h2>Recent errors</h2>{note}{_table(heads, rows, 'None since the start.')}"


def _reloads(now: Status) -> str:
    problems = "".join(f"<li>{escape(problem)}</li>" for problem in now.reload_problems)
    failed = _coloured("the last reload failed", "bad")
    told = f"<p>{failed} what ran before goes on</p><ul>{problems}</ul>" if problems else ""
    return (
        '<h2>Configuration</h2><div class="card"><p class="note">Loaded '
        f"{_clock(now.last_reload, '%Y-%m-%d %H:%M:%S')} UTC · {now.reloads:.0f} reloads, "
        f"{now.failed_reloads:.0f} failed</p>{told}</div>"
    )


def _footer(now: Status) -> str:
    seen = f" States of addresses and breakers are as process {now.pid} sees them." if now.workers > 1 else ""
    return (
        '<footer><p><a href="metrics">metrics</a> · <a href="config">configuration</a> · '
        f"{now.viewers} looking at this page.{seen}</p></footer>"
    )


def _table(heads: str, rows: Sequence[str], nothing: str) -> str:
    if not rows:
        return f'<div class="card"><p class="none">{nothing}</p></div>'
    return (
        f'<div class="card wide"><table class="words"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _window(
    counts: Counts, earlier: Counts | None, now: Status, before: Status | None
) -> tuple[Counts, float]:
    """What was counted within the window and its seconds; since the start without one."""
    if before is None:
        return counts, max(1.0, now.time - now.started if now.started else 1.0)
    return counts.since(earlier or NOTHING), max(0.001, now.at - before.at)


def _same(name: str, before: Status | None) -> Counts | None:
    return next((one.counts for one in before.downstreams if one.name == name), None) if before else None


def _badge(text: str, state: str) -> str:
    return _coloured(text, _STATE_COLOURS.get(state, "plain"))


def _coloured(text: str, colour: str) -> str:
    return f'<span class="badge {colour}">{escape(text)}</span>'


def _row(*cells: object) -> str:
    """A row of cells that are HTML already."""
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _heads(names: Iterable[str]) -> str:
    return "".join(f"<th>{name}</th>" for name in names)


def _rate(count: float, seconds: float) -> str:
    value = max(0.0, count) / seconds
    return f"{value:.0f}" if value >= 100 or value == 0 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def _duration(seconds: float | None) -> tuple[str, str]:
    if seconds is None:
        return "–", ""
    if seconds < 1:
        return f"{seconds * 1000:.1f}" if seconds < 0.1 else f"{seconds * 1000:.0f}", "ms"
    return f"{seconds:.1f}", "s"


def _size(count: float) -> tuple[str, str]:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f}" if unit == "B" or count >= 100 else f"{count:.1f}", unit
        count /= 1024
    raise AssertionError


def _span(seconds: float) -> str:
    minutes, hours, days = seconds / 60, seconds / 3600, seconds / 86400
    if days >= 1:
        return f"{int(days)} d {int(hours % 24)} h"
    if hours >= 1:
        return f"{int(hours)} h {int(minutes % 60)} min"
    return f"{int(minutes)} min {int(seconds % 60)} s"


def _clock(at: float, form: str) -> str:
    return time.strftime(form, time.gmtime(at))
