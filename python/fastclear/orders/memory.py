"""Arrays that the core may read: their layout, their types, and whether anybody can still write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from fastclear.errors import SchemaError

if TYPE_CHECKING:
    from fastclear.orders import Orders

_IDS: Final = (np.int64,)
_DTYPES: Final[dict[str, tuple[type[np.generic], ...]]] = {
    "side": (np.uint8,),
    "price": (np.int64, np.int32),
    "quantity": (np.int64, np.int32),
    "market": _IDS,
    "order": _IDS,
    "participant": _IDS,
    "time": _IDS,
    "is_market_order": (np.uint8,),
    "min_quantity": _IDS,
    "start_price": _IDS,
    "refused": (np.uint16,),
}


def plain(array: NDArray[Any]) -> NDArray[Any]:
    """The array itself where its memory is contiguous, aligned and of this machine's byte order, else a copy."""
    if array.dtype.isnative and array.flags.aligned:
        return np.ascontiguousarray(array)
    return array.astype(array.dtype.newbyteorder("="))  # a copy, and as every copy aligned


def frozen(*arrays: NDArray[Any] | None) -> bool:
    """Whether no Python code can write to any of these arrays; None is no array."""
    return not any(map(_somebody_writes, arrays))


def _somebody_writes(array: NDArray[Any] | None) -> bool:
    """Whether Python code holds this memory writable: it may, although this view of it is read-only."""
    while isinstance(array, np.ndarray):
        if array.flags.writeable:
            return True
        array = array.base
    return False


def check_given(orders: Orders) -> None:
    """Refuse hand-made :class:`Orders` that the core could not read."""
    n = len(orders.side) if isinstance(orders.side, np.ndarray) else 0
    for name, dtypes in _DTYPES.items():
        array = getattr(orders, name)
        if array is None and name not in ("side", "price", "quantity"):
            continue
        if not (
            isinstance(array, np.ndarray) and array.dtype in dtypes and array.shape == (n,) and array.dtype.isnative
        ):
            raise SchemaError(f"Orders.{name} is no {dtypes[0].__name__} array of shape ({n},)", column=name)
        if not (array.flags.c_contiguous and array.flags.aligned):
            raise SchemaError(f"Orders.{name} is not contiguous or not aligned; give a plain array", column=name)
