"""What this machine has, who may use how much of it, and what a process uses."""

from mulle.resources.gpus import Gpu
from mulle.resources.machine import Machine, cpus_available, machine
from mulle.resources.sampling import Sampler, Usage

__all__ = ["Gpu", "Machine", "Sampler", "Usage", "cpus_available", "machine"]
