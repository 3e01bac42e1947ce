"""Make the embedded community: 60 homes and one clinic, four weeks of quarter-hours, integer Wh.

    python -m pip install --pre "oemof-demand==0.2.3a3" "pvlib==0.16.1"     # the group `data`
    python scripts/make_community.py [--out python/fastclear/community/data]

Synthetic: no line of it was metered. What it is and is not stands in the data card (README.md beside the
data). The same seed gives the same bytes. Floats end here: everything is rounded to whole Wh before it is
written.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import warnings
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fastclear.community.digest import columns_digest

if TYPE_CHECKING:
    import pandas as pd

SEED = 20_240_708
HOMES = 60
PV_HOMES = 33  # 55 %
BATTERY_HOMES = 16  # about half of the homes with PV
LATITUDE, LONGITUDE, ALTITUDE_M = 50.1, 8.7, 110  # Rhine-Main, Germany
SLOTS_A_DAY, DAYS = 96, 7
# Mondays, in the order of time and with summer first, so that the first seven days are a week in which
# homes trade. None of the weeks holds a public holiday or a switch of the clock.
SEASONS = {
    # name: Monday, air temperature in °C, bias of the sky's state (+ = clearer)
    "summer": ("2024-07-08", 20.0, 0.9),
    "autumn": ("2024-10-14", 11.0, -0.1),
    "winter": ("2025-01-13", 2.0, -1.6),
    "spring": ("2025-04-07", 12.0, 0.4),
}
# What an appliance draws, W for each quarter-hour of one use; uses a year of a 3,500 kWh home; hours of the
# day.
APPLIANCES = {
    "kettle": ((450,), 700, (5, 22)),
    "hob": ((1500, 900), 330, (10, 20)),
    "oven": ((2000, 1400, 1000), 90, (10, 20)),
    "washing": ((1800, 400, 250, 450), 160, (6, 20)),
    "dishwasher": ((1200, 700, 200, 1100, 300), 200, (8, 22)),
    "dryer": ((1900, 1900, 1700, 1200), 90, (8, 21)),
}
# ticks: 1e-6 currency a kWh. Assumed, of the size German homes saw in 2024.
TARIFF = {"retail": 320_000, "feed_in": 80_000, "network_fee": 20_000}


def calendar() -> pd.DatetimeIndex:
    """List the starts of all slots, UTC."""
    import pandas as pd

    weeks = [
        pd.date_range(monday, periods=DAYS * SLOTS_A_DAY, freq="15min", tz="UTC") for monday, _, _ in SEASONS.values()
    ]
    return weeks[0].append(weeks[1:])


def shape(profile: type, weeks: pd.DatetimeIndex) -> np.ndarray:
    """BDEW standard load shape in Wh a slot of a customer of 1 kWh a year.

    BDEW gives its shapes in local time, so the slots go in as Europe/Berlin wall time, a week at a time
    because the library wants an index with a fixed step. It gives kW of a customer of 1,000,000 kWh a year.
    """
    import pandas as pd

    parts = []
    for week in np.split(np.arange(len(weeks)), len(SEASONS)):
        index = pd.date_range(weeks[week[0]], periods=len(week), freq="15min").tz_convert("Europe/Berlin")
        parts.append(profile(index).to_numpy())
    return np.concatenate(parts) / 4000.0


def ar1(rng: np.random.Generator, n: int, rho: float) -> np.ndarray:
    """Unit-variance autoregressive series of order one."""
    noise = rng.standard_normal(n)
    series = np.empty(n)
    series[0] = noise[0]
    scale = math.sqrt(1.0 - rho * rho)
    for t in range(1, n):
        series[t] = rho * series[t - 1] + scale * noise[t]
    return series


def home_load(rng: np.random.Generator, base: np.ndarray, annual_kwh: float, local_hour: np.ndarray) -> np.ndarray:
    """Wh a slot of one home: a smooth part in the BDEW shape, which wobbles, and appliances at random."""
    size = annual_kwh / 3500.0
    spikes = np.zeros(len(base))
    for watts, uses_a_year, (first, last) in APPLIANCES.values():
        chance = np.where((local_hour >= first) & (local_hour < last), base, 0.0)
        chance *= uses_a_year * size * (len(base) / SLOTS_A_DAY / 365.0) / chance.sum()
        starts = rng.poisson(chance)
        strength = rng.uniform(0.85, 1.15)
        for offset, watt in enumerate(watts):
            spikes[offset:] += strength * watt / 4.0 * starts[: len(base) - offset]
    shift = int(rng.integers(-4, 5))  # some get up an hour earlier than others
    wobble = np.exp(0.28 * ar1(rng, len(base), 0.93))
    target = annual_kwh * 1000.0 * len(base) / SLOTS_A_DAY / 365.0
    smooth = np.roll(base, shift) * wobble
    smooth *= max(target - spikes.sum(), 0.35 * target) / smooth.sum()
    load = smooth + spikes
    return load * (target / load.sum())


def sky(rng: np.random.Generator) -> np.ndarray:
    """Share of clear-sky irradiance that arrives: one series, as all homes live under the same clouds."""
    n = DAYS * SLOTS_A_DAY
    parts = []
    for _, _, bias in SEASONS.values():
        state = 0.85 * ar1(rng, n, 0.99) + 0.55 * ar1(rng, n, 0.8) + bias
        parts.append(0.12 + 0.88 / (1.0 + np.exp(-1.7 * state)))
    return np.concatenate(parts)


def pv_output(tilt: float, azimuth: float, wp: float, clear: dict) -> np.ndarray:
    """AC energy in Wh a slot of one roof under a clear sky, by the PVWatts model."""
    import pvlib

    poa = pvlib.irradiance.get_total_irradiance(
        tilt, azimuth, clear["zenith"], clear["azimuth"], clear["dni"], clear["ghi"], clear["dhi"]
    )["poa_global"].fillna(0.0)
    cell = pvlib.temperature.faiman(poa, clear["air"], 2.0)
    dc = pvlib.pvsystem.pvwatts_dc(poa, cell, wp, -0.004) * 0.86  # PVWatts' 14 % of system losses
    ac = pvlib.inverter.pvwatts(dc, 0.9 * wp / 0.96)
    return np.clip(ac.to_numpy(), 0.0, None) / 4.0


def clear_sky(weeks: pd.DatetimeIndex) -> dict:
    """Clear-sky irradiance and sun position at the middle of each slot."""
    import pandas as pd
    from pvlib.location import Location

    place = Location(LATITUDE, LONGITUDE, tz="UTC", altitude=ALTITUDE_M)
    middle = weeks + pd.Timedelta(minutes=7, seconds=30)
    irradiance, sun = place.get_clearsky(middle), place.get_solarposition(middle)
    air = np.repeat([temperature for _, temperature, _ in SEASONS.values()], DAYS * SLOTS_A_DAY)
    return {
        "dni": irradiance["dni"],
        "ghi": irradiance["ghi"],
        "dhi": irradiance["dhi"],
        "zenith": sun["apparent_zenith"],
        "azimuth": sun["azimuth"],
        "air": pd.Series(air, index=middle),
    }


def make() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Profiles and members, sorted, integers only."""
    from oemof.demand import bdew

    rng = np.random.Generator(np.random.PCG64(SEED))
    weeks = calendar()
    local_hour = weeks.tz_convert("Europe/Berlin").hour.to_numpy()
    household, commerce = shape(bdew.H25, weeks), shape(bdew.G25, weeks)
    clear, cloud = clear_sky(weeks), sky(rng)

    # sizes of homes: quantiles of a lognormal, so that 60 draws really have its mean and spread
    quantiles = (rng.permutation(HOMES) + 0.5) / HOMES
    annual = [min(max(3310.0 * math.exp(0.38 * NormalDist().inv_cdf(q)), 1750.0), 6900.0) for q in quantiles]
    with_pv = rng.permutation(HOMES)[:PV_HOMES]
    with_battery = set(with_pv[:BATTERY_HOMES].tolist())

    loads, suns, rows = [], [], []
    for home in range(HOMES):
        load = home_load(rng, household, annual[home], local_hour)
        wp = wh = w = efficiency = 0
        sun = np.zeros(len(weeks))
        if home in with_pv:
            wp = int(rng.integers(8, 27)) * 400  # 400 W modules: 3.2 to 10.4 kWp
            tilt, azimuth = float(rng.integers(15, 51)), float(np.clip(rng.normal(180.0, 50.0), 75.0, 285.0))
            jitter = np.exp(0.04 * ar1(rng, len(weeks), 0.9))
            sun = np.minimum(pv_output(tilt, azimuth, wp, clear) * cloud * jitter, 0.9 * wp / 4.0)
        if home in with_battery:
            wh = int(rng.integers(8, 25)) * 500  # 4 to 12 kWh
            w = wh // 2
            efficiency = int(rng.integers(86, 96)) * 10_000
        loads.append(np.rint(load))
        suns.append(np.rint(sun))
        # three strings of twenty homes on one LV transformer; bus = feeder * 100 + place along the string
        feeder, place = home % 3 + 1, home // 3 + 1
        rows.append((f"home{home + 1:02d}", "home", feeder * 100 + place + 1, feeder, wp, wh, w, efficiency, False))
    clinic = 60_000.0 * (0.35 * commerce.mean() + 0.65 * commerce) * np.exp(0.06 * ar1(rng, len(weeks), 0.9))
    loads.append(np.rint(clinic))
    suns.append(np.zeros(len(weeks)))
    # first bus of feeder 1, next to the transformer
    rows.append(("clinic", "clinic", 101, 1, 0, 0, 0, 0, True))

    members = pl.DataFrame(
        rows,
        schema={
            "participant": pl.String,
            "kind": pl.String,
            "bus": pl.Int64,
            "feeder": pl.Int64,
            "pv_wp": pl.Int64,
            "battery_wh": pl.Int64,
            "battery_w": pl.Int64,
            "battery_efficiency_ppm": pl.Int64,
            "essential": pl.Boolean,
        },
        orient="row",
    )
    n, slot = len(rows), weeks.as_unit("ns").asi8
    profiles = pl.DataFrame(
        {
            "slot": np.tile(slot, n),
            "participant": np.repeat(members["participant"].to_numpy(), len(slot)),
            "load_wh": np.concatenate(loads).astype(np.int64),
            "pv_wh": np.concatenate(suns).astype(np.int64),
        }
    )
    return profiles.sort("participant", "slot"), members.sort("participant")


def digests(profiles: pl.DataFrame, members: pl.DataFrame) -> dict[str, str]:
    """Hashes of the decoded content, recorded beside the data."""

    def columns(frame: pl.DataFrame) -> dict:
        return {
            c: frame[c].to_list() if frame[c].dtype == pl.String else frame[c].to_physical().to_numpy()
            for c in frame.columns
        }

    return {"profiles": columns_digest(columns(profiles)), "members": columns_digest(columns(members))}


def write(out: Path) -> None:
    """Make the data and write profiles.parquet, members.parquet and community.json into `out`."""
    with warnings.catch_warnings():
        # oemof-demand 0.2.3a3 and pvlib 0.16.1 use pandas calls that pandas 3 deprecates but still has
        warnings.simplefilter("ignore")
        profiles, members = make()
    out.mkdir(parents=True, exist_ok=True)
    fixed = {"compression": "zstd", "compression_level": 22, "statistics": False, "row_group_size": 1 << 20}
    # 32 bits and a dictionary of names halve the file; the loader gives int64 and text again
    stored = profiles.with_columns(
        pl.col("slot").cast(pl.Datetime("ns", "UTC")),
        pl.col("load_wh", "pv_wh").cast(pl.Int32),
    )
    stored.write_parquet(out / "profiles.parquet", **fixed)
    members.write_parquet(out / "members.parquet", **fixed)
    about = {
        "about": "synthetic; made by scripts/make_community.py, see README.md",
        "seed": SEED,
        "seasons": {name: monday for name, (monday, _, _) in SEASONS.items()},
        "slot_minutes": 15,
        "tariff_ticks": TARIFF,
        "sha256_of_content": digests(profiles, members),
    }
    (out / "community.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8", newline="\n")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Make the embedded community.")
    here = Path(__file__).resolve().parent.parent / "python" / "fastclear" / "community" / "data"
    parser.add_argument("--out", type=Path, default=here)
    out = parser.parse_args().out
    write(out)
    for file in sorted(out.iterdir()):
        print(f"{file.name}: {file.stat().st_size} bytes", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
