"""Scores of valence and arousal: closed forms, intervals over groups, and tests that swap groups."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score

from affetto.errors import AffettoError
from affetto.evaluation.dimensions import (
    COLUMNS,
    ccc,
    ccc_interval,
    compare_dimensions,
    dimensions_figure,
    one_dimension,
    r2,
    r2_interval,
    sums_by_group,
)
from affetto.evaluation.parameters import EvaluationParameters

PARAMETERS = EvaluationParameters(n_permutations=500)


def predicted(*, n_groups=12, each=10, slope=1.0, shift=0.0, noise=0.0, of_group=0.0, seed=0):
    """Predictions slope * truth + shift + noise, of clips and of groups; arousal is valence turned around."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(-0.6, 0.6, n_groups * each)
    error = np.random.default_rng(seed).normal(0, 1, (2, n_groups * each))
    told = slope * truth + shift + noise * error[0] + of_group * np.repeat(error[1, :n_groups], each)
    names = [f"g{place // each:02}" for place in range(n_groups * each)]
    table = {"clip_id": [f"c{place}" for place in range(len(truth))], "group": names, "fold": 0, "seed": 0}
    ratings = {"valence": truth, "arousal": -truth, "predicted_valence": told, "predicted_arousal": -told}
    return pd.DataFrame({**table, **ratings})


def scored(table, score):
    return float(score(sums_by_group(one_dimension(table, "valence")).sum(axis=0))[0])


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.5, 0.0), (1.0, 0.3), (-1.0, 0.1), (0.0, 0.2)])
def test_concordance_and_explained_variance_have_their_closed_forms(slope, shift):
    table = predicted(slope=slope, shift=shift)
    mean, variance = table["valence"].mean(), table["valence"].var(ddof=0)
    apart = (slope * mean + shift - mean) ** 2

    expected = 2 * slope * variance / (variance * (1 + slope**2) + apart)
    assert scored(table, ccc) == pytest.approx(expected, abs=1e-9)
    assert scored(table, r2) == pytest.approx(1 - ((1 - slope) ** 2 * variance + apart) / variance)
    assert scored(table, r2) == pytest.approx(r2_score(table["valence"], table["predicted_valence"]))


def test_a_correlation_of_known_size_is_found_with_its_spread():
    """Predictions ρ t + sqrt(1 - ρ²) e of standard normal t and e have a concordance of ρ."""
    rng = np.random.default_rng(0)
    truth, error = rng.normal(size=(2, 50_000))
    told = 0.6 * truth + 0.8 * error
    table = pd.DataFrame({"clip_id": range(50_000), "seed": 0, "fold": 0, "label": truth, "predicted": told})
    sums = sums_by_group(table.assign(group=table["clip_id"] % 50))

    assert float(ccc(sums.sum(axis=0))[0]) == pytest.approx(0.6, abs=0.01)
    low, high = ccc_interval(sums)
    assert low < 0.6 < high
    # Lin (1989) has the variance of the area tangent where the correlation is all that lacks: 1 / (n - 2).
    assert np.arctanh(high) - np.arctanh(low) == pytest.approx(2 * 1.96 / np.sqrt(50_000), rel=0.3)


def test_constants_and_single_groups_have_no_score_or_no_interval():
    table = predicted(n_groups=1)
    sums = sums_by_group(one_dimension(table, "valence"))
    assert all(np.isnan([*ccc_interval(sums), *r2_interval(sums)]))
    constant = table.assign(valence=0.5, predicted_valence=0.5)
    assert scored(constant, ccc) == 0
    assert np.isnan(scored(constant, r2))


def test_an_interval_is_wider_where_groups_differ_and_stays_in_its_bounds():
    alike, apart = (predicted(noise=0.3), predicted(noise=0.1, of_group=0.4))
    widths = []
    for table in (alike, apart):
        sums = sums_by_group(one_dimension(table, "valence"))
        (low, high), value = ccc_interval(sums), scored(table, ccc)
        assert -1 <= low < value < high <= 1
        assert r2_interval(sums).high <= 1
        widths.append(high - low)
    assert widths[1] > widths[0]


def test_the_proposed_regressor_is_tested_against_the_others():
    tables = {
        "mean": predicted(slope=0.0, seed=3),
        "good": predicted(noise=0.2, seed=1),
        "alike": predicted(noise=0.2, seed=2),
    }
    roles = {"good": "proposed", "mean": "baseline", "alike": "baseline"}

    found = compare_dimensions(tables, roles, PARAMETERS)

    assert tuple(found.columns) == COLUMNS
    assert found["dimension"].tolist() == ["valence"] * 3 + ["arousal"] * 3
    assert found["model"].tolist() == ["good", "alike", "mean"] * 2
    assert set(found["n_clips"]) == {120}
    assert set(found["n_groups"]) == {12}
    of = found[found["dimension"] == "valence"].set_index("model")
    assert of["verdict"].fillna("").to_dict() == {"good": "", "alike": "undecided", "mean": "better"}
    assert of.loc["mean", "difference"] == pytest.approx(of.loc["good", "ccc"] - of.loc["mean", "ccc"])
    assert of.loc["mean", "difference_ci_low"] > 0
    assert of.loc["alike", "difference_ci_low"] < 0 < of.loc["alike", "difference_ci_high"]
    assert of.loc["mean", "p_permutation_holm"] > of.loc["mean", "p_permutation"]


def test_few_groups_cannot_be_tested():
    tables = {"good": predicted(n_groups=4, noise=0.1), "mean": predicted(n_groups=4, slope=0.0)}

    found = compare_dimensions(tables, {"good": "proposed", "mean": "baseline"}, PARAMETERS)

    assert found["verdict"].dropna().tolist() == ["untestable"] * 2


def test_regressors_are_paired_by_clip():
    tables = {"good": predicted(), "other": predicted(seed=1, noise=0.1)}
    tables["other"]["valence"] += 0.1

    with pytest.raises(AffettoError, match="different labels for c0"):
        compare_dimensions(tables, {"good": "proposed", "other": "baseline"}, PARAMETERS)


def test_the_figure_has_a_panel_a_dimension_with_its_concordance():
    table = predicted(noise=0.2)
    panels = dimensions_figure(table).axes

    assert [panel.get_title().split(":")[0] for panel in panels] == ["valence", "arousal"]
    assert panels[0].get_title().endswith(f"{scored(table, ccc):.2f}")
    np.testing.assert_allclose(panels[0].collections[0].get_offsets()[:, 0], table["valence"])
