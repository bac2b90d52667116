"""esd-bench: measure mode collapse in score distillation for text-to-3D (arXiv 2401.00909)."""

__version__ = "0.1.0"
