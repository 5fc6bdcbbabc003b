"""How fast do sequences get from files to the kernels?"""
