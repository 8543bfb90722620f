"""A page that Kedro-Viz shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kedro_datasets.text import TextDataset

if TYPE_CHECKING:
    from kedro_datasets._typing import HTMLPreview


class HtmlDataset(TextDataset):  # type: ignore[misc]
    """An HTML page in UTF-8; parameters are those of `kedro_datasets.text.TextDataset`."""

    def preview(self) -> HTMLPreview:
        """Return the page, for the side panel of Kedro-Viz, which runs none of its scripts."""
        return self.load()
