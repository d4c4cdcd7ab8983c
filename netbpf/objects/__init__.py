"""Live kernel objects: each owns its file descriptors and closes them."""

from netbpf.objects.map import Map
from netbpf.objects.program import Program

__all__ = ["Map", "Program"]
