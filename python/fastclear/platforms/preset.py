"""A platform preset: six sections, every parameter with a value and a source.

A preset is a TOML file (:mod:`fastclear.platforms.preset_file` reads it) and, once read, a frozen :class:`Preset`.
The market rule and the settlement profile are chosen by name; each has a section of its own below ``[market]`` and
``[settlement]``, so that one file can carry several readings of a platform, of which ``market.mechanism`` picks one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, create_model, model_validator

from fastclear.platforms.parameters import (
    CtPerKwh,
    Currency,
    ExchangeRate,
    Frozen,
    Parameter,
    Percent,
    exchanged,
    nano,
    ppm,
    ticks,
)
from fastclear.platforms.payment import DEVIATIONS, PAYMENTS, Payment
from fastclear.platforms.rules import RULES, Rule

SECTIONS = ("set_up", "market", "price", "information", "regulation", "settlement")
"""The sections of a preset file, in order."""
_NS_PER_MINUTE = 60 * 10**9


class StorageOptions(Frozen):
    """One battery of all members: each has an equal share of it, as an account of its own."""

    capacity_kwh: Parameter[Annotated[int, Field(ge=1, le=1_000_000)]]
    power_kw: Parameter[Annotated[int, Field(ge=1, le=1_000_000)]]
    efficiency_percent: Parameter[Percent]


class PoolOptions(Frozen):
    """What members store for others in the free room of all their batteries; each owner of one has an account."""

    account_percent: Parameter[Annotated[int, Field(ge=0, le=10_000)]]
    efficiency_percent: Parameter[Annotated[Percent, Field(gt=0)]]


class SetUp(Frozen):
    """Who takes part, and what is known before the gate."""

    members: Parameter[Annotated[int, Field(ge=1, le=1_000_000)]]
    feeders: Parameter[Annotated[int, Field(ge=1, le=1_000)]] | None = None
    slot_minutes: Parameter[Literal[15, 30, 60]]
    forecast_error_percent: Parameter[Percent]
    loss_percent: Parameter[Percent] | None = None
    shared_storage: StorageOptions | None = None
    virtual_pool: PoolOptions | None = None


class MarketBase(Frozen):
    """The order of service, the market rule, and how members bid."""

    essential_first: Parameter[bool]
    mechanism: Parameter[str]
    agent: Parameter[
        Literal["zero_intelligence", "posted_price", "truthful", "zip", "gjerstad_dickhaut", "roth_erev", "none"]
    ]

    @model_validator(mode="after")
    def _rule_has_its_section(self) -> MarketBase:
        if self.mechanism.value not in self.readings:
            raise ValueError(
                f"mechanism is {self.mechanism.value}, and there is no section [market.{self.mechanism.value}] with "
                f"its parameters: add it, or choose of {', '.join(self.readings) or 'none'}"
            )
        if (self.agent.value == "none") != (self.rule.pool is not None):
            bids = "takes no bids: agent must be none" if self.rule.pool else "needs bids: agent must not be none"
            raise ValueError(f"mechanism {self.mechanism.value} {bids}")
        return self

    @property
    def readings(self) -> tuple[str, ...]:
        """The rules whose parameters are there, in the order of the file's documentation."""
        return tuple(name for name in RULES if getattr(self, name) is not None)

    @property
    def rule(self) -> Rule:
        """The rule that is chosen."""
        return RULES[self.mechanism.value]

    @property
    def options(self) -> Any:
        """The parameters of the rule that is chosen."""
        return getattr(self, self.mechanism.value)


class ForeignCurrency(Frozen):
    """The currency that an amount is stated in, and what a unit of it is worth in that of the platform."""

    currency: Parameter[Annotated[str, Field(pattern=r"^[A-Z]{3}$")]]
    rate: Parameter[ExchangeRate]


class Price(Frozen):
    """Prices that are not found by the market, in ct/kWh; a subscription in currency units a month.

    The subscription is in the platform's currency, or in the one that `subscription_in` names.
    """

    currency: Parameter[Annotated[str, Field(pattern=r"^[A-Z]{3}$")]]
    retail: Parameter[CtPerKwh]
    feed_in: Parameter[CtPerKwh]
    essential_rate: Parameter[CtPerKwh] | None = None
    platform_fee: Parameter[CtPerKwh]
    subscription: Parameter[Currency] | None = None
    subscription_in: ForeignCurrency | None = None

    @model_validator(mode="after")
    def _subscription_comes_to_whole_nano(self) -> Price:
        foreign = self.subscription_in
        if foreign is None:
            return self
        if self.subscription is None:
            raise ValueError("subscription_in names a currency, and there is no subscription: drop the section")
        if foreign.currency.value == self.currency.value:
            raise ValueError(
                f"subscription_in.currency {self.currency.value} is that of the platform: drop the section"
            )
        if exchanged(self.subscription, foreign.rate)[1]:
            raise ValueError("subscription_in.rate: the subscription comes to parts of 1e-9 currency: drop decimals")
        return self


class Place(Frozen):
    """Where one kind of datum is kept, and which files of a run hold it."""

    datum: str
    member: str
    operator: str
    block: str
    anchor: str
    erasable: str
    files: tuple[str, ...] = Field(default=(), strict=False)


class ConsortiumOptions(Frozen):
    """The nodes that are authorised to vouch for blocks, by name, and how many of them it takes."""

    nodes: Parameter[Annotated[tuple[Annotated[str, Field(pattern=r"^[!-*,-~]{1,255}$")], ...], Field(strict=False)]]
    quorum: Parameter[Annotated[int, Field(ge=1, le=100)]]

    @model_validator(mode="after")
    def _quorum_can_be_reached(self) -> ConsortiumOptions:
        nodes = self.nodes.value
        if not 1 <= len(nodes) <= 100 or len(set(nodes)) < len(nodes):
            raise ValueError("consortium.nodes: name 1 to 100 nodes, each once")
        if self.quorum.value > len(nodes):
            raise ValueError(f"consortium.quorum is {self.quorum.value} of {len(nodes)} nodes: lower it, or name more")
        return self


class Information(Frozen):
    """How the market is organised, who sees what, and what is recorded where."""

    structure: Parameter[
        Literal["bilateral", "pool_auction", "community_share", "nested", "retailer_match", "price_signal"]
    ]
    ledger: Parameter[Literal["private", "consortium", "public", "central"]]
    block_per: Parameter[Literal["slot"]]
    block_minutes: Parameter[Annotated[int, Field(ge=1, le=1440)]] | None = None
    confirmations: Parameter[Annotated[int, Field(ge=0, le=1000)]] | None = None
    consortium: ConsortiumOptions | None = None
    places: tuple[Place, ...] = Field(strict=False, min_length=1)

    @property
    def delay_ns(self) -> int:
        """How long after delivery a slot is confirmed: minutes a block times blocks, in nanoseconds."""
        if self.block_minutes is None or self.confirmations is None:
            return 0
        return self.block_minutes.value * self.confirmations.value * _NS_PER_MINUTE


class DuosOptions(Frozen):
    """Use-of-system charge: what trades within a zone are spared of it, in per cent."""

    discount_percent: Parameter[Percent]


class WireOptions(Frozen):
    """Trades within a zone pay what a wire of their own would cost, in ct/kWh, instead of the network fee."""

    fee: Parameter[CtPerKwh]


class VetoOptions(Frozen):
    """The network operator rejects what a zone would export beyond so much, in kW over a slot; later members first."""

    zone_export_kw: Parameter[Annotated[int, Field(ge=0, le=1_000_000)]]


class NetMeteringOptions(Frozen):
    """Energy fed in becomes credits in kWh; see :class:`fastclear.EnergyCredits`."""

    validity_months: Parameter[Annotated[int, Field(ge=0, le=1200)]]
    minimum_kwh: Parameter[Annotated[int, Field(ge=0, le=1_000_000)]]
    compensated_percent: Parameter[Percent]


class Regulation(Frozen):
    """What the law and the distribution operator ask."""

    backstop: Parameter[Literal["retailer"]]
    network_fee: Parameter[CtPerKwh]
    local_charge: Parameter[Literal["same", "duos", "private_wire"]] | None = None
    tax_percent: Parameter[Percent]
    duos: DuosOptions | None = None
    private_wire: WireOptions | None = None
    veto: VetoOptions | None = None
    crediting: Parameter[Literal["none", "net_metering"]] | None = None
    net_metering: NetMeteringOptions | None = None

    @model_validator(mode="after")
    def _crediting_has_its_section(self) -> Regulation:
        if self.crediting is not None and self.crediting.value == "net_metering" and self.net_metering is None:
            raise ValueError("crediting is net_metering: add the section [regulation.net_metering] with its parameters")
        return self

    @property
    def credited(self) -> NetMeteringOptions | None:
        """The terms of energy credits; None where energy fed in is paid for at once."""
        chosen = "none" if self.crediting is None else self.crediting.value
        return self.net_metering if chosen == "net_metering" else None

    @model_validator(mode="after")
    def _charge_has_its_section(self) -> Regulation:
        name = "same" if self.local_charge is None else self.local_charge.value
        if name != "same" and getattr(self, name) is None:
            raise ValueError(f"local_charge is {name}: add the section [regulation.{name}] with its parameters")
        return self

    @property
    def local_fee(self) -> int | None:
        """The network fee within a zone in ticks; None where it is that between zones."""
        charge = "same" if self.local_charge is None else self.local_charge.value
        if charge == "duos" and self.duos is not None:
            full = ticks(self.network_fee)
            return full - full * ppm(self.duos.discount_percent) // 1_000_000
        if charge == "private_wire" and self.private_wire is not None:
            return ticks(self.private_wire.fee)
        return None


class SettlementBase(Frozen):
    """How money moves."""

    profile: Parameter[str]
    deposit: Parameter[Currency]
    essential_deposit: Parameter[Currency]
    imbalance: Parameter[str]

    @model_validator(mode="after")
    def _profile_has_its_section(self) -> SettlementBase:
        for key, name, known in (
            ("profile", self.profile.value, PAYMENTS[self.profile.value].options),
            ("imbalance", self.imbalance.value, DEVIATIONS[self.imbalance.value].options),
        ):
            if known is not None and getattr(self, name) is None:
                raise ValueError(f"{key} is {name}: add the section [settlement.{name}] with its parameters")
        return self

    @property
    def payment(self) -> Payment:
        """The profile that is chosen."""
        return PAYMENTS[self.profile.value]

    @property
    def options(self) -> Any:
        """The parameters of the profile that is chosen; None where it has none."""
        return getattr(self, self.profile.value, None)

    @property
    def policy(self) -> Any:
        """The imbalance policy that is chosen, made of its parameters."""
        deviation = DEVIATIONS[self.imbalance.value]
        return deviation.policy(getattr(self, self.imbalance.value, None))


def _with_sections(base: type[Frozen], chosen: dict[str, tuple[str, ...]], parts: dict[str, Any]) -> Any:
    """A section whose names are those of a registry, with one optional section below it for each of its parts."""
    fields: dict[str, Any] = {key: (Parameter[Literal[names]], ...) for key, names in chosen.items()}  # type: ignore[valid-type]
    fields |= {name: (options | None, None) for name, options in parts.items() if options is not None}
    return create_model(base.__name__.removesuffix("Base"), __base__=base, **fields)


if TYPE_CHECKING:
    Market = MarketBase
    SettlementRules = SettlementBase
else:
    Market = _with_sections(
        MarketBase, {"mechanism": tuple(RULES)}, {name: rule.options for name, rule in RULES.items()}
    )
    SettlementRules = _with_sections(
        SettlementBase,
        {"profile": tuple(PAYMENTS), "imbalance": tuple(DEVIATIONS)},
        {name: item.options for name, item in (*PAYMENTS.items(), *DEVIATIONS.items())},
    )


class Preset(Frozen):
    """A whole platform. Make one with :func:`fastclear.platforms.load_preset`; change it by :meth:`with_values`.

    Examples
    --------
    >>> from fastclear.platforms import load_preset
    >>> preset = load_preset("brooklyn")
    >>> preset.price.retail.value, preset.price.retail.origin
    (Decimal('30'), 'assumed')
    >>> preset.ticks("retail")
    300000
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    title: str = Field(min_length=1)
    summary: str
    references: tuple[str, ...] = Field(default=(), strict=False)
    set_up: SetUp
    market: Market
    price: Price
    information: Information
    regulation: Regulation
    settlement: SettlementRules

    @model_validator(mode="after")
    def _pool_goes_by_meters(self) -> Preset:
        if self.set_up.virtual_pool is not None and self.market.rule.pool is None:
            raise ValueError(
                f"set_up.virtual_pool: mechanism {self.market.mechanism.value} has bids before a slot is metered, and "
                "the pool goes by meters: choose a rule without bids, or drop the section"
            )
        return self

    @model_validator(mode="after")
    def _prices_leave_room(self) -> Preset:
        fees = self.price.platform_fee.value + self.regulation.network_fee.value
        if min(self.price.platform_fee.value, self.regulation.network_fee.value) < 0:
            raise ValueError("price.platform_fee and regulation.network_fee: a fee must not be negative")
        if self.price.feed_in.value + fees > self.price.retail.value:
            raise ValueError(
                "price.retail: feed_in + platform_fee + network_fee is above retail, so that no local trade can "
                "gain: raise retail or lower the others"
            )
        rate = self.price.essential_rate
        if self.market.essential_first.value and rate is None:
            raise ValueError("price.essential_rate is missing: market.essential_first needs a rate to serve them at")
        if rate is not None and rate.value + fees > self.price.retail.value:
            raise ValueError("price.essential_rate: with both fees on top it is above retail: lower it, or the fees")
        return self

    @model_validator(mode="after")
    def _credits_have_one_tariff(self) -> Preset:
        if self.regulation.credited is None:
            return self
        if self.regulation.local_fee is not None or self.settlement.imbalance.value != "backup":
            raise ValueError(
                "regulation.crediting: net metering needs one network fee and imbalance = backup, so that all that "
                "members draw and give is paid at retail and feed-in"
            )
        return self

    @model_validator(mode="after")
    def _pool_has_no_orders(self) -> Preset:
        if self.market.rule.pool is None:
            return self
        if self.market.essential_first.value or self.regulation.veto is not None or self.loss_ppm:
            raise ValueError(
                f"market.mechanism is {self.market.mechanism.value}, a pool: it has no orders to serve first or to "
                "reject, and no trades to share losses over: leave out essential_first, veto and loss_percent"
            )
        return self

    def ticks(self, key: str) -> int:
        """Price or fee `key` in ticks (1e-6 currency/kWh), exactly."""
        section: Any = self.regulation if key == "network_fee" else self.price
        return ticks(getattr(section, key))

    @property
    def subscription_nano(self) -> int | None:
        """What members pay a month in nano-currency of the platform, exactly; None where they pay nothing so."""
        price = self.price
        if price.subscription is None:
            return None
        foreign = price.subscription_in
        return nano(price.subscription) if foreign is None else exchanged(price.subscription, foreign.rate)[0]

    @property
    def fees(self) -> int:
        """What a buyer pays on top of the price of a local kWh, in ticks."""
        return self.ticks("platform_fee") + self.ticks("network_fee")

    @property
    def tax_ppm(self) -> int:
        """The tax in parts per million."""
        return ppm(self.regulation.tax_percent)

    @property
    def loss_ppm(self) -> int:
        """What the network loses of what is traded, in parts per million."""
        return 0 if self.set_up.loss_percent is None else ppm(self.set_up.loss_percent)

    def nano(self, key: str) -> int:
        """Settlement amount `key` (``"deposit"``, ``"essential_deposit"``) in nano-currency, exactly."""
        return nano(getattr(self.settlement, key))

    def parameters(self) -> list[tuple[str, str, str, str]]:
        """Every parameter as ``(section.key, value, origin, source text)``, in the order of the file."""
        return [row for section in SECTIONS for row in _rows(section, getattr(self, section))]

    def with_values(self, why: str, **values: object) -> Preset:
        """A copy with some parameters set for one run; `why` becomes their source.

        Parameters
        ----------
        why : str
            What set them, for example ``"--mechanism"``.
        **values
            ``section__key=value``, or ``section__part__key=value`` for a rule or profile that has parameters of its
            own; ``None`` leaves the parameter as it is.

        Raises
        ------
        PresetError
            If a key does not exist or a value is refused.

        Examples
        --------
        >>> import fastclear as fc
        >>> cheap = fc.load_preset("brooklyn").with_values("a subsidy", price__retail="20", price__essential_rate="15")
        >>> cheap.price.retail.value, cheap.price.retail.source
        (Decimal('20'), 'given: a subsidy')
        """
        from fastclear.platforms.preset_file import parse_preset

        data = self.model_dump()
        for path, value in values.items():
            if value is not None:
                *sections, key = path.split("__")
                at = data
                for section in sections:
                    if at.get(section) is None:
                        at[section] = {}
                    at = at[section]
                at[key] = {"value": value, "source": f"given: {why}"}
        return parse_preset(data, where=why)

    def renamed(self, name: str, title: str | None = None) -> Preset:
        """A copy under another name, so that it can stand beside the original in a comparison.

        Raises
        ------
        PresetError
            If the name is none.
        """
        from fastclear.platforms.preset_file import parse_preset

        return parse_preset({**self.model_dump(), "name": name, "title": title or self.title}, where=name)

    def __reduce__(self) -> tuple[Any, tuple[dict[str, Any]]]:
        """Pickle as plain values; they are checked again when read."""
        from fastclear.platforms.preset_file import parse_preset

        return parse_preset, (self.model_dump(),)

    def to_toml(self) -> str:
        """The preset as TOML text that :func:`parse_preset` reads back to an equal preset."""
        quote = json.dumps  # a TOML basic string takes the escapes of JSON
        lines = [
            f"name = {quote(self.name)}",
            f"title = {quote(self.title)}",
            f"summary = {quote(self.summary)}",
        ]
        lines += ["references = [", *(f"  {quote(text)}," for text in self.references), "]"]
        data = self.model_dump(mode="json", exclude_none=True)
        for section in SECTIONS:
            lines += _toml(section, data[section])
        return "\n".join(lines) + "\n"

    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the canonical JSON of every name, value and source."""
        text = json.dumps(self.model_dump(mode="json", exclude_none=True), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _rows(path: str, section: Frozen) -> Iterator[tuple[str, str, str, str]]:
    for key, item in section:
        if isinstance(item, Parameter):
            origin, _, text = item.source.partition(":")
            yield f"{path}.{key}", _shown(item.value), origin, text.strip()
    for key, item in section:
        if isinstance(item, Frozen) and not isinstance(item, Parameter):
            yield from _rows(f"{path}.{key}", item)


def _shown(value: object) -> str:
    """A value in a table."""
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _toml(path: str, section: dict[str, Any]) -> list[str]:
    """A section and those below it: parameters first, for TOML wants them before the next header."""
    lines, below = ["", f"[{path}]"], []
    for key, item in section.items():
        if isinstance(item, list):
            rows = (", ".join(f"{name} = {json.dumps(value)}" for name, value in row.items()) for row in item)
            lines += [f"{key} = [", *(f"  {{ {row} }}," for row in rows), "]"]
        elif set(item) == {"value", "source"}:
            lines.append(f"{key} = {{ value = {json.dumps(item['value'])}, source = {json.dumps(item['source'])} }}")
        else:
            below += _toml(f"{path}.{key}", item)
    return lines + below
