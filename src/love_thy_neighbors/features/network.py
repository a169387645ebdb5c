"""The forward pass of a backbone: device, precision and determinism."""

from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.backbones import Backbone
from love_thy_neighbors.features.settings import Precision


def choose_device(name: str) -> torch.device:
    """``auto`` is the GPU if there is one; raises `UserError` for a device that this machine does not have."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        raise UserError(f"device: '{name}' cannot be used on this machine; use auto or cpu.") from None
    return device


def choose_precision(name: Precision, device: torch.device) -> Precision:
    """``auto`` is bfloat16 on an NVIDIA GPU that has it, float16 on an older one, and float32 everywhere else."""
    if name != "auto":
        return name
    if device.type != "cuda":
        return "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"


def compute_features(backbone: Backbone, pixels: np.ndarray, device: torch.device, precision: str) -> np.ndarray:
    """Features float32 [B, d] of pixels uint8 [B, size, size, 3]."""
    low = torch.autocast(device.type, getattr(torch, precision)) if precision != "float32" else nullcontext()
    try:
        batch = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float()
        with low:
            return backbone.forward(batch).float().cpu().numpy()
    except torch.OutOfMemoryError:
        raise UserError(
            f"batch_size: the memory of {device} is too small for {len(pixels)} images in {backbone.name}; give a "
            "smaller number."
        ) from None


def exact_cudnn() -> AbstractContextManager[None]:
    """Every run gives the same result, in full float32."""
    return torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False)
