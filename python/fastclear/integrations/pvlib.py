"""PV profiles from a place and a roof, through pvlib: whole Wh a slot, for all members at once.

Needs the extra ``fastclear[pv]``. The chain is that of NREL's PVWatts (Dobos 2014, TP-6A20-62641) with the cell
temperature of Faiman 2008: irradiance on the roof, DC power, losses, inverter. The sky is clear (Ineichen & Perez
2002, turbidity from pvlib's table) unless weather is given. This is what roofs could produce, not what was metered.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastclear.community.member_columns import NS_PER_HOUR, member_column
from fastclear.errors import MissingLibraryError, PresetError

_WEATHER: Final = ("ghi", "dni", "dhi", "temp_air")
_INVERTER_EFFICIENCY: Final = 0.96


def pv_profiles(
    slots: ArrayLike,
    *,
    latitude: float,
    longitude: float,
    altitude_m: float = 0.0,
    pv_wp: ArrayLike,
    tilt_degrees: ArrayLike,
    azimuth_degrees: ArrayLike,
    slot_ns: int = NS_PER_HOUR // 4,
    weather: Mapping[str, ArrayLike] | None = None,
    losses_percent: float = 14.0,
    temperature_coefficient: float = -0.004,
    dc_ac_ratio: float = 1.1,
) -> NDArray[np.int64]:
    """Energy of each roof in each slot.

    Power is taken at the middle of a slot. Energy is rounded down in sum, not slot by slot: after any slot the whole
    Wh so far are those of the exact sum, so that nothing is lost over a day.

    Parameters
    ----------
    slots : array_like of int, shape (slots,)
        Starts, nanoseconds since 1970 UTC: ``community.slots``.
    latitude, longitude : float
        Degrees, north and east positive; one place for all.
    altitude_m : float, default 0
    pv_wp : array_like of int, shape (members,)
        Peak power, W; 0 where there is no PV.
    tilt_degrees, azimuth_degrees : array_like of float, shape (members,)
        Of each roof; azimuth clockwise from north, 180 is south.
    slot_ns : int, default 15 minutes
    weather : mapping of str to array_like of float, shape (slots,), optional
        ``ghi``, ``dni``, ``dhi`` (W/m2) and ``temp_air`` (degrees Celsius) at the middle of each slot; by default a
        clear sky at 15 degrees.
    losses_percent : float, default 14
        Soiling, shading, wiring and so on, as PVWatts counts them.
    temperature_coefficient : float, default -0.004
        Of power, for each degree.
    dc_ac_ratio : float, default 1.1
        Peak power of the modules over that of the inverter.

    Returns
    -------
    ndarray of int64, shape (slots, members)
        Wh, what a `pv_wh` of a community is.

    Raises
    ------
    MissingLibraryError
        If pvlib is not installed.
    PresetError
        If a column has another length or a value is out of range.
    """
    start = member_column("slots", slots, low=-(2**63), top=2**63 - 1)
    peak = member_column("pv_wp", pv_wp)
    tilt, azimuth = (
        _angles("tilt_degrees", tilt_degrees, len(peak), 180),
        _angles("azimuth_degrees", azimuth_degrees, len(peak), 360),
    )
    if not -90 <= latitude <= 90 or not -180 <= longitude <= 180:
        raise PresetError(f"latitude is from -90 to 90 and longitude from -180 to 180, got {latitude} and {longitude}")
    if slot_ns <= 0 or not 0 <= losses_percent <= 100 or dc_ac_ratio <= 0:
        raise PresetError("slot_ns and dc_ac_ratio are above 0, losses_percent is from 0 to 100")
    given = None if weather is None else _weather(weather, len(start))
    try:
        with warnings.catch_warnings():
            # pvlib may use calls that the pandas at hand deprecates but still has: nothing for our caller to mend
            warnings.simplefilter("ignore", DeprecationWarning)
            pd, pvlib = import_module("pandas"), import_module("pvlib")
    except ImportError as error:
        raise MissingLibraryError("PV from a place needs pvlib: pip install 'fastclear[pv]'") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        middle = pd.DatetimeIndex(start + slot_ns // 2, tz="UTC")
        place = pvlib.location.Location(latitude, longitude, tz="UTC", altitude=altitude_m)
        sun = place.get_solarposition(middle)
        sky: Mapping[str, Any] = place.get_clearsky(middle) if given is None else given
        air = 15.0 if given is None else given["temp_air"]
        energy = np.zeros((len(start), len(peak)), np.int64)
        # neighbours share few roofs: each orientation once, for one watt of peak power
        roofs, which = np.unique(np.stack([tilt, azimuth], axis=1), axis=0, return_inverse=True)
        for number, (roof_tilt, roof_azimuth) in enumerate(roofs.tolist()):
            on_roof = pvlib.irradiance.get_total_irradiance(
                roof_tilt,
                roof_azimuth,
                sun["apparent_zenith"],
                sun["azimuth"],
                np.asarray(sky["dni"]),
                np.asarray(sky["ghi"]),
                np.asarray(sky["dhi"]),
            )["poa_global"].fillna(0.0)
            cell = pvlib.temperature.faiman(on_roof, air, 1.0)
            dc = pvlib.pvsystem.pvwatts_dc(on_roof, cell, 1.0, temperature_coefficient) * (1 - losses_percent / 100)
            ac = pvlib.inverter.pvwatts(dc, 1.0 / dc_ac_ratio / _INVERTER_EFFICIENCY, _INVERTER_EFFICIENCY)
            per_peak = np.clip(np.asarray(ac, np.float64), 0.0, None) * (slot_ns / NS_PER_HOUR)
            who = np.flatnonzero(which.ravel() == number)
            so_far = np.floor(np.cumsum(per_peak)[:, None] * peak[who])
            energy[:, who] = np.diff(so_far, axis=0, prepend=0).astype(np.int64)
    return energy


def _angles(name: str, values: ArrayLike, members: int, top: float) -> NDArray[np.float64]:
    angles = np.asarray(values, np.float64)
    if angles.shape != (members,) or not ((angles >= 0) & (angles <= top)).all():
        raise PresetError(f"{name} must be one angle from 0 to {top} a member ({members}), got shape {angles.shape}")
    return angles


def _weather(weather: Mapping[str, ArrayLike], slots: int) -> dict[str, NDArray[np.float64]]:
    columns = {}
    for name in _WEATHER:
        if name not in weather:
            raise PresetError(f"weather lacks {name!r}; it needs {', '.join(_WEATHER)}")
        columns[name] = np.asarray(weather[name], np.float64)
        if columns[name].shape != (slots,) or not np.isfinite(columns[name]).all():
            raise PresetError(f"weather {name!r} must be one finite number a slot ({slots}), got {columns[name].shape}")
    return columns
