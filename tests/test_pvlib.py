"""PV from a place: the errors everywhere, the profiles against pvlib's own model chain where it is installed (group
`data`)."""

from __future__ import annotations

import importlib.util
import sys
import warnings

import numpy as np
import pytest

from fastclear.errors import MissingLibraryError, PresetError
from fastclear.integrations.pvlib import pv_profiles

INSTALLED = importlib.util.find_spec("pvlib") is not None
real = pytest.mark.skipif(not INSTALLED, reason="the extra `pv` is not installed in this environment")
QUARTER = 15 * 60 * 10**9
SUMMER = np.datetime64("2024-06-20T00:00", "ns").astype(np.int64) + QUARTER * np.arange(2 * 96)
ROOF = {"latitude": 52.4, "longitude": 4.9, "pv_wp": [4000], "tilt_degrees": [35.0], "azimuth_degrees": [180.0]}


@real
def test_profiles_agree_with_the_model_chain_of_pvlib():
    """The same modules and inverter through `ModelChain`: the sum of each day within a part in a thousand."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas as pd
        from pvlib.location import Location
        from pvlib.modelchain import ModelChain
        from pvlib.pvsystem import Array, FixedMount, PVSystem

        middle = pd.DatetimeIndex(SUMMER + QUARTER // 2, tz="UTC")
        place = Location(52.4, 4.9, tz="UTC", altitude=0)
        array = Array(
            FixedMount(35.0, 180.0),
            module_parameters={"pdc0": 4000.0, "gamma_pdc": -0.004},
            temperature_model_parameters={"u0": 25.0, "u1": 6.84},
        )
        system = PVSystem(
            arrays=[array],
            inverter_parameters={"pdc0": 4000.0 / 1.1 / 0.96, "eta_inv_nom": 0.96},
            losses_parameters={},
        )
        chain = ModelChain(
            system,
            place,
            aoi_model="no_loss",
            spectral_model="no_loss",
            losses_model="no_loss",
            temperature_model="faiman",
            transposition_model="isotropic",
        )
        weather = place.get_clearsky(middle)
        weather["temp_air"], weather["wind_speed"] = 15.0, 1.0
        chain.run_model(weather)
        theirs = chain.results.ac.fillna(0).clip(lower=0).to_numpy() / 4
    ours = pv_profiles(SUMMER, **ROOF, losses_percent=0.0)
    assert ours.dtype == np.int64
    assert ours[:, 0].reshape(2, 96).sum(axis=1) == pytest.approx(theirs.reshape(2, 96).sum(axis=1), rel=1e-3)
    assert np.abs(ours[:, 0] - theirs).max() <= 1.0
    assert theirs.max() > 700  # the inverter cuts at 3,636 W


@real
def test_roofs_face_the_sun_when_they_should():
    energy = pv_profiles(
        SUMMER,
        **{**ROOF, "pv_wp": [4000, 4000, 8000, 0], "tilt_degrees": [35.0] * 4, "azimuth_degrees": [90, 270, 90, 90]},
    )
    assert energy.shape == (192, 4)
    morning, evening = energy[:48].sum(axis=0), energy[48:96].sum(axis=0)
    assert morning[0] > 1.5 * evening[0]
    assert evening[1] > 1.5 * morning[1]
    assert not energy[:, 3].any()
    # whole Wh of the running sum: twice the roof is twice the energy within a Wh, at any time
    assert np.abs(energy.cumsum(axis=0)[:, 2] - 2 * energy.cumsum(axis=0)[:, 0]).max() <= 1
    assert (energy >= 0).all()
    assert not energy[:8].any()  # two in the morning in Amsterdam


@real
def test_weather_of_ones_own():
    dark = {name: np.zeros(192) for name in ("ghi", "dni", "dhi", "temp_air")}
    assert not pv_profiles(SUMMER, **ROOF, weather=dark).any()
    cloudy = {**dark, "ghi": np.full(192, 200.0), "dhi": np.full(192, 200.0)}
    assert pv_profiles(SUMMER, **ROOF, weather=cloudy).sum() > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latitude": 91.0}, "latitude is from"),
        ({"tilt_degrees": [35.0, 1.0]}, "tilt_degrees must be one angle"),
        ({"azimuth_degrees": [-1.0]}, "azimuth_degrees must be one angle"),
        ({"pv_wp": [-1]}, "pv_wp of member 0 is -1"),
        ({"slot_ns": 0}, "above 0"),
        ({"weather": {}}, "weather lacks 'ghi'"),
        ({"weather": {n: [1.0] for n in ("ghi", "dni", "dhi", "temp_air")}}, "one finite number a slot"),
    ],
)
def test_roofs_that_make_no_sense(change, message):
    with pytest.raises(PresetError, match=message):
        pv_profiles(SUMMER, **{**ROOF, **change})


def test_without_pvlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pvlib", None)
    with pytest.raises(MissingLibraryError, match=r"pip install 'fastclear\[pv\]'"):
        pv_profiles(SUMMER, **ROOF)
