"""Commands whose columns are arrays that the core takes as they are, beside the same commands read one by one."""

from types import MappingProxyType

import numpy as np
import pytest

import fastclear as fc
from fastclear.book import order_book

NULL = -(2**63)
ROWS = 60
FIRST = {"market": [0], "order": [0], "participant": [0], "side": [1], "price": [1], "quantity": [1]}
"""Says that all ids are integers."""


def drawn(seed, wild=False):
    """Commands in plain arrays, a few of whose cells are of any kind."""
    random = np.random.default_rng(seed)

    def column(low, high, dtype, odd=()):
        cells = random.integers(low, high, ROWS).astype(dtype)
        if wild and len(odd):
            rows = random.integers(0, ROWS, 3)
            cells[rows] = np.array(odd, dtype)[random.integers(0, len(odd), 3)]
        return cells

    extremes = (NULL, NULL + 1, NULL + 2, -(2**62), -1, 0, 2**31, 2**62, 2**63 - 1)
    columns = {
        "op": column(0, 4, np.uint8, (4, 5, 6, 7, 8, 255)),
        "market": column(0, 2, np.int64, extremes),
        "order": column(0, 40, np.int64, extremes) + 100 * seed,
        "participant": column(0, 3, np.int64, extremes),
        "side": column(0, 2, np.uint8, (2, 255)),
        "tif": column(0, 2, np.uint8, (3, 4, 255)),
        "price": column(40, 50, np.int64, extremes),
        "quantity": column(1, 9, np.int64, extremes),
        "flags": column(0, 1, np.uint8, (1, 2, 4, 99)),
        "expires": np.where(column(0, 9, np.int64) == 0, 10**6, NULL) if wild else np.full(ROWS, NULL),
        "time": column(0, 9, np.int64, (NULL, 10)) + 20 * seed,
    }
    kept = [name for name in columns if name in ("op", "side", "price", "quantity") or random.integers(3)]
    return {name: columns[name] for name in kept}


def told(events):
    """All that a call says."""
    frames = [events.frame, events.trades, events.tape]
    return [(str(frame.schema), frame.rows()) for frame in frames], events.reject.tolist(), events.first_seq


def books(rules="cancel_resting", **more):
    both = [fc.OrderBook(self_trade=rules, **more) for _ in range(2)]
    for book in both:
        book.submit(FIRST)
    return both


def both_ways(one, other, columns, call="apply"):
    """The same commands straight and read one by one, which a mapping that is no dict always is."""
    straight, careful = getattr(one, call)(columns), getattr(other, call)(MappingProxyType(columns))
    assert told(straight) == told(careful)
    assert one.save() == other.save()


@pytest.fixture
def straight(monkeypatch):
    """Commands in a dict may not be read one by one."""
    reads = order_book.encode

    def encode(given, *rest):
        assert type(given) is not dict or given is FIRST, "not straight"
        return reads(given, *rest)

    monkeypatch.setattr(order_book, "encode", encode)


@pytest.mark.parametrize("rules", ["off", "cancel_resting", "decrement"])
def test_plain_arrays_go_straight(rules, straight):
    one, other = books(rules)
    traded = 0
    for seed in range(1, 60):
        both_ways(one, other, drawn(seed))
        traded = max(traded, one.next_seq)
    assert traded > 1000


def test_new_orders_go_straight(straight):
    one, other = books(settles=True)
    for seed in range(1, 20):
        columns = drawn(seed)
        del columns["op"]
        both_ways(one, other, columns, "submit")
        both_ways(one, other, columns | {"price": columns["price"].astype(np.int32)}, "submit")
    assert len(one) > 20


def test_any_cell_is_read_alike():
    one, other = books()
    for seed in range(1, 200):
        both_ways(one, other, drawn(seed, wild=True))


@pytest.mark.parametrize("name", ["price", "quantity"])
@pytest.mark.parametrize("cell", [NULL, NULL + 1, NULL + 2, -(2**62) - 1])
def test_the_least_integers_are_numbers_out_of_range(name, cell):
    one, other = books()
    columns = {name: np.array([5, 5], np.int64) for name in ("order", "price", "quantity")}
    columns |= {"op": np.array([0, 3], np.uint8), "side": np.ones(2, np.uint8)}
    columns[name][1] = cell
    both_ways(one, other, columns)
    reasons = [code for code in one.apply(columns).reject.tolist() if code]
    assert fc.RejectReason(reasons[-1]).name == f"{name.upper()}_OUT_OF_RANGE"


def unaligned(column):
    array = np.zeros(1 + column.nbytes, np.uint8)[1:].view(column.dtype)
    array[:] = column
    return array


ANYHOW = {
    "list": list,
    "strided": lambda column: np.repeat(column, 2)[::2],
    "swapped": lambda column: column.astype(column.dtype.newbyteorder(">")),
    "unaligned": unaligned,
    "read-only": lambda column: np.frombuffer(column.tobytes(), column.dtype),
    "masked": np.ma.array,
    "subclass": lambda column: column.view(type("Mine", (np.ndarray,), {})),
    "int8": lambda column: column.astype(np.int8),
    "int16": lambda column: column.astype(np.int16),
    "bool": lambda column: column == 1,
}


@pytest.mark.parametrize("kind", ANYHOW)
@pytest.mark.parametrize("name", ["op", "market", "order", "participant", "side", "tif", "price", "quantity", "time"])
def test_a_column_of_any_kind_is_read_alike(name, kind):
    if kind == "bool" and name != "side":
        return  # no truth value is a number
    plain = {key: column % 100 for key, column in drawn(1).items() if key not in ("flags", "expires")}
    plain |= {key: np.arange(ROWS) for key in ("market", "order", "participant", "tif", "time") if key not in plain}
    plain["tif"] = np.zeros(ROWS, np.uint8)
    for rows in (ROWS, 0):
        one, other = books()
        both_ways(one, other, {key: column[:rows] for key, column in plain.items()})
        given = {key: column[:rows] for key, column in (plain | {name: ANYHOW[kind](plain[name])}).items()}
        both_ways(one, other, given)


def test_what_is_not_plain_is_said_as_ever():
    book, _ = books()
    columns = drawn(3)
    state = book.save()
    for wrong, message in (
        ({"price": columns["price"][:5]}, "has 5 rows"),
        ({"price": columns["price"] + 0.5}, "is float64"),
        ({"order": np.array(["a"] * ROWS)}, "ids were integers before"),
        ({"quantity": columns["quantity"].reshape(2, -1)}, "2 dimensions"),
        ({"order": columns["price"], "order_id": columns["price"]}, "given twice"),
    ):
        with pytest.raises(fc.SchemaError, match=message):
            book.apply(columns | wrong)
    with pytest.raises(fc.SchemaError, match="keep='nothing'"):
        book.apply(columns, keep="nothing")
    with pytest.raises(fc.SchemaError, match="'op' is one of commands"):
        book.submit(columns)
    with pytest.raises(fc.SchemaError, match="'price' of orders is missing"):
        book.submit({name: columns[name] for name in ("side", "quantity")})
    with pytest.warns(UserWarning, match="column 'hue' is no column"):
        book.apply(MappingProxyType({"op": columns["op"][:0], "hue": columns["op"][:0]}))
    assert book.save() == state


def test_a_book_of_text_ids_or_units_reads_its_columns():
    columns = {"side": np.ones(2, np.uint8), "price": np.array([1.5, 2.5]), "quantity": np.array([1.0, 2.0])}
    for whole in (False, True):
        book = fc.OrderBook(units=fc.Units(price="ct/kWh", quantity="kWh"))
        book.submit(FIRST)
        book.submit({name: column.astype(int) if whole else column for name, column in columns.items()})
        assert book.snapshot()["price"].to_list() == ([20_000, 10_000, 10_000] if whole else [25_000, 15_000, 10_000])
    book = fc.OrderBook()
    book.submit(FIRST | {"order": ["a"]})
    with pytest.raises(fc.SchemaError, match="'order' is missing, and this book's ids are text"):
        book.submit({name: np.ones(1, np.int64) for name in ("side", "price", "quantity")})


def test_times_may_change_after_the_call():
    one, _ = books()
    time = np.array([5, 7])
    columns = {"side": np.array([1, 0], np.uint8), "price": np.array([9, 9]), "quantity": np.array([2, 2])}
    events = one.submit(columns | {"time": time})
    time[:] = 0
    assert events.tape["time"].to_list() == [7]
