from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from affetto.errors import AffettoError
from affetto.experiments.descriptors import LLD_GROUPS, columns_by_group, group_of
from affetto.features.opensmile import OpenSmileParameters

# Weninger et al. 2013, table of the LLD: 4 energy, 6 voicing, 55 spectral of which 14 are MFCC.
LLD = {"energy": 4, "voicing": 6, "spectral": 41, "cepstral": 14}


@pytest.fixture(scope="module")
def names():
    def of(feature_set, level):
        return OpenSmileParameters(feature_set=feature_set, level=level).dimensions()

    return of


def test_the_descriptors_are_grouped_as_published(names):
    assert Counter(map(group_of, names("ComParE_2016", "lld"))) == LLD


@pytest.mark.parametrize(
    ("feature_set", "level", "n_columns"),
    [
        ("ComParE_2016", "lld", 65),
        ("ComParE_2016", "functionals", 6373),
        ("eGeMAPSv02", "lld", 25),
        ("eGeMAPSv02", "functionals", 88),
    ],
)
def test_every_column_is_in_exactly_one_group(names, feature_set, level, n_columns):
    columns = columns_by_group(names(feature_set, level))

    assert set(columns) == set(LLD_GROUPS)
    assert all(len(positions) for positions in columns.values())
    np.testing.assert_array_equal(np.sort(np.concatenate(list(columns.values()))), np.arange(n_columns))


def test_functionals_are_in_the_group_of_their_descriptor(names):
    descriptors = {name.removesuffix("_sma"): group_of(name) for name in names("ComParE_2016", "lld")[:10]}
    functionals = names("ComParE_2016", "functionals")

    for descriptor, group in descriptors.items():
        own = [name for name in functionals if name.startswith(f"{descriptor}_sma")]
        assert {group_of(name) for name in own} == {group}
        assert any(f"{descriptor}_sma_de" in name for name in own)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("pcm_zcr_sma_de_amean", "energy"),
        ("shimmerLocal_sma_iqr1-2", "voicing"),
        ("audSpec_Rfilt_sma[25]_lpc3", "spectral"),
        ("mfcc_sma_de[14]_amean", "cepstral"),
        ("HNRdBACF_sma3nz_amean", "voicing"),
        ("F1frequency_sma3nz_amean", "spectral"),
        ("mfcc1V_sma3nz_stddevNorm", "cepstral"),
        ("equivalentSoundLevel_dBp", "energy"),
    ],
)
def test_examples(name, group):
    assert group_of(name) == group


def test_a_correlation_is_in_the_groups_of_both_descriptors(names):
    columns = columns_by_group(names("ComParE_2016", "correlations"))

    # All pairs less those of two descriptors of other groups.
    assert {group: len(positions) for group, positions in columns.items()} == {
        group: (65 * 64 - (65 - size) * (64 - size)) // 2 for group, size in LLD.items()
    }
    assert columns_by_group(["F0final_sma~mfcc_sma[1]", "F0final_sma~logHNR_sma"])["voicing"].tolist() == [
        0,
        1,
    ]


def test_an_unknown_column_is_named():
    with pytest.raises(AffettoError, match="'tempo_sma_amean' belongs to no known group"):
        group_of("tempo_sma_amean")
