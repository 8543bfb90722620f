"""Kedro hooks: the model table, and quiet logs."""

from __future__ import annotations

import os
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol


class ModelTableHook:
    """Builds the pipelines from the model table of the environment and the command line."""

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Read the model tables before Kedro builds the pipelines of a run."""
        from kedro.framework.project import PACKAGE_NAME, pipelines

        from affetto.pipelines.model_table import use_parameters

        use_parameters(context.config_loader["parameters"])
        # A server has built its pipelines already, from the parameters of the request before.
        pipelines.configure(f"{PACKAGE_NAME}.pipeline_registry")

    @hook_impl
    def after_catalog_created(self, catalog: CatalogProtocol[Any, Any]) -> None:
        """Let models have names with dots, such as `v1.2`, whose type Kedro does not find: a dict is left."""
        from affetto.pipelines.model_table import SIDES, model_table

        for side in SIDES:
            for name, entry in model_table(side).items():
                if "." in name:
                    catalog.save(f"params:{side}.emotion.models.{name}", entry)


class QuietRunnerHook:
    """Keeps libraries from printing into the middle of a run."""

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Lower the voice of TensorFlow before it is imported, here and in workers."""
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
