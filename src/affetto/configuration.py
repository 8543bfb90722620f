"""How the configuration of the project is read."""

from typing import Any

CONFIG_LOADER_ARGS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    "config_patterns": {
        "parameters": ["parameters*", "parameters*/**", "**/parameters*", "taxonomy*"],
        "mlflow": ["mlflow*"],
    },
    # An environment changes single keys of a nested parameter and leaves its neighbours as they are in base.
    "merge_strategy": {"parameters": "soft", "globals": "soft", "mlflow": "soft"},
}
