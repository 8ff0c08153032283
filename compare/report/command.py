"""`compare --report`: writes compare.md and its charts from the stored results, or checks that they are
current.

Must not know what they say.
"""

from __future__ import annotations

import filecmp
import re
import sys
import tempfile
from pathlib import Path

import click

from .. import paths
from .evidence import Evidence, load

DOCUMENT = "compare.md"
CHARTS = Path("docs", "img", "compare")
ALT = {
    "cpu": "CPU time per request of every subject",
    "lines": "CPU time per request by requests in flight, size of the body and lateness of the downstream",
    "latency": "The 99th percentile of latency at a fixed arrival rate",
    "lag": "The 99th percentile that a neighbour endpoint waits",
}
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def write(out: Path | None, *, check: bool) -> None:
    """Below `out`, by default the checkout or the present folder. Raises ClickException."""
    try:
        from .charts import draw
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"the charts need {error.name}: pip install 'downstream-proxy[compare]'"
        ) from None
    try:
        evidence = load()
    except FileNotFoundError as error:
        raise click.ClickException(f"there is no {error.filename}; run `compare` first") from None
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    target = out or paths.checkout() or Path.cwd()
    if not check:
        (target / DOCUMENT).write_text(document(evidence))
        drawn = draw(evidence, target / CHARTS)
        click.echo(f"wrote {target / DOCUMENT} and {len(drawn)} charts in {target / CHARTS}", err=True)
        return
    with tempfile.TemporaryDirectory() as name:
        fresh = Path(name)
        (fresh / DOCUMENT).write_text(document(evidence))
        charts = [path.relative_to(fresh) for path in draw(evidence, fresh / CHARTS)]
        stale = [str(path) for path in (Path(DOCUMENT), *charts) if not _same(fresh / path, target / path)]
        # A chart that nobody draws any more must not stay either.
        there = {path.relative_to(target) for path in (target / CHARTS).glob("*.svg")}
        stale += sorted(str(path) for path in there - set(charts))
    if stale:
        click.echo(f"not current: {', '.join(stale)}; run `python3 run.py compare --report`", err=True)
        sys.exit(1)
    click.echo(f"{DOCUMENT} and its charts are current", err=True)


def _same(fresh: Path, kept: Path) -> bool:
    return kept.is_file() and filecmp.cmp(fresh, kept, shallow=False)


def document(evidence: Evidence) -> str:
    """The template with its places filled. A place that no section fills is an error of ours."""
    from .charts import names
    from .sections import SECTIONS

    charts = names(evidence)

    def fill(place: re.Match[str]) -> str:
        name = place[1]
        if name.startswith("chart_"):
            chart = name.removeprefix("chart_")
            return _picture(chart) if chart in charts else "Not measured yet."
        return SECTIONS[name](evidence) if name == "extent" else SECTIONS[name](evidence).rstrip()

    template = Path(__file__).with_name("template.md").read_text()
    return _PLACE.sub(fill, template)


def _picture(chart: str) -> str:
    """Both themes; GitHub shows the one of the page."""
    light, dark = (f"{CHARTS.as_posix()}/{chart}-{theme}.svg" for theme in ("light", "dark"))
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img alt="{ALT[chart]}" src="{light}"></picture>'
    )
