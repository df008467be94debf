"""Takes the numbers out of a query that stand for identifiers, and puts identifiers there."""

from __future__ import annotations

from sqlglot import exp

from stedi.privacy.proof.owners import named_windows


def unnumbered(query: exp.Query) -> exp.Query:
    """A query with identifiers in place of the numbers that stand for them.

    Numbers of identifiers alone are those whose window is nothing but an order.
    """
    tree = query.copy()
    for window in [*tree.find_all(exp.Window)]:
        select = window.find_ancestor(exp.Select)
        if select is None or not isinstance(window.this, exp.DenseRank | exp.RowNumber):
            continue
        windows = [window, *named_windows(window, select)]
        orders = [w.args["order"] for w in windows if w.args.get("order") is not None]
        if orders and not any(w.args.get("partition_by") for w in windows):
            window.replace(orders[0].expressions[0].this.copy())
    return tree
