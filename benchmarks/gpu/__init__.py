"""How fast are the CUDA kernels, measured where there is a GPU and modelled where there is none?"""
