"""What Kedro needs to know of every registered pipeline."""

from __future__ import annotations

from typing import get_type_hints

import pytest
from kedro.framework.project import pipelines


@pytest.fixture(scope="module")
def nodes(kedro_project):
    return {node for pipeline in pipelines.values() for node in pipeline.nodes}


def test_the_annotations_of_every_node_can_be_resolved(nodes):
    """Kedro reads them to check parameters, and warns at every command where it cannot."""
    for node in nodes:
        assert "return" in get_type_hints(node.func), node.name
