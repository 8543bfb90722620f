"""MLflow: one parent run a `kedro run`, one child run a model, in a store that is checked first."""
