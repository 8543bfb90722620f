"""What is handed from node to node stays in memory, unless the catalog names it."""

from __future__ import annotations

import pytest
from kedro.framework.session import KedroSession
from kedro.io import MemoryDataset

WRITTEN = {
    "hear": {"hear.voices", "hear.summary"},
    "recommend": {"recommend.playlists", "recommend.summary"},
}


@pytest.fixture(scope="module")
def catalog(kedro_project):
    with KedroSession.create(kedro_project) as session:
        yield session.load_context().catalog


@pytest.mark.parametrize("name", WRITTEN)
def test_no_pattern_of_another_pipeline_takes_what_inference_hands_on(catalog, name):
    from kedro.framework.project import pipelines

    made = {each for each in pipelines[name].all_outputs() if each.startswith(f"{name}.")}
    written = {each for each in made if not isinstance(catalog.get(each), MemoryDataset | None)}
    assert written == WRITTEN[name]
