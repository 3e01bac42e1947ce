"""The naive twin and the class of every mechanism, by name."""

from reference.matching_twin import naive_maximal_volume, naive_random_matching
from reference.naive import naive_discriminatory, naive_uniform
from reference.rounds_twin import naive_average, naive_multi_round
from reference.truthful_twin import naive_huang, naive_muda, naive_sbba, naive_trade_reduction, naive_vickrey

TWINS = {
    "uniform": naive_uniform,
    "discriminatory": naive_discriminatory,
    "maximal_volume": naive_maximal_volume,
    "random_matching": naive_random_matching,
    "vickrey": naive_vickrey,
    "trade_reduction": naive_trade_reduction,
    "huang": naive_huang,
    "sbba": naive_sbba,
    "muda": naive_muda,
    "average": naive_average,
    "multi_round": naive_multi_round,
}


def class_name(name):
    return "".join(part.capitalize() for part in name.split("_"))
