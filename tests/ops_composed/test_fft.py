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


def relative_error(result, expected):
    """The largest error beside the largest value."""
    return np.abs(result.numpy() - expected).max() / np.abs(expected).max()


# 1009 and 4099 are primes, 10007 as well; 1001 = 7 * 11 * 13; 2187 = 3 ** 7; the others mix small factors.
LENGTHS = [*range(1, 131), 256, 400, 512, 1000, 1001, 1009, 2048, 2187, 4096, 4099, 10007]


@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 5e-15)])
@pytest.mark.parametrize("lines", [1, 11])
def test_transforms_of_every_length_are_as_exact_as_numpys(lines, dtype, tolerance, dim):
    """In rows and in columns; by few lines and by more than a vector has lanes, not a multiple of those."""
    for n in LENGTHS:
        x = rng.standard_normal((lines, n) if dim else (n, lines)).astype(dtype)
        z = x + x.dtype.type(1) * 1j * rng.standard_normal(x.shape).astype(dtype)
        half = z[:, : n // 2 + 1] if dim else z[: n // 2 + 1]
        expected = np.fft.fft(z.astype(complex), axis=dim)
        assert relative_error(fft.fft(ondol.from_numpy(z), dim=dim), expected) < tolerance, n
        expected = np.fft.ifft(z.astype(complex), axis=dim)
        assert relative_error(fft.ifft(ondol.from_numpy(z), dim=dim), expected) < tolerance, n
        expected = np.fft.rfft(x.astype(float), axis=dim)
        assert relative_error(fft.rfft(ondol.from_numpy(x), dim=dim), expected) < tolerance, n
        expected = np.fft.irfft(half.astype(complex), n, axis=dim)
        assert relative_error(fft.irfft(ondol.from_numpy(half.copy()), n, dim=dim), expected) < tolerance, n


@pytest.mark.parametrize("dims", [(0,), (1,), (2,), (0, 1), (2, 0), (1, 2), (2, 1, 0)])
@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
def test_any_subset_of_dimensions_can_be_transformed(name, dims):
    x = signal(name, 16, 9, 34)
    result = getattr(fft, name)(ondol.from_numpy(x), dim=dims)
    np.testing.assert_allclose(result.numpy(), getattr(np.fft, name)(x, axes=dims), atol=1e-11)


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft"])
@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.transpose(0, 2),
        lambda x: x[:, ::2, ::3],
        lambda x: x[:1].expand(6, 5, 64),
        lambda x: x[1:, 1:-1, 3:-2],
    ],
    ids=["transposed", "with steps", "repeated", "a part"],
)
def test_signals_may_lie_anyhow_in_memory(name, view):
    x = view(ondol.from_numpy(signal(name, 6, 5, 64)))
    for dim in (0, 1, 2):
        result = getattr(fft, name)(x, dim=dim)
        assert result.is_contiguous()
        np.testing.assert_allclose(result.numpy(), getattr(np.fft, name)(x.numpy(), axis=dim), atol=1e-12)


def test_results_do_not_depend_on_the_number_of_threads():
    threads = ondol.get_num_threads()
    try:
        for shape in ((37, 1024), (37, 300), (1024, 37), (64, 1009)):
            z = ondol.from_numpy(signal("fft", *shape))
            for dim in (0, 1):
                results = []
                for count in (1, 4):
                    ondol.set_num_threads(count)
                    results.append(fft.fft(z, dim=dim))
                assert ondol.equal(*results)
    finally:
        ondol.set_num_threads(threads)


def test_empty_batches_have_empty_spectra():
    assert fft.fft(ondol.ones(0, 8, dtype=ondol.complex64)).shape == (0, 8)
    assert fft.rfft(ondol.ones(0, 8)).shape == (0, 5)
    assert fft.irfft(ondol.ones(0, 5, dtype=ondol.complex64)).shape == (0, 8)


def test_a_signal_too_long_for_memory_is_an_error():
    with pytest.raises((RuntimeError, MemoryError)):
        fft.fft(ondol.ones(1, dtype=ondol.complex64).expand(2**50))


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
    function = lambda x: getattr(fft, name)(x, norm="ortho")  # noqa: E731
    assert gradcheck(function, (x,))
    assert gradgradcheck(function, (x,))


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
