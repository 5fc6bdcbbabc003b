#!/usr/bin/env bash
# Puts nvcc of NVIDIA's wheels into an environment and prints its CUDA_HOME: .ci/release/nvcc.sh PYTHON
# This is CUDA 13, for its wheels are the first with nvcc: nvidia-cuda-nvcc-cu12 has ptxas and libnvvm alone. What it
# builds needs drivers from 580 on, so wheels for others are built with CUDA 12.9 (.github/workflows/wheels.yml).
set -euo pipefail
python=$1
"$python" -m pip install --quiet 'nvidia-cuda-nvcc==13.0.*' 'nvidia-cuda-runtime==13.0.*' \
  'nvidia-cuda-cccl==13.0.*' 'nvidia-cuda-crt==13.0.*' 'nvidia-nvvm==13.0.*' >&2
cuda=$("$python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")/nvidia/cu13
# Names that its nvcc and CMake look for.
ln -sfn lib "$cuda/lib64"
ln -sf libcudart.so.13 "$cuda/lib/libcudart.so"
echo "$cuda"
