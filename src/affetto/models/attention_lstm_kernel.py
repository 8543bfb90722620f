"""The proposed music model: the attention LSTM on sequences joined with a kernel model of their statistics.

The network follows how a track goes on and says which part speaks for its emotion; the kernel model compares
the track as a whole with all training tracks, of which a small corpus has too few to fit a network of that
precision.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from affetto.models.attention_lstm import AttentionLstm, LstmParameters
from affetto.models.base import Estimator
from affetto.models.joint import JointEstimator
from affetto.models.kernel_logistic import KernelLogistic, KernelLogisticParameters


class AttentionLstmKernelParameters(BaseModel):
    """The two branches and how they are joined."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lstm: LstmParameters = Field(
        default_factory=lambda: LstmParameters(midterm=True), description="The attention LSTM."
    )
    kernel: KernelLogisticParameters = Field(
        default_factory=KernelLogisticParameters, description="The kernel model."
    )
    lstm_weight: float = Field(0.5, ge=0, description="Exponent of the LSTM's probabilities in the product.")
    kernel_weight: float = Field(1.0, ge=0, description="Exponent of the kernel model's probabilities.")


class AttentionLstmKernel(JointEstimator):
    """Attention LSTM and kernel logistic regression, joined by a weighted product of their probabilities."""

    name: ClassVar[str] = "attention_lstm_kernel"
    attends: ClassVar[bool] = True
    Parameters: ClassVar[type[BaseModel]] = AttentionLstmKernelParameters
    parameters: AttentionLstmKernelParameters

    def _build_branches(self) -> dict[str, Estimator]:
        lstm = AttentionLstm(self.parameters.lstm, seed=self.seed)
        return {"lstm": lstm, "kernel": KernelLogistic(self.parameters.kernel, seed=self.seed)}

    def _given_exponents(self) -> tuple[float, ...]:
        return self.parameters.lstm_weight, self.parameters.kernel_weight
