"""What the operation is verified with, by tests and benchmarks alike; no part of the package.

`oracle` is the law in NumPy float64, `executors` knows who can run the CUDA kernels, and `shim/` is
the CUDA of fibers that runs them on the host.
"""
