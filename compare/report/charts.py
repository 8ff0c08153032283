"""The charts of compare.md as SVG, each for light and for dark pages. The same results give the same bytes.

Must not know what is concluded from them. Bars inside a group stand in the order of their names: the noise
is larger than what parts them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")  # before pyplot, which would look for a display

from matplotlib import pyplot
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ..cost import reading
from ..cost.plan import REFERENCE
from ..cost.points import CENTRE, LINES, POINTS
from ..proxies import DIRECT
from ..stats import Spread
from .evidence import Evidence

THEMES = {
    "light": {"text": "#1f2328", "faint": "#59636e", "grid": "#d1d9e0", "rest": "#afb8c1"},
    "dark": {"text": "#f0f6fc", "faint": "#9198a1", "grid": "#3d444d", "rest": "#565e68"},
}
#: One colour per kind, told apart by eyes that see no red or green as well, on white and on black.
KINDS = {"client": "#2f81f7", "recipe": "#d4762c", "backend": "#2da44e", "peer": "#8b949e"}
KIND_TITLES = {"client": "library", "recipe": "recipe", "backend": "our backend", "peer": "other proxy"}
#: Lines with a name of their own; the other subjects are drawn as a faint background.
NAMED = {
    REFERENCE: "#2f81f7",
    "httpx": "#d4762c",
    "httpx2": "#b35dd4",
    "pyreqwest": "#d1a000",
    "requests": "#e5534b",
    "aiohttp-backend": "#2da44e",
}
STYLE: dict[str, Any] = {
    "svg.hashsalt": "downstream-proxy",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


PLAIN = FuncFormatter(lambda value, _: f"{value:,g}")


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a bar chart; without a value the text says why."""

    name: str
    kind: str
    value: Spread | None
    text: str


def draw(evidence: Evidence, folder: Path) -> list[Path]:
    """Write every chart that has data; the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for theme, colours in THEMES.items():
        style: Any = {**STYLE, **_colours(colours)}
        with pyplot.rc_context(style):
            for name, figure in _figures(evidence, colours):
                path = folder / f"{name}-{theme}.svg"
                figure.savefig(
                    path, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight"
                )
                pyplot.close(figure)
                # matplotlib ends some lines with a blank, which no editor leaves alone.
                text = "\n".join(line.rstrip() for line in path.read_text().splitlines())
                path.write_text(text + "\n")
                written.append(path)
    return written


def names(evidence: Evidence) -> set[str]:
    """Charts that have data."""
    figures = _figures(evidence, THEMES["light"])
    for _, figure in figures:
        pyplot.close(figure)
    return {name for name, _ in figures}


def _colours(colours: dict[str, str]) -> dict[str, str]:
    return {
        "text.color": colours["text"],
        "axes.labelcolor": colours["faint"],
        "axes.edgecolor": colours["grid"],
        "xtick.color": colours["faint"],
        "ytick.color": colours["text"],
        "grid.color": colours["grid"],
    }


def _figures(evidence: Evidence, colours: dict[str, str]) -> list[tuple[str, Any]]:
    cost = evidence.cost
    made = []
    if bars := _bars(evidence, CENTRE, reading.cpu, "{:,.0f} us"):
        made.append(("cpu", _bar_chart(bars, "CPU time per request, microseconds (logarithmic)", colours)))
    if any(reading.figure(cost, point, REFERENCE, reading.cpu) for point in LINES["in flight"]):
        made.append(("lines", _line_charts(evidence, colours)))
    point = LINES["arrivals"][-1]
    if bars := _bars(evidence, point, reading.latency("p99"), "{:,.1f} ms"):
        made.append(
            ("latency", _bar_chart(bars, f"p99 in ms at {POINTS[point].title} (logarithmic)", colours))
        )
    point = LINES["arrivals"][0]
    if bars := _bars(evidence, point, reading.neighbour("p99"), "{:,.1f} ms", missing=False):
        label = f"p99 of a neighbour endpoint in ms at {POINTS[point].title} (logarithmic)"
        made.append(("lag", _bar_chart(bars, label, colours)))
    return made


def _bars(
    evidence: Evidence,
    point: str,
    read: reading.Read,
    form: str,
    *,
    missing: bool = True,
) -> list[Bar]:
    cost = evidence.cost
    found = {name: reading.figure(cost, point, name, read) for name in reading.subjects(cost)}
    values = {name: value for name, value in found.items() if value}
    if not values:
        return []
    order = [name for group in reading.tiers(values, reading.noise(cost)) for name in group.names]
    bars = [Bar(name, evidence.kind(name), values[name], form.format(values[name].median)) for name in order]
    bars += [
        Bar(name, evidence.kind(name), None, text)
        for name in found
        if missing and name not in values and (text := _why(evidence, point, name))
    ]
    return bars


def _why(evidence: Evidence, point: str, name: str) -> str | None:
    if reading.failure(evidence.cost, point, name):
        return "failed"
    served = reading.figure(evidence.cost, point, name, reading.rate)
    return f"kept only {served.median:,.0f}/s" if served else None


def _bar_chart(bars: Sequence[Bar], label: str, colours: dict[str, str]) -> Any:
    figure, axes = pyplot.subplots(figsize=(8.2, 0.27 * len(bars) + 0.9))
    values = [bar.value.median for bar in bars if bar.value]
    left = min(values) / 1.6
    for place, bar in enumerate(bars):
        if bar.value is None:
            axes.text(left * 1.05, place, bar.text, va="center", color=colours["faint"], style="italic")
            continue
        colour = KINDS.get(bar.kind, colours["rest"])
        axes.barh(place, bar.value.median - left, left=left, height=0.66, color=colour)
        axes.plot([bar.value.low, bar.value.high], [place, place], color=colours["text"], linewidth=1.4)
        axes.text(bar.value.high * 1.06, place, bar.text, va="center", color=colours["text"])
    axes.set_xscale("log")
    axes.set_xlim(left, max(bar.value.high for bar in bars if bar.value) * 2)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_yticks(range(len(bars)), [bar.name for bar in bars])
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(PLAIN)
    axes.set_xlabel(label)
    axes.xaxis.grid(visible=True, linewidth=0.5)
    axes.set_axisbelow(True)
    kinds = dict.fromkeys(bar.kind for bar in bars)
    handles = [Rectangle((0, 0), 1, 1, color=KINDS.get(kind, colours["rest"])) for kind in kinds]
    titles = [KIND_TITLES.get(kind, kind) for kind in kinds]
    axes.legend(handles, titles, loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=4, frameon=False)
    return figure


def _line_charts(evidence: Evidence, colours: dict[str, str]) -> Any:
    """CPU time per request along three of the lines through the centre."""
    shown: list[tuple[str, Callable[[str], str]]] = [
        ("in flight", lambda point: f"{POINTS[point].parts['main'].inflight:,}"),
        (
            "body",
            lambda point: {1024: "1 KiB", 65536: "64 KiB"}.get(POINTS[point].parts["main"].body, "1 MiB"),
        ),
        ("late", lambda point: f"{POINTS[point].parts['main'].late_ms} ms"),
    ]
    figure, all_axes = pyplot.subplots(1, len(shown), figsize=(8.2, 4.2), sharey=True)
    for axes, (line, label) in zip(all_axes, shown, strict=True):
        points = LINES[line]
        for name in sorted(reading.subjects(evidence.cost), key=lambda name: name in NAMED):
            if name == DIRECT or (name not in NAMED and evidence.kind(name) != "client"):
                continue
            found = [reading.figure(evidence.cost, point, name, reading.cpu) for point in points]
            places = [place for place, value in enumerate(found) if value]
            heights = [value.median for value in found if value]
            named = name in NAMED
            colour = NAMED.get(name, colours["rest"])
            axes.plot(
                places, heights, color=colour, linewidth=1.8 if named else 0.8, marker="o", markersize=3
            )
        axes.set_xticks(range(len(points)), [label(point) for point in points])
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.yaxis.set_major_formatter(PLAIN)
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel({"late": "downstream answers after"}.get(line, line))
        axes.yaxis.grid(visible=True, linewidth=0.5)
    all_axes[0].set_ylabel("CPU time per request, microseconds (logarithmic)")
    there = [name for name in NAMED if name in reading.subjects(evidence.cost)]
    handles = [Line2D([], [], color=NAMED[name], linewidth=1.8) for name in there]
    handles.append(Line2D([], [], color=colours["rest"], linewidth=0.8))
    figure.legend(
        handles,
        [*there, "other libraries"],
        loc="lower center",
        bbox_to_anchor=(0.5, 0.93),
        ncols=4,
        frameon=False,
    )
    figure.tight_layout(rect=(0, 0, 1, 0.93))
    return figure
