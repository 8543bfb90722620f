"""The comparison as an interactive figure, previewed in Kedro-Viz."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from affetto.evaluation.palette import ROLE_COLOURS
from affetto.evaluation.wording import task_title

if TYPE_CHECKING:
    import plotly.graph_objects as go


def interactive_comparison(comparison: pd.DataFrame, *, task: str) -> go.Figure:
    """Draw the UAR of each model with its interval over groups (Plotly).

    Parameters
    ----------
    comparison
        What `affetto.evaluation.comparison.compare` returned; may be empty.
    task
        Name of the task, for the title.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for role, colour in ROLE_COLOURS.items():
        rows = comparison[comparison["role"] == role]
        if len(rows):
            figure.add_trace(_trace(rows, role, colour))
    figure.update_layout(
        title=f"{task_title(task)}: UAR, interval over groups",
        xaxis={"title": "UAR", "rangemode": "tozero"},
        yaxis={"autorange": "reversed", "categoryorder": "array", "categoryarray": list(comparison["model"])},
        template="plotly_white",
        legend={"orientation": "h", "y": 1.08},
    )
    return figure


def _trace(rows: pd.DataFrame, role: str, colour: str) -> go.Bar:
    import plotly.graph_objects as go

    above, below = rows["uar_ci_high"] - rows["uar"], rows["uar"] - rows["uar_ci_low"]
    return go.Bar(
        x=rows["uar"].tolist(),
        y=rows["model"].tolist(),
        orientation="h",
        name=role,
        marker_color=colour,
        error_x={
            "type": "data",
            "symmetric": False,
            "array": above.fillna(0.0).tolist(),
            "arrayminus": below.fillna(0.0).tolist(),
        },
        customdata=rows[["wa", "macro_f1"]].round(3).to_numpy().tolist(),
        hovertemplate="%{y}<br>UAR %{x:.3f}<br>WA %{customdata[0]}<br>macro F1 %{customdata[1]}",
    )
