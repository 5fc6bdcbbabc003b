"""Input of training and TensorFlow: order, batches and chunks of encoded rows."""
