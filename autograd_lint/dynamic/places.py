"""Places of records to sites of events: the exact range of the expression there, and the words for what it does."""

from __future__ import annotations

import ast

from autograd_lint.dynamic.records import NodeFacts, Place
from autograd_lint.dynamic.syntax import Located, Sources, word_of, word_of_node
from autograd_lint.events import Site


class Places:
    """Looks places up in the user's source."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources

    def site(self, place: Place, calls: tuple[Place, ...] = ()) -> Site:
        """The range of the expression at a place; of the statement, where only the row is known."""
        node = self.sources.node_at(place)
        if node is None and not place.exact:
            node = self.sources.of(place.filename).statement_at_row(place.range.start.row)
        return self.site_of(node, place, calls)

    def site_of(self, node: Located | None, place: Place, calls: tuple[Place, ...] = ()) -> Site:
        """The range of a node of the syntax; that of the place where there is none."""
        token = place.range if node is None else self.sources.of(place.filename).range_of(node)
        return Site(place.filename, token, tuple(self.site(call) for call in calls))

    def node_expression(self, node: NodeFacts) -> Located | None:
        """The expression that made a node of the graph, if it can be told."""
        if node.place is None:
            return None
        if node.place.exact:
            return self.sources.node_at(node.place)
        syntax = self.sources.of(node.place.filename)
        found = syntax.candidates(node.place.range.start.row, node.name)
        return found[0] if len(found) == 1 else None

    def node_site(self, node: NodeFacts | None) -> Site | None:
        """Where a node of the graph was made."""
        if node is None or node.place is None:
            return None
        expression = self.node_expression(node)
        return self.site(node.place) if expression is None else self.site_of(expression, node.place)

    def node_word(self, node: NodeFacts | None) -> str:
        """The operation that made a node, as a reader writes it; empty without a node."""
        if node is None:
            return ""
        return word_of(self.node_expression(node)) or word_of_node(node.name)

    def parent(self, node: ast.AST | None, place: Place) -> ast.AST | None:
        """The node of the syntax around `node`."""
        return None if node is None else self.sources.of(place.filename).parents.get(node)
