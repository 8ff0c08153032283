"""Client libraries behind the Downstream seam, one small file each; `seam` is what they share.

Each file names its library's settings in its docstring and defines `make_downstream(settings, address)`.
"""
