"""The mirror of an order book against a plain dictionary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perpsim.simulation.order_mirror import WAD, OrderMirror


def test_top_and_depth() -> None:
    mirror = OrderMirror()
    assert mirror.top() == (0.0, 0.0)
    mirror.placed(1, 5, True, 99 * WAD, 2 * WAD)
    mirror.placed(2, 5, True, 98 * WAD, 3 * WAD)
    mirror.placed(3, 6, False, 101 * WAD, WAD)
    assert mirror.top() == (99.0, 101.0)
    assert mirror.look(0.015, 0.0) == (99.0, 101.0, 198.0, 101.0)
    assert mirror.look(0.02, 0.0) == (99.0, 101.0, 198.0 + 294.0, 101.0)
    mirror.filled(1, WAD)
    assert mirror.left(1) == WAD
    mirror.filled(1, WAD)
    mirror.removed(3)
    assert mirror.top() == (98.0, 0.0)
    # One-sided: the depth is measured from what the caller says.
    assert mirror.look(0.02, 100.0) == (98.0, 0.0, 294.0, 0.0)
    assert mirror.look(0.02, 101.0) == (98.0, 0.0, 0.0, 0.0)
    assert len(mirror) == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["place", "fill", "remove"]), st.integers(0, 30), st.booleans(), st.integers(1, 9)
        ),
        max_size=400,
    )
)
def test_like_a_dictionary(steps: list[tuple[str, int, bool, int]]) -> None:
    mirror, model, next_id = OrderMirror(), dict[int, list[int]](), 1
    for what, pick, is_buy, amount in steps:
        known = sorted(model)
        chosen = known[pick % len(known)] if known else 999
        if what == "place":
            mirror.placed(next_id, 1, is_buy, amount * WAD, amount * WAD)
            model[next_id] = [amount if is_buy else -amount, amount * WAD]
            next_id += 1
        elif what == "fill" and chosen in model:
            part = min(amount * WAD // 3, model[chosen][1])
            mirror.filled(chosen, part)
            model[chosen][1] -= part
            if model[chosen][1] == 0:
                del model[chosen]
        elif what == "remove":
            mirror.removed(chosen)
            model.pop(chosen, None)
    assert len(mirror) == len(model)
    assert all(mirror.left(order) == left for order, (_, left) in model.items())
    bids = [side for side, _ in model.values() if side > 0]
    asks = [-side for side, _ in model.values() if side < 0]
    assert mirror.top() == (float(max(bids, default=0)), float(min(asks, default=0)))


def test_grows_beyond_its_first_arrays() -> None:
    mirror = OrderMirror()
    for order in range(1, 1000):
        mirror.placed(order, 1, True, order * WAD, WAD)
    assert mirror.top() == (999.0, 0.0)
    assert len(mirror) == 999


def test_levels_add_up_the_live_orders_best_first() -> None:
    mirror = OrderMirror()
    for order, (price, size) in enumerate([(99, 2), (98, 1), (99, 3), (97, 5)], start=1):
        mirror.placed(order, 1, True, price * WAD, size * WAD)
    for order, (price, size) in enumerate([(102, 1), (101, 4), (102, 2)], start=10):
        mirror.placed(order, 1, False, price * WAD, size * WAD)
    mirror.filled(1, WAD)
    mirror.removed(11)
    assert mirror.levels(True, 2) == [(99.0, 4 * WAD), (98.0, WAD)]
    assert mirror.levels(False, 9) == [(102.0, 3 * WAD)]
