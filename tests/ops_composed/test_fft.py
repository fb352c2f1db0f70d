"""Fourier transforms against NumPy's, with their derivatives; short-time transforms and windows."""

import numpy as np
import pytest

import ondol
from ondol import fft
from ondol.autograd import gradcheck, gradgradcheck

rng = np.random.default_rng(0)
NORMS = [None, "forward", "backward", "ortho"]


def signal(name, *shape):
    real = rng.standard_normal(shape)
    return real if name in ("rfft", "rfftn", "rfft2", "ihfft") else real + 1j * rng.standard_normal(shape)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("n", [None, 3, 8])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_one_dimension_agrees_with_numpy(name, n, norm):
    x = signal(name, 2, 6)
    result = getattr(fft, name)(ondol.from_numpy(x), n, norm=norm)
    np.testing.assert_allclose(result.numpy(), getattr(np.fft, name)(x, n, norm=norm), atol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn", "fft2", "irfft2"])
def test_several_dimensions_agree_with_numpy(name, norm):
    x = signal(name, 2, 4, 5)
    result = getattr(fft, name)(ondol.from_numpy(x), s=(3, 6), dim=(0, 2), norm=norm)
    np.testing.assert_allclose(result.numpy(), getattr(np.fft, name)(x, s=(3, 6), axes=(0, 2), norm=norm), atol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("n", [None, 3, 7, 8])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_the_derivative_is_the_adjoint_transform(name, n, norm):
    x = ondol.from_numpy(signal(name, 6)).requires_grad_()
    function = lambda x: getattr(fft, name)(x, n, norm=norm)  # noqa: E731
    assert gradcheck(function, (x,))
    assert gradgradcheck(function, (x,))


@pytest.mark.parametrize("name", ["fftn", "rfftn", "irfftn", "hfftn", "ihfftn"])
def test_derivatives_over_several_dimensions(name):
    x = ondol.from_numpy(signal("rfft" if name == "ihfftn" else name, 3, 4)).requires_grad_()
    assert gradcheck(lambda x: getattr(fft, name)(x, norm="ortho"), (x,))


def test_hfftn_and_ihfftn_undo_each_other():
    x = ondol.from_numpy(rng.standard_normal((3, 4)))
    np.testing.assert_allclose(fft.hfftn(fft.ihfftn(x), s=(3, 4)).numpy(), x.numpy(), atol=1e-12)


def test_float32_gives_complex64_and_integers_too():
    assert fft.fft(ondol.ones(4)).dtype == ondol.complex64
    assert fft.rfft(ondol.ones(4, dtype=ondol.int64)).dtype == ondol.complex64
    assert fft.irfft(ondol.ones(4, dtype=ondol.complex64)).dtype == ondol.float32


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fft.rfft(ondol.ones(2, dtype=ondol.complex64)), "real"),
        (lambda: fft.fft(ondol.ones(2), 0), "Invalid number of data points"),
        (lambda: fft.fft(ondol.ones(2), norm="both"), "Invalid normalization mode"),
        (lambda: fft.fftn(ondol.ones(2, 2), dim=(0, 0)), "unique"),
        (lambda: fft.fftn(ondol.ones(2, 2), s=(1,), dim=(0, 1)), "same length"),
    ],
)
def test_bad_arguments_are_runtime_errors(call, message):
    with pytest.raises(RuntimeError, match=message):
        call()


@pytest.mark.parametrize("n", [4, 5])
def test_frequencies_and_shifts_agree_with_numpy(n):
    np.testing.assert_allclose(fft.fftfreq(n, 0.5).numpy(), np.fft.fftfreq(n, 0.5).astype(np.float32))
    np.testing.assert_allclose(fft.rfftfreq(n, 0.5).numpy(), np.fft.rfftfreq(n, 0.5).astype(np.float32))
    x = ondol.arange(n)
    assert fft.fftshift(x).tolist() == np.fft.fftshift(x.numpy()).tolist()
    assert fft.ifftshift(fft.fftshift(x)).tolist() == x.tolist()


def test_stft_is_the_fft_of_its_windowed_frames():
    x, window = rng.standard_normal(20), np.hanning(8)
    result = ondol.stft(ondol.from_numpy(x), 8, 4, window=ondol.from_numpy(window), center=False, return_complex=True)
    frames = np.stack([x[at : at + 8] * window for at in range(0, 13, 4)])
    np.testing.assert_allclose(result.numpy(), np.fft.rfft(frames).T, atol=1e-12)


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("length", [None, 30])
def test_istft_undoes_stft(normalized, length):
    x = ondol.from_numpy(rng.standard_normal((2, 32)))
    window = ondol.hann_window(8, dtype=ondol.float64)
    spectrum = ondol.stft(x, 8, 2, window=window, normalized=normalized, return_complex=True)
    back = ondol.istft(spectrum, 8, 2, window=window, normalized=normalized, length=length)
    np.testing.assert_allclose(back.numpy(), x[:, : length or 32].numpy(), atol=1e-12)


def test_istft_refuses_windows_that_leave_gaps():
    with pytest.raises(RuntimeError, match="window overlap add min"):
        ondol.istft(ondol.ones(5, 3, dtype=ondol.complex64), 8, 4, window=ondol.zeros(8))


def test_stft_is_differentiable_in_signal_and_window():
    x, window = (ondol.from_numpy(rng.standard_normal(size)).requires_grad_() for size in (16, 4))
    assert gradcheck(lambda x, w: ondol.stft(x, 4, window=w, return_complex=True), (x, window))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("hann", np.hanning),
        ("hamming", np.hamming),
        ("blackman", np.blackman),
        ("bartlett", np.bartlett),
        ("kaiser", lambda size: np.kaiser(size, 12.0)),
    ],
)
def test_windows_agree_with_numpy(ours, theirs):
    window = getattr(ondol.signal.windows, ours)(7, dtype=ondol.float64)
    np.testing.assert_allclose(window.numpy(), theirs(7), atol=1e-12)
    periodic = getattr(ondol, f"{ours}_window")(6, dtype=ondol.float64)
    np.testing.assert_allclose(periodic.numpy(), theirs(7)[:-1], atol=1e-12)


def test_windows_of_no_and_one_point_are_ones():
    assert ondol.signal.windows.hann(0).shape == (0,)
    assert ondol.signal.windows.gaussian(1).tolist() == [1.0]
