"""What training and TensorFlow read: order, batches and chunks of encoded rows."""
