"""Checkpoints and SavedModels as CisRegModels wrote them, made with TensorFlow 1's functions."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1


def save_original(
    folder,
    variables: dict[str, np.ndarray],
    constants: dict[str, np.ndarray],
    *,
    length: int,
    expected: bool,
) -> tuple[str, str]:
    """Saves a graph with these variables and constants; returns the paths of both forms."""
    checkpoint, model = str(folder / "model.ckpt"), str(folder / "model.Model")
    with tf.Graph().as_default(), v1.Session() as session:
        sequence = v1.placeholder(tf.float32, [None, 4, length, 1], name="ohcX")
        nodes = {name: v1.Variable(value, name=name) for name, value in variables.items()}
        nodes |= {name: tf.constant(value, name=name) for name, value in constants.items()}
        unbound = tf.sigmoid(tf.reduce_sum(sequence, axis=[1, 3]))
        reduce = v1.reduce_sum if expected else v1.reduce_prod
        loss = tf.reduce_mean(reduce(unbound, axis=[1]) * tf.reduce_sum(nodes["activities"]))
        # Gradients add further product operations to the graph, which multiply shapes.
        v1.train.AdamOptimizer().minimize(loss)
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, checkpoint)
        builder = v1.saved_model.builder.SavedModelBuilder(model)
        builder.add_meta_graph_and_variables(session, ["main"])
        builder.save()
    return checkpoint, model
