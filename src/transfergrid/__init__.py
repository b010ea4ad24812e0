"""TransferGrid: grids of transfer-learning experiments on medical images."""

__version__ = "0.1.0"
