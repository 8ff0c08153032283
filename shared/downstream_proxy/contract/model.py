"""What a rule of the contract is, as data.

It must not know the rules themselves, the engine or a test: chapters are lists of `Rule`, and the suite, the
printed contract and a scorecard are made from them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Level(StrEnum):
    """How binding a rule is (RFC 2119)."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


MUST, SHOULD, MAY = Level.MUST, Level.SHOULD, Level.MAY


class Basis(StrEnum):
    """On what ground a rule binds a server that is not ours.

    The contract is often stricter than the standards, and sometimes goes its own way where they are silent.
    Whoever breaks such a rule breaks our decision and no standard, so a scorecard counts it apart.
    """

    RFC_MUST = "RFC MUST"
    RFC_SHOULD = "RFC SHOULD"
    OWN = "own decision"


RFC_MUST, RFC_SHOULD, OWN = Basis.RFC_MUST, Basis.RFC_SHOULD, Basis.OWN


@dataclass(frozen=True, slots=True)
class Example:
    """One request as bytes, and what has to follow from it. The suite sends each to default settings.

    refused: status codes of which one answers, then the connection is closed and the downstream saw nothing.
    broken: the same for a request that turns out bad in its body: the downstream may have seen its
    beginning, and never a complete request.
    seen: lines (request line or field line, without CRLF) that the downstream's copy holds.
    unseen: texts that occur nowhere in the head of the downstream's copy, whatever their case.
    body: the decoded body that the downstream gets; None when the example does not say.
    basis: when it is another than the rule's.
    or_cleaned: the standard also lets a server forward it with the bad bytes replaced or left out; ours
    refuses.
    """

    name: str
    sent: bytes
    refused: tuple[int, ...] = ()
    broken: tuple[int, ...] = ()
    seen: tuple[bytes, ...] = ()
    unseen: tuple[bytes, ...] = ()
    body: bytes | None = None
    basis: Basis | None = None
    or_cleaned: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing both backends hold.

    id: "<chapter>.<name>", stable. sentence: one normative sentence. reference: where it comes from.
    decision: what was chosen where the standards leave a choice, or left out on purpose, and why.
    tested: False only for a rule that its decision leaves to be shown elsewhere than in the shared suite.
    capability: what a server has to offer for the rule to apply; a server without it skips the rule.
    basis: what the referenced text itself demands. None derives it: a MUST or SHOULD that cites an RFC is
    taken to be that RFC's, a MAY and what cites none is our own. Say it where that would claim too much.
    """

    id: str
    level: Level
    sentence: str
    reference: str
    examples: tuple[Example, ...] = ()
    decision: str = ""
    tested: bool = True
    capability: str = ""
    basis: Basis | None = None

    @property
    def chapter(self) -> str:
        return self.id.partition(".")[0]

    @property
    def ground(self) -> Basis:
        """`basis`, or what follows from reference and level without it."""
        if self.basis is not None:
            return self.basis
        if not self.reference.startswith("RFC ") or self.level is Level.MAY:
            return Basis.OWN
        return Basis.RFC_MUST if self.level is Level.MUST else Basis.RFC_SHOULD

    def __post_init__(self) -> None:
        if not self.tested and not self.decision:
            raise ValueError(f"{self.id}: a rule without a test needs a decision that says why")


@dataclass(frozen=True, slots=True)
class Chapter:
    """Rules about one part of a request's life."""

    name: str
    title: str
    about: str
    rules: tuple[Rule, ...]

    def __post_init__(self) -> None:
        for rule in self.rules:
            if rule.chapter != self.name:
                raise ValueError(f"{rule.id} is not a rule of {self.name}")


# -- short forms for the examples


def on(basis: Basis, example: Example) -> Example:
    """The example with a basis of its own."""
    return replace(example, basis=basis)


def or_cleaned(example: Example) -> Example:
    """The example for which the standard leaves servers the choice to clean it."""
    return replace(example, or_cleaned=True)


def request(
    *fields: bytes, line: bytes = b"GET / HTTP/1.1", body: bytes = b"", host: bytes = b"Host: proxy"
) -> bytes:
    """A request line, a Host line unless `host` is empty, these field lines, an empty line, a body."""
    lines = (line, host, *fields) if host else (line, *fields)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def post(*fields: bytes, body: bytes = b"", target: bytes = b"/") -> bytes:
    """A POST whose framing is up to `fields` and `body`."""
    return request(*fields, line=b"POST " + target + b" HTTP/1.1", body=body)


def refused(name: str, sent: bytes, *status: int) -> Example:
    """An example that is answered with one of `status` (400 when none is given) and never forwarded."""
    return Example(name, sent, refused=status or (400,))


def broken(name: str, sent: bytes, *status: int) -> Example:
    """An example whose body is bad: answered with one of `status` (400), and never completed downstream."""
    return Example(name, sent, broken=status or (400,))
