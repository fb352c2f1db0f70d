"""Short-time Fourier transforms."""

from __future__ import annotations

import math

import ondol
from ondol import Tensor
from ondol._ops import fft as transforms
from ondol._ops.registry import operation
from ondol.nn.functional import pad


def _centred_window(window: Tensor | None, win_length: int, n_fft: int, like: Tensor) -> Tensor:
    """The window, ones if None, in the middle of `n_fft` points."""
    if window is None:
        window = ondol.ones(win_length, dtype=like.abs().dtype if like.is_complex() else like.dtype, device=like.device)
    left = (n_fft - win_length) // 2
    if win_length == n_fft:
        return window
    return ondol.cat([window.new_zeros(left), window, window.new_zeros(n_fft - win_length - left)])


def _lengths(
    n_fft: int, hop_length: int | None, win_length: int | None, window: Tensor | None, name: str
) -> tuple[int, int]:
    hop = n_fft // 4 if hop_length is None else hop_length
    length = n_fft if win_length is None else win_length
    if hop <= 0:
        raise RuntimeError(f"{name}: expected hop_length > 0, but got hop_length={hop}")
    if not 0 < length <= n_fft:
        raise RuntimeError(f"{name}: expected 0 < win_length <= n_fft, but got win_length={length}")
    if window is not None and (window.dim() != 1 or window.shape[0] != length):
        raise RuntimeError(f"{name}: expected a 1D window tensor of size equal to win_length={length}, but got window "
                           f"with size {list(window.shape)}")  # fmt: skip
    return hop, length


@operation(method=True)
def stft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, center: bool = True, pad_mode: str = "reflect", normalized: bool = False,
    onesided: bool | None = None, return_complex: bool | None = None, align_to_window: bool | None = None,
) -> Tensor:  # fmt: skip
    """The spectra of overlapping windows of signals (L) or (B, L): (B, bins, frames), complex.

    Frames of `n_fft` points start every `hop_length` (n_fft // 4) ones; with `center` the signal is padded so that
    frame t is centred at t hop_length. `normalized` divides by √n_fft. Without `return_complex` real and imaginary
    parts come along a new last dimension.

    >>> ondol.stft(ondol.ones(8), 4, return_complex=True).shape
    torch.Size([3, 9])
    """
    hop, length = _lengths(n_fft, hop_length, win_length, window, "stft")
    if not (input.is_floating_point() or input.is_complex()):
        raise RuntimeError(f"stft: expected a tensor of floating point or complex values, got {input.dtype}")
    if input.dim() not in (1, 2):
        raise RuntimeError(f"stft: expected a 1D or 2D tensor, but got {input.dim()}D")
    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false.")
    complex_input = input.is_complex() or (window is not None and window.is_complex())
    if return_complex is None and not complex_input:
        raise RuntimeError("stft requires the return_complex parameter be given for real inputs, and will further "
                           "require that return_complex=True in a future PyTorch release.")  # fmt: skip
    onesided = not complex_input if onesided is None else onesided
    if onesided and complex_input:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    signal = input if input.dim() == 2 else input.unsqueeze(0)
    if center:
        signal = pad(signal, (n_fft // 2, n_fft // 2), pad_mode)
    elif align_to_window:
        left = (n_fft - length) // 2
        signal = pad(signal, (left, left))
    if not 0 < n_fft <= signal.shape[-1]:
        raise RuntimeError(f"stft: expected 0 < n_fft <= {signal.shape[-1]}, but got n_fft={n_fft}")
    frames = signal.unfold(-1, n_fft, hop)
    if window is not None or length != n_fft:
        frames = frames * _centred_window(window, length, n_fft, input)
    transform = transforms.rfft if onesided else transforms.fft
    spectrum = transform(frames, norm="ortho" if normalized else None).transpose(1, 2)
    if input.dim() == 1:
        spectrum = spectrum.squeeze(0)
    return spectrum if return_complex or return_complex is None else ondol.view_as_real(spectrum)


@operation(method=True)
def istft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, center: bool = True, normalized: bool = False, onesided: bool | None = None,
    length: int | None = None, return_complex: bool = False,
) -> Tensor:  # fmt: skip
    """The signal of which `stft` gave the spectra (B, bins, frames): the least squares one (Griffin & Lim 1984).

    Overlapping frames are added, each with its window again, and divided by the sum of the squared windows, which must
    not vanish anywhere.

    >>> x = ondol.arange(8.0)
    >>> ondol.istft(ondol.stft(x, 4, return_complex=True), 4)
    tensor([0., 1., 2., 3., 4., 5., 6., 7.])
    """
    hop, win_length = _lengths(n_fft, hop_length, win_length, window, "istft")
    if not input.is_complex():
        raise RuntimeError("istft requires a complex-valued input tensor matching the output from stft with "
                           f"return_complex=True, got {input.dtype}")  # fmt: skip
    if input.numel() == 0:
        raise RuntimeError("istft(...) : Expected a non-empty input tensor")
    if input.dim() not in (2, 3):
        raise RuntimeError(f"istft: expected a tensor with 2 or 3 dimensions, but got {input.dim()}")
    if return_complex and onesided:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    bins = input.shape[-2]
    onesided = (bins != n_fft) if onesided is None else onesided
    if bins != (n_fft // 2 + 1 if onesided else n_fft):
        raise RuntimeError(f"istft: expected the frequency dimension (3rd to the last) of the input tensor to match "
                           f"n_fft={n_fft}, onesided={onesided}, but got {bins}")  # fmt: skip
    spectra = (input if input.dim() == 3 else input.unsqueeze(0)).transpose(1, 2)
    norm = "ortho" if normalized else None
    if return_complex:
        frames = transforms.ifft(spectra, norm=norm)
    else:
        if window is not None and window.is_complex():
            raise RuntimeError("Complex windows are incompatible with return_complex=False")
        half = spectra if onesided else spectra[..., : n_fft // 2 + 1]
        frames = transforms.irfft(half, n_fft, norm=norm)
    full = _centred_window(window, win_length, n_fft, input)
    count = frames.shape[1]
    total = n_fft + hop * (count - 1)
    places = (ondol.arange(count).unsqueeze(1) * hop + ondol.arange(n_fft)).reshape(-1)
    weighted = (frames * full).reshape(frames.shape[0], -1)
    signal = weighted.new_zeros(frames.shape[0], total).index_add(1, places, weighted)
    squares = (full * full).expand(count, n_fft).reshape(-1)
    envelope = squares.new_zeros(total).index_add(0, places, squares)

    start = n_fft // 2 if center else 0
    end = start + length if length is not None else total - n_fft // 2 if center else total
    signal, envelope = signal[:, start:end], envelope[start:end]
    least = float(envelope.detach().abs().min()) if envelope.numel() else math.inf
    if not least > 1e-11:
        raise RuntimeError(f"istft(...) window overlap add min: {int(least > 1e-11)}")
    signal = signal / envelope
    if length is not None and signal.shape[1] < length:
        signal = ondol.cat([signal, signal.new_zeros(signal.shape[0], length - signal.shape[1])], 1)
    return signal if input.dim() == 3 else signal.squeeze(0)
