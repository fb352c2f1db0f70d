"""Special functions against values to fifteen digits, at and around the seams of their expansions."""

import math

import numpy as np
import pytest

import ondol
from ondol import special
from ondol.autograd import gradcheck, gradgradcheck

VALUES = [
    (
        "i0",
        (-9.0, -0.5, 0.25, 7.9, 8.1, 50.0),
        (1093.58835451137, 1.06348337074132, 1.01568614122361, 389.406283282158, 469.500606710121, 2.93255378384934e20),
    ),
    (
        "i0e",
        (-9.0, -0.5, 0.25, 7.9, 8.1, 50.0),
        (
            0.134959524581723,
            0.64503527044915,
            0.791017162139719,
            0.144369864141042,
            0.142511809488295,
            0.0565616266474542,
        ),
    ),
    (
        "i1",
        (-9.0, -0.5, 0.25, 7.9, 8.1, 50.0),
        (
            -1030.91472251696,
            -0.257894305390896,
            0.125979108945468,
            363.853944084508,
            439.484308910358,
            2.90307859010356e20,
        ),
    ),
    (
        "i1e",
        (-9.0, -0.5, 0.25, 7.9, 8.1, 50.0),
        (
            -0.127224983935891,
            -0.156420803184872,
            0.0981126286973682,
            0.134896499439894,
            0.133400688325837,
            0.0559931238928954,
        ),
    ),
    (
        "modified_bessel_k0",
        (0.5, 1.9, 2.1, 30.0),
        (0.924419071227666, 0.128845979276047, 0.100783740889967, 2.13247749646306e-14),
    ),
    (
        "modified_bessel_k1",
        (0.5, 1.9, 2.1, 30.0),
        (1.6564411200033, 0.159660153032668, 0.122746411533508, 2.16773200189155e-14),
    ),
    (
        "scaled_modified_bessel_k0",
        (0.5, 1.9, 2.1, 30.0),
        (1.52410938577391, 0.861450616751756, 0.823017152531662, 0.227886665616254),
    ),
    (
        "scaled_modified_bessel_k1",
        (0.5, 1.9, 2.1, 30.0),
        (2.73100970821179, 1.06747092981457, 1.00236805274058, 0.231654129377712),
    ),
    (
        "bessel_j0",
        (-9.0, -0.5, 0.25, 7.9, 8.1, 50.0),
        (
            -0.0903336111828761,
            0.938469807240813,
            0.984435929295853,
            0.194361844841278,
            0.147517454044378,
            0.0558123276692518,
        ),
    ),
    (
        "bessel_j1",
        (-9.0, -0.5, 0.25, 7.9, 8.1, 50.0),
        (
            -0.245311786573325,
            -0.242268457674874,
            0.124025977322727,
            0.219179399921751,
            0.247607766981593,
            -0.0975118281251751,
        ),
    ),
    (
        "bessel_y0",
        (0.5, 7.9, 8.1, 50.0),
        (-0.444518733506707, 0.206520948144376, 0.238091328702235, -0.0980649954700771),
    ),
    (
        "bessel_y1",
        (0.5, 7.9, 8.1, 50.0),
        (-1.47147239267024, -0.181721077280573, -0.133148795952496, -0.0567956685620148),
    ),
    (
        "spherical_bessel_j0",
        (-9.0, -0.5, 0.25, 50.0),
        (0.0457909428046396, 0.958851077208406, 0.989615837018092, -0.00524749707407858),
    ),
    (
        "airy_ai",
        (-10.0, -3.1, -2.9, 0.0, 1.9, 2.1, 8.0),
        (
            0.0402412384864432,
            -0.404382222390978,
            -0.341905095672983,
            0.355028053887817,
            0.0405944200315295,
            0.0299526021158665,
            4.69220761609923e-8,
        ),
    ),
    (
        "erfcx",
        (-2.0, 0.0, 1.0, 10.0, 100.0),
        (108.940904389978, 1.0, 0.427583576155807, 0.0561409927438226, 0.00564161378298943),
    ),
    (
        "log_ndtr",
        (-30.0, -2.0, 0.5, 4.0),
        (-454.321243956343, -3.78318433368203, -0.368946415288656, -3.16717433774893e-5),
    ),
    ("ndtri", (1e-10, 0.01, 0.3, 0.9), (-6.36134090240437, -2.32634787404084, -0.524400512708041, 1.2815515655446)),
]


def double(*values):
    return ondol.tensor(values, dtype=ondol.float64)


@pytest.mark.parametrize(("name", "points", "expected"), VALUES, ids=[row[0] for row in VALUES])
def test_values_hold_to_thirteen_digits(name, points, expected):
    np.testing.assert_allclose(getattr(special, name)(double(*points)).numpy(), expected, rtol=1e-13)


@pytest.mark.parametrize("name", [row[0] for row in VALUES if row[0] != "airy_ai"])
def test_first_and_second_derivatives(name):
    points = double(0.2, 0.7) if name == "ndtri" else double(0.3, 1.7, 2.5, 9.0)
    assert gradcheck(getattr(special, name), (points.requires_grad_(),))
    assert gradgradcheck(getattr(special, name), (points,))


@pytest.mark.parametrize("name", ["i0", "i0e", "i1", "i1e", "bessel_j0", "bessel_j1", "spherical_bessel_j0"])
def test_the_value_and_slope_at_zero_are_finite(name):
    zero = ondol.zeros(1, dtype=ondol.float64, requires_grad=True)
    getattr(special, name)(zero).backward()
    assert math.isfinite(zero.grad.item())


def test_what_has_no_derivative_says_so_in_backward():
    with pytest.raises(NotImplementedError, match="derivative"):
        special.airy_ai(ondol.ones(1, requires_grad=True)).backward()


def test_hurwitz_zeta():
    result = special.zeta(double(2, 1.5, 3, 2), double(1, 0.25, 20.5, -1.5))
    np.testing.assert_allclose(
        result.numpy(), [1.64493406684823, 10.2130553604666, 0.00124921988618387, 9.37924664498912], rtol=1e-13
    )


def test_zeta_at_its_poles_and_outside_its_domain():
    result = special.zeta(double(1, 2, 0.5, 2.5), double(2, -1, 1, -1.5))
    assert result[:2].tolist() == [math.inf, math.inf]
    assert ondol.isnan(result[2:]).all()


def test_incomplete_gamma_functions_are_complementary():
    a, x = double(0.5, 3, 3, 100), double(0.5, 1, 10, 90.5)
    expected = [0.682689492137086, 0.0803013970713942, 0.997230604284488, 0.171499541896693]
    np.testing.assert_allclose(special.gammainc(a, x).numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose((special.gammainc(a, x) + special.gammaincc(a, x)).numpy(), 1, rtol=1e-14)


def test_incomplete_gamma_is_differentiable_in_its_second_argument_only():
    a, x = double(0.5, 3.0), double(0.7, 4.0).requires_grad_()
    assert gradcheck(lambda x: special.gammainc(a, x), (x,))
    with pytest.raises(NotImplementedError, match="first argument"):
        special.gammainc(a.requires_grad_(), x).sum().backward()


def test_polygamma():
    for order, point, expected in (
        (1, 0.5, 4.93480220054468),
        (2, 1.25, -1.32773993753692),
        (4, 3.0, -0.136266123440878),
    ):
        assert special.polygamma(order, double(point)).item() == pytest.approx(expected, rel=1e-12)


def test_entropy_of_zero_is_zero_and_of_a_negative_number_minus_infinity():
    assert special.entr(double(0, -1, 1)).tolist() == [0.0, -math.inf, 0.0]


def test_xlogy_of_zero_is_zero_unless_the_other_is_nan():
    result = special.xlogy(double(0, 0, 0), double(0, math.inf, math.nan))
    assert result[:2].tolist() == [0.0, 0.0]
    assert math.isnan(result[2].item())


def test_multigammaln_of_one_dimension_is_lgamma():
    assert special.multigammaln(double(2.5), 1).item() == pytest.approx(math.lgamma(2.5))


@pytest.mark.parametrize(
    ("name", "degree", "coefficients"),
    [
        ("chebyshev_polynomial_t", 3, (0, -3, 0, 4)),
        ("chebyshev_polynomial_u", 3, (0, -4, 0, 8)),
        ("chebyshev_polynomial_v", 2, (-1, -2, 4)),
        ("chebyshev_polynomial_w", 2, (-1, 2, 4)),
        ("shifted_chebyshev_polynomial_t", 2, (1, -8, 8)),
        ("hermite_polynomial_h", 3, (0, -12, 0, 8)),
        ("hermite_polynomial_he", 3, (0, -3, 0, 1)),
        ("laguerre_polynomial_l", 2, (1, -2, 0.5)),
        ("legendre_polynomial_p", 3, (0, -1.5, 0, 2.5)),
    ],
)
def test_polynomials_have_their_coefficients(name, degree, coefficients):
    x = double(-0.7, 0.0, 0.3, 1.0, 2.5)
    expected = sum(factor * x.numpy() ** power for power, factor in enumerate(coefficients))
    np.testing.assert_allclose(getattr(special, name)(x, degree).numpy(), expected, atol=1e-12)
    assert gradcheck(lambda x: getattr(special, name)(x, degree), (x.clone().requires_grad_(),))


def test_a_polynomial_of_negative_degree_is_zero():
    assert special.legendre_polynomial_p(double(0.5), -1).item() == 0.0


def test_degrees_may_differ_between_elements():
    assert special.chebyshev_polynomial_t(double(0.5, 0.5, 0.5), ondol.tensor([0, 1, 2])).tolist() == [1.0, 0.5, -0.5]


def test_integers_give_the_default_dtype_and_half_precision_stays():
    assert special.i0e(ondol.ones(1, dtype=ondol.int64)).dtype == ondol.float32
    assert special.i0e(ondol.ones(1, dtype=ondol.bfloat16)).dtype == ondol.bfloat16
