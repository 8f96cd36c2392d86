"""What this machine has, and what a process uses of it."""

from mulle.resources.machine import Gpu, Machine, cpus_available, machine
from mulle.resources.sampling import Sampler, Usage

__all__ = ["Gpu", "Machine", "Sampler", "Usage", "cpus_available", "machine"]
