"""hemline: the keypoints of garments on photographs."""

__version__ = "0.1.0"
