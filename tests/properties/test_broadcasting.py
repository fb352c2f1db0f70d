"""Pointwise operations on broadcast operands of any layout, against NumPy, with PyTorch's rules of promotion."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from array_strategies import (
    DTYPES,
    FLOATS,
    INTEGERS,
    REALS,
    Pair,
    assert_same,
    examples,
    made,
    numpy_dtype,
    ondol_dtype,
    pairs,
    shapes,
)
from hypothesis import given
from hypothesis import strategies as st

import ondol


@pytest.fixture(autouse=True)
def silence():
    with np.errstate(all="ignore"):
        yield


# --- PyTorch's rules of promotion ---------------------------------------------------------------------------------


def kind(name):
    """bool < integer < floating < complex."""
    return 0 if name == "bool" else 1 if name in INTEGERS else 2 if name in FLOATS else 3


def joined(a, b):
    """The dtype of two operands of equal standing."""
    if kind(a) != kind(b):
        low, high = sorted((a, b), key=kind)
        return "complex128" if high == "complex64" and low == "float64" else high
    if {a, b} == {"bfloat16", "float16"}:
        return "float32"
    if "bfloat16" in (a, b):
        return a if b == "bfloat16" else b
    return np.promote_types(a, b).name


def promoted(operands):
    """Tensors with dims decide, then tensors without, then Python's numbers, each if its kind is above the others'."""
    standing = {0: None, 1: None, 2: None}  # dims, no dims, number
    for operand in operands:
        if isinstance(operand, Pair):
            name, level = name_of(operand.tensor), 0 if operand.array.ndim else 1
        else:
            level = 2
            name = {bool: "bool", int: "int64", float: "float32", complex: "complex64"}[type(operand)]
        standing[level] = name if standing[level] is None else joined(standing[level], name)
    return combined(standing[0], combined(standing[1], standing[2]))


def combined(higher, lower):
    """The dtype of lower standing counts only if its kind is above."""
    if higher is None or lower is None:
        return higher or lower
    if kind(higher) == 2 and kind(lower) == 3:
        return {"float64": "complex128", "float16": "complex32"}.get(higher, "complex64")
    return higher if kind(lower) <= kind(higher) else joined(higher, lower)


def name_of(tensor):
    return str(tensor.dtype).removeprefix("torch.")


# --- operands -----------------------------------------------------------------------------------------------------


@st.composite
def operands(draw, names=DTYPES, count=2, special=False, scalars=True):
    """Pairs of shapes that broadcast, some without dims, and perhaps one number of Python's."""
    shape = draw(shapes())
    result = []
    for i in range(count):
        if scalars and i and draw(st.integers(0, 4)) == 0:
            kinds = [st.booleans(), st.integers(-5, 5), st.sampled_from([0.5, -2.0, 3.0])]
            kinds = kinds[1:] if "bool" not in names else kinds
            result.append(draw(kinds[0] if names == INTEGERS else st.one_of(*kinds[: 1 if names == ("bool",) else 3])))
            continue
        mine = shape[draw(st.integers(0, len(shape))) :] if draw(st.booleans()) else shape
        mine = tuple(1 if draw(st.integers(0, 4)) == 0 else size for size in mine)
        result.append(draw(pairs(mine, names=names, special=special)))
    return draw(st.permutations(result)) if draw(st.booleans()) else result


def arrays(values, name):
    return [np.asarray(one.array if isinstance(one, Pair) else one).astype(numpy_dtype(name)) for one in values]


def tensors(values):
    return [one.tensor if isinstance(one, Pair) else one for one in values]


def rounded(values, name):
    values = np.asarray(values)
    return made(values, name).float().numpy() if name == "bfloat16" else values.astype(name)


def computed(function, values, name):
    """In the dtype of the result; half precision in float32, and rounded once."""
    wide = "float32" if name in ("float16", "bfloat16") else name
    return rounded(function(*arrays(values, wide)), name)


# --- tests --------------------------------------------------------------------------------------------------------

ARITHMETIC = {"add": np.add, "sub": np.subtract, "mul": np.multiply}


@examples(150)
@given(operands(special=True), st.sampled_from(sorted(ARITHMETIC)))
def test_arithmetic(values, which):
    name = promoted(values)
    if name == "complex32" or not isinstance(values[0], Pair) or (which == "sub" and name == "bool"):
        return
    if which == "sub" and any(_is_bool(one) for one in values):
        with pytest.raises(RuntimeError):
            ondol.sub(*tensors(values))
        return
    if kind(name) == 3 and any(not np.isfinite(array).all() for array in arrays(values, name)):
        return  # infinities of complex numbers: no two libraries agree
    assert_same(getattr(ondol, which)(*tensors(values)), computed(ARITHMETIC[which], values, name), name)


def _is_bool(value):
    return isinstance(value, bool) or (isinstance(value, Pair) and value.tensor.dtype == ondol.bool)


@examples(100)
@given(operands(names=(*REALS, "bool"), special=True))
def test_true_division_gives_floating_numbers(values):
    name = promoted(values)
    name = name if kind(name) >= 2 else "float32"
    if isinstance(values[0], Pair) and not any(type(one) in (int, float, bool) for one in values[1:]):
        assert_same(values[0].tensor / tensors(values)[1], computed(np.divide, values, name), name)


ROUNDED_DIVISION = {"floor_divide": np.floor_divide, "remainder": np.remainder, "fmod": np.fmod}


@examples(100)
@given(operands(names=REALS), st.sampled_from(sorted(ROUNDED_DIVISION)))
def test_division_with_rounding(values, which):
    name = promoted(values)
    if not isinstance(values[0], Pair) or name in ("float16", "bfloat16"):
        return
    divisor = arrays(values, name)[1]
    if name in INTEGERS and (divisor == 0).any():
        if np.broadcast_shapes(*(np.shape(one) for one in arrays(values, name))).count(0) == 0:
            with pytest.raises(RuntimeError, match="ZeroDivisionError"):
                getattr(ondol, which)(*tensors(values))
        return
    found = getattr(ondol, which)(*tensors(values))
    expected = computed(ROUNDED_DIVISION[which], values, name)
    if which == "floor_divide" and name in FLOATS:  # of x / 0 NumPy's versions disagree about the NaN
        expected = np.where(divisor == 0, arrays(values, name)[0] / divisor, expected)
    assert_same(found, expected, name)


COMPARISONS = {name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")}


@examples(100)
@given(operands(names=(*REALS, "bool"), special=True), st.sampled_from(sorted(COMPARISONS)))
def test_comparison(values, which):
    name = promoted(values)
    if isinstance(values[0], Pair) and not (name == "bfloat16" and any(type(one) is float for one in values)):
        with_half = [rounded(one, name) for one in arrays(values, name)]
        assert_same(getattr(ondol, which)(*tensors(values)), COMPARISONS[which](*with_half), "bool")


EXTREMES = {"maximum": np.maximum, "minimum": np.minimum, "fmax": np.fmax, "fmin": np.fmin}


@examples(60)
@given(operands(names=(*REALS, "bool"), special=True, scalars=False), st.sampled_from(sorted(EXTREMES)))
def test_greater_and_lesser(values, which):
    name = promoted(values)
    expected = rounded(EXTREMES[which](*[rounded(one, name) for one in arrays(values, name)]), name)
    assert_same(getattr(ondol, which)(*tensors(values)), expected, name)


LOGIC = {"logical_and": np.logical_and, "logical_or": np.logical_or, "logical_xor": np.logical_xor}
BITS = {"bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or, "bitwise_xor": np.bitwise_xor}


@examples(60)
@given(operands(scalars=False, special=True), st.sampled_from(sorted(LOGIC)))
def test_logic(values, which):
    wide = "float32" if promoted(values) == "bfloat16" else promoted(values)
    in_common = arrays(values, "complex64" if wide == "complex32" else wide)  # a number may become 0 in its dtype
    assert_same(getattr(ondol, which)(*tensors(values)), LOGIC[which](*in_common), "bool")


@examples(60)
@given(operands(names=(*INTEGERS, "bool"), special=True), st.sampled_from(sorted(BITS)))
def test_bits(values, which):
    name = promoted(values)
    if kind(name) < 2 and isinstance(values[0], Pair):
        assert_same(getattr(ondol, which)(*tensors(values)), computed(BITS[which], values, name), name)


@examples(60)
@given(operands(special=True), st.data())
def test_where_takes_from_one_or_the_other(values, data):
    name = promoted(values)
    if name == "complex32" or not any(isinstance(one, Pair) for one in values):
        return
    try:
        shape = np.broadcast_shapes(*(np.shape(one) for one in arrays(values, name)))
    except ValueError:
        return
    condition = data.draw(pairs(shape, names=("bool",)))
    expected = np.where(condition.array, *[rounded(one, name) for one in arrays(values, name)])
    assert_same(ondol.where(condition.tensor, *tensors(values)), expected, name)


@examples(60)
@given(operands(names=("float32", "float64", "int64"), count=3, special=True, scalars=False))
def test_clamp_between_tensors(values):
    name = promoted(values)
    x, low, high = arrays(values, name)
    expected = np.minimum(np.maximum(x, low), high)
    assert_same(ondol.clamp(*tensors(values)), expected, name)


@examples(60)
@given(operands(names=("float32", "float64", "int64"), count=3))
def test_addcmul_and_lerp_broadcast_three_operands(values):
    if not all(isinstance(one, Pair) for one in values):
        return
    name = promoted(values)
    assert_same(ondol.addcmul(*tensors(values)), computed(lambda a, b, c: a + b * c, values, name), name)


@examples(150)
@given(operands(names=DTYPES), st.sampled_from(sorted(ARITHMETIC)))
def test_in_place_keeps_dtype_and_shape_or_refuses(values, which):
    """The result's kind must fit, and the shape must not grow; what is refused changes nothing."""
    if not isinstance(values[0], Pair) or (which == "sub" and any(_is_bool(one) for one in values)):
        return
    target = values[0].tensor.clone()
    name, own = promoted(values), name_of(target)
    if name == "complex32":
        return
    before = target.tolist()
    shape = np.broadcast_shapes(*(np.shape(one) for one in arrays(values, name)))
    if kind(name) > kind(own) or shape != tuple(target.shape):
        with pytest.raises(RuntimeError):
            getattr(target, f"{which}_")(tensors(values)[1])
        assert target.tolist() == before and name_of(target) == own
        return
    getattr(target, f"{which}_")(tensors(values)[1])
    assert_same(target, rounded(computed(ARITHMETIC[which], values, name), own), own)


@examples(60)
@given(shapes(smallest=1), shapes(smallest=1))
def test_shapes_that_do_not_broadcast_are_refused(one, other):
    a, b = ondol.ones(one), ondol.ones(other)
    try:
        shape = np.broadcast_shapes(one, other)
    except ValueError:
        for call in (a.add, a.eq, a.pow, lambda b: ondol.where(a > 0, a, b), a.maximum):
            with pytest.raises(RuntimeError, match="must match"):
                call(b)
        with pytest.raises(RuntimeError):
            ondol.broadcast_shapes(one, other)
        return
    assert (a + b).shape == shape and ondol.broadcast_shapes(one, other) == shape
    assert [tuple(part.shape) for part in ondol.broadcast_tensors(a, b)] == [shape] * 2


@examples(100)
@given(operands(names=REALS, special=True), st.data())
def test_out_receives_the_result_in_its_own_dtype(values, data):
    name = promoted(values)
    if not isinstance(values[0], Pair):
        return
    own = data.draw(st.sampled_from(DTYPES))
    out = ondol.empty(0, dtype=ondol_dtype(own))
    if kind(own) < kind(name):
        with pytest.raises(RuntimeError):
            ondol.add(*tensors(values), out=out)
        assert out.numel() == 0
        return
    result = computed(np.add, values, name)
    if (kind(own) == 1 and not np.isfinite(result).all()) or (kind(own) == kind(name) and own != name):
        return  # of a narrower dtype what does not fit is undefined
    assert ondol.add(*tensors(values), out=out) is out
    assert_same(out, rounded(result, own), own)
