"""Networks on one clip at a time: called the usual way, most of the time is Keras', not the network's.

Keras walks through its layers in Python at every call, which for a clip of three seconds takes twenty times
as long as the operations themselves. A model that is asked about single clips again and again, as by a
server, is therefore traced once into a TensorFlow function. Tracing costs as much as some calls, so the first
ones are made the usual way. Both ways agree but for rounding.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

_PLAIN_CALLS = 3
_Function = Callable[[Mapping[str, Any]], dict[str, Any]]
# Both forget a model with its last user, for neither value refers to it.
_CALLS: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
_TRACED: weakref.WeakKeyDictionary[Any, _Function] = weakref.WeakKeyDictionary()


def call_network(model: Any, batch: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outputs of a Keras model for a batch, by the quickest way.

    Parameters
    ----------
    model
        Keras model whose inputs come from `affetto.models.network.make_inputs`.
    batch
        Its inputs by name, [n_clips, ...].

    Returns
    -------
    dict
        name -> tensor [n_clips, ...].
    """
    if len(next(iter(batch.values()))) == 1:
        traced = _TRACED.get(model)
        if traced is None and _CALLS.get(model, 0) >= _PLAIN_CALLS:
            traced = _TRACED[model] = _trace(model)
        if traced is not None:
            return traced(batch)
        _CALLS[model] = _CALLS.get(model, 0) + 1
    outputs: dict[str, Any] = model(batch, training=False)
    return outputs


def _trace(model: Any) -> _Function:
    """Make a function for one clip of any length."""
    import tensorflow as tf

    shapes = {
        tensor.name: tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype, name=tensor.name)
        for tensor in model.inputs
    }
    reference = weakref.ref(model)

    def call(batch: Mapping[str, Any]) -> Any:
        return reference()(batch, training=False)  # type: ignore[misc]  # it is alive: it asks

    traced: _Function = tf.function(call, input_signature=[shapes], autograph=False)
    return traced
