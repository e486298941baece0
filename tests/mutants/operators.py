"""The mutation operators: small faults that somebody could make in a contract.

Each takes a source and a node and yields edits. Whether an edit compiles, or means anything, is found out
later.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mutants.source import Source


@dataclass(frozen=True)
class Edit:
    """Text to be put in place of [start, end); `change` says it in a few words."""

    operator: str
    change: str
    start: int
    end: int
    text: str


Found = Iterator[Edit]
Operator = Callable[[Source, ast.AST], Found]

COMPARE = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.In: ("in", "not in"),
}
ARITHMETIC = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "//"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "//"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.BitXor: ("^", "|"),
}
CALLS = {
    "min": "max",
    "unsafe_add": "unsafe_sub",
    "unsafe_mul": "unsafe_div",
}
CALLS |= {new: old for old, new in CALLS.items()}
#: parts of names that come in pairs: the other side, the other margin, the other party
TWINS = (
    ("bid", "ask"),
    ("long", "short"),
    ("maker", "taker"),
    ("initial", "maintenance"),
    ("above", "below"),
    ("head", "tail"),
    ("low", "high"),
    ("before", "after"),
    ("previous", "following"),
    ("PREVIOUS", "NEXT"),
)


def compare(source: Source, node: ast.AST) -> Found:
    """The boundary of a comparison, or its opposite for equality."""
    if isinstance(node, ast.Compare):
        left = node.left
        for op, right in zip(node.ops, node.comparators):
            pair = COMPARE.get(type(op))
            if pair:
                old, new = pair
                yield Edit("compare", f"{old} to {new}", *source.between(left, right, old), new)
            left = right


def arithmetic(source: Source, node: ast.AST) -> Found:
    """Another operator in an expression or an assignment, and another unsafe function."""
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        old, new = ARITHMETIC[type(node.op)]
        start, end = source.span(node)
        at, after = source.between(node.left, node.right, old)
        # the other operator may bind less
        text = f"({source.text[start:at]}{new}{source.text[after:end]})"
        yield Edit("arithmetic", f"{old} to {new}", start, end, text)
    elif isinstance(node, ast.AugAssign) and type(node.op) in ARITHMETIC:
        old, new = ARITHMETIC[type(node.op)]
        place = source.between(node.target, node.value, old + "=")
        yield Edit("arithmetic", f"{old}= to {new}=", *place, new + "=")
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
        old, new = node.func.id, CALLS[node.func.id]
        operator = "minmax" if old in ("min", "max") else "arithmetic"
        yield Edit(operator, f"{old} to {new}", *source.span(node.func), new)


def rounding(source: Source, node: ast.AST) -> Found:
    """Floor for ceiling and ceiling for floor."""
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else source.of(node.func)
        for old, new in (("floor", "ceil"), ("ceil", "floor")):
            if old in name:
                end = source.span(node.func)[1]
                yield Edit("rounding", f"{old} to {new}", end - len(name), end, name.replace(old, new))


def constant(source: Source, node: ast.AST) -> Found:
    """A number one off, a truth value turned round."""
    if not isinstance(node, ast.Constant):
        return
    start, end = source.span(node)
    if isinstance(node.value, bool):
        yield Edit("constant", f"{node.value} to {not node.value}", start, end, str(not node.value))
    elif isinstance(node.value, int) and not source.text.startswith("0x", start):
        for new in (node.value + 1, node.value - 1):
            if new >= 0:
                yield Edit("constant", f"{node.value} to {new}", start, end, str(new))


def condition(source: Source, node: ast.AST) -> Found:
    """A condition negated, always true, always false."""
    if isinstance(node, ast.If | ast.IfExp):
        start, end = source.span(node.test)
        inner = source.text[start:end]
        simple = isinstance(node.test, ast.Compare) and isinstance(node.test.ops[0], ast.Eq | ast.NotEq)
        if not simple and not isinstance(node.test, ast.UnaryOp):
            yield Edit("condition", "negate condition", start, end, f"not ({inner})")
        for value in ("True", "False"):
            yield Edit("condition", f"condition to {value}", start, end, value)


def boolean(source: Source, node: ast.AST) -> Found:
    """`or` for `and`, an operand left out, a `not` or a minus left out."""
    if isinstance(node, ast.BoolOp):
        start, end = source.span(node)
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:]):
            at, after = source.between(left, right, old)
            text = f"({source.text[start:at]}{new}{source.text[after:end]})"
            yield Edit("boolean", f"{old} to {new}: {_short(source, right)}", start, end, text)
        for left_out in node.values:
            kept = [f"({source.of(value)})" for value in node.values if value is not left_out]
            yield Edit(
                "boolean", f"leave out: {_short(source, left_out)}", start, end, f"({f' {old} '.join(kept)})"
            )
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
        # a log is read as `not Event(...)`
        start = source.span(node)[0]
        sign = {ast.Not: "not", ast.USub: "-", ast.Invert: "~"}[type(node.op)]
        if source.text.startswith(sign, start):
            yield Edit("boolean", f"leave out {sign}", start, start + len(sign), "")


def branch(source: Source, node: ast.AST) -> Found:
    """The values of a ternary or of a returned pair the other way round."""
    if isinstance(node, ast.IfExp):
        test, yes, no = (source.of(part) for part in (node.test, node.body, node.orelse))
        yield Edit("branch", "swap branches", *source.span(node), f"({no}) if {test} else ({yes})")
    elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
        for left, right in zip(node.value.elts, node.value.elts[1:]):
            start, end = source.span(left)[0], source.span(right)[1]
            first, second = source.of(left), source.of(right)
            gap = source.text[source.span(left)[1] : source.span(right)[0]]
            if first != second:
                yield Edit("branch", f"swap returned {_words(first)}", start, end, f"{second}{gap}{first}")


def drop(source: Source, node: ast.AST) -> Found:
    """A statement left out."""
    kind = ""
    match node:
        case ast.Assert():
            kind = "assert"
        case ast.Assign() | ast.AugAssign():
            kind = "assignment"
        case ast.Expr(value=ast.UnaryOp(op=ast.Not())):
            kind = "log"
        case ast.Expr(value=ast.Call() | ast.Await()):
            kind = "call"
        case ast.Return() | ast.Break() | ast.Continue() | ast.Raise():
            kind = type(node).__name__.lower()
    if kind:
        yield Edit("drop", f"drop {kind}", *source.span(node), "pass")
    if kind in ("break", "continue"):
        new = {"break": "continue", "continue": "break"}[kind]
        yield Edit("drop", f"{kind} to {new}", *source.span(node), new)


def side(source: Source, node: ast.AST) -> Found:
    """The other side: of an array that has one entry a side, and of whatever comes in pairs by name."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name) and node.slice.id == "side":
        yield Edit("side", "side to 1 - side", *source.span(node.slice), "1 - side")
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    end = source.span(node)[1] if name else 0
    for pair in TWINS:
        for old, new in (pair, pair[::-1]):
            other = re.sub(rf"(?<![A-Za-z]){old}(?![A-Za-z])", new, name)
            # an identifier that is nowhere else would not compile
            if name and other != name and re.search(rf"\b{other}\b", source.text):
                yield Edit("side", f"{name} to {other}", end - len(name), end, other)


def flag(source: Source, node: ast.AST) -> Found:
    """A truth value that is handed on, turned round."""
    if isinstance(node, ast.Call):
        for value in [*node.args, *(keyword.value for keyword in node.keywords)]:
            name = source.of(value)
            if isinstance(value, ast.Name) and re.search(rf"\b{name}: bool\b", source.text):
                yield Edit("flag", f"{name} to not {name}", *source.span(value), f"not {name}")


OPERATORS: tuple[Operator, ...] = (
    compare,
    arithmetic,
    rounding,
    constant,
    condition,
    boolean,
    branch,
    drop,
    side,
    flag,
)


def edits(source: Source, scope: ast.AST) -> Found:
    """All edits inside a function or a constant's value; each text once."""
    seen: set[tuple[int, int, str]] = set()
    unread = set(map(id, _unread(scope)))
    for node in _mutable(scope):
        if id(node) in unread:
            continue
        for operator in OPERATORS:
            for edit in operator(source, node):
                if (key := (edit.start, edit.end, edit.text)) not in seen:
                    seen.add(key)
                    yield edit


def _mutable(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all below it but types, documentation, decorators, messages and bounds."""
    yield node
    match node:
        case ast.FunctionDef():
            below: list[ast.AST] = [*node.args.defaults, *node.body]
        case ast.AnnAssign():
            below = [node.value] if node.value else []
        case ast.Assert():
            below = [node.test]
        case ast.Raise() | ast.ClassDef():
            below = []
        case ast.Expr(value=ast.Constant()):
            return
        case ast.BinOp(op=ast.Pow()):
            # the base says the unit
            below = [node.right]
        case ast.Call(func=ast.Name(id="empty" | "max_value" | "min_value")):
            return
        case ast.Call(func=ast.Name(id="convert" | "abi_decode")):
            below = [node.args[0]]
        case ast.keyword(arg="bound" | "default_return_value"):
            return
        case _:
            below = list(ast.iter_child_nodes(node))
    for child in below:
        yield from _mutable(child)


def _unread(scope: ast.AST) -> Iterator[ast.expr]:
    """Initial values that nothing reads: `x: uint256 = 0` before `x, y = ...`."""
    for node in ast.walk(scope):
        body = getattr(node, "body", None)
        for at, statement in enumerate(body if isinstance(body, list) else []):
            if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.value, ast.Constant):
                continue
            name = statement.target.id if isinstance(statement.target, ast.Name) else ""
            for later in body[at + 1 :]:
                mentions = [n for n in ast.walk(later) if isinstance(n, ast.Name) and n.id == name]
                if mentions:
                    # Python's own word for "only assigned to": the target's context
                    if isinstance(later, ast.Assign) and all(isinstance(n.ctx, ast.Store) for n in mentions):
                        yield statement.value
                    break


def _words(text: str) -> str:
    return " ".join(text.split())


def _short(source: Source, node: ast.AST) -> str:
    words = _words(source.of(node))
    return words if len(words) <= 60 else words[:57] + "..."
