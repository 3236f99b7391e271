"""Formats that hold arrays by keys or in chunks: HDF5, zarr, zip archives, tensors, MATLAB and netCDF."""
