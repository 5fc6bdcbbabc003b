"""cisreg: thermodynamic models of gene regulation on a fused TensorFlow operation."""
