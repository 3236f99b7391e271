"""The version of the package, below everything that writes it into its results."""

__all__ = ["__version__"]

__version__ = "0.1.0"
