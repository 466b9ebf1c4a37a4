"""Constraint queries (RFC 35): "ssd&-slow" -> {"properties": ["ssd"]} and its like (RFC 31).

    or    : and (("|" | "||" | "or") and)*
    and   : not (["&" | "&&" | "and"] not)*
    not   : "not" not | "(" or ")" | ["-"] term
    term  : [operator ":"] operand

As in Flux, the operator is `properties` unless one is given, a comma stands between properties,
properties that are joined by "and" are one list, and host, hosts and rank are short for hostlist
and ranks.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from protocol.errors import FormatError
from protocol.resource_set import PROPERTY_ILLEGAL

Constraint: TypeAlias = dict[str, Any]

NESTED_MAX: Final = 24
"""Parentheses and negations within each other."""

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<sign>&{1,2}|\|{1,2}|[()])|(?P<word>(?:[^()|&\s"']|"[^"]*"|'[^']*')+)|(?P<bad>\S))"""
)
_SIGNS: Final = {"&": "and", "&&": "and", "|": "or", "||": "or"}
_WORDS: Final = frozenset({"and", "or", "not"})
_OPERATORS: Final[Mapping[str, str]] = {
    "properties": "properties",
    "host": "hostlist",
    "hosts": "hostlist",
    "hostlist": "hostlist",
    "rank": "ranks",
    "ranks": "ranks",
}


def parse(query: str) -> Constraint:
    """The constraint that a query stands for.

    Raises:
        FormatError: it is none; the text shows where.
    """
    parser = _Parser(query)
    found = parser.alternatives(0)
    if parser.tokens:
        raise parser.unexpected()
    return found


class _Parser:
    """What is left of a query: (kind, text), where the kind of a sign is the sign itself."""

    def __init__(self, query: str) -> None:
        self._query = query
        self.tokens = [self._token(match) for match in _TOKEN.finditer(query)][::-1]

    def alternatives(self, depth: int) -> Constraint:
        if depth > NESTED_MAX:
            raise FormatError(f"{self._name()}: nested too deep")
        terms = [self._together(depth)]
        while self._take("or"):
            terms.append(self._together(depth))
        return {"or": terms} if len(terms) > 1 else terms[0]

    def unexpected(self) -> FormatError:
        if not self.tokens:
            return FormatError(f"{self._name()}: unexpected end")
        return FormatError(f"{self._name()}: unexpected {self.tokens[-1][1]!r}")

    def _together(self, depth: int) -> Constraint:
        terms: list[Constraint] = []
        while True:
            term = self._single(depth)
            before = next((t for t in terms if "properties" in t and "properties" in term), None)
            if before is None:
                terms.append(term)
            else:
                before["properties"] += term["properties"]
            if not self._take("and") and self._next() not in ("not", "(", "word"):
                return {"and": terms} if len(terms) > 1 else terms[0]

    def _single(self, depth: int) -> Constraint:
        if self._take("not"):
            if depth >= NESTED_MAX:
                raise FormatError(f"{self._name()}: nested too deep")
            return {"not": [self._single(depth + 1)]}
        if self._take("("):
            found = self.alternatives(depth + 1)
            if not self._take(")"):
                raise FormatError(f"{self._name()}: a parenthesis is not closed")
            return found
        if self._next() != "word":
            raise self.unexpected()
        _, word = self.tokens.pop()
        if word == "-":
            raise FormatError(f"{self._name()}: nothing follows '-'")
        if word.startswith("-"):
            return {"not": [self._term(word[1:])]}
        return self._term(word)

    def _term(self, word: str) -> Constraint:
        operator, colon, operand = word.partition(":")
        if not colon:
            operator, operand = "properties", word
        if operator not in _OPERATORS:
            known = ", ".join(_OPERATORS)
            raise FormatError(f"{self._name()}: unknown operator {operator!r}, expected {known}")
        text = operand.replace('"', "").replace("'", "")
        if not text:
            raise FormatError(f"{self._name()}: nothing follows {word!r}")
        name = _OPERATORS[operator]
        if name == "properties" and (illegal := (PROPERTY_ILLEGAL - {"^"}) & set(text)):
            raise FormatError(f"{self._name()}: no property has {min(illegal)!r} in its name")
        return {name: text.split(",") if name == "properties" else [text]}

    def _token(self, match: re.Match[str]) -> tuple[str, str]:
        if bad := match["bad"]:
            raise FormatError(f"{self._name()}: {bad} is not closed")
        if sign := match["sign"]:
            return _SIGNS.get(sign, sign), sign
        word = match["word"]
        return (word, word) if word in _WORDS else ("word", word)

    def _next(self) -> str:
        return self.tokens[-1][0] if self.tokens else ""

    def _take(self, kind: str) -> bool:
        if self._next() != kind:
            return False
        self.tokens.pop()
        return True

    def _name(self) -> str:
        return f"constraint {self._query[:80]!r}"
