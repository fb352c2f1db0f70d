"""A line search for the strong Wolfe conditions (Nocedal & Wright 2006, algorithms 3.5 and 3.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ondol import Tensor

SUFFICIENT_DECREASE, CURVATURE = 1e-4, 0.9
TOLERANCE = 1e-9
EDGE = 0.1
"""A trial nearer to the end of the bracket than this part of it counts as little progress."""


class Point(NamedTuple):
    """A point on the line: where, the objective, its gradient, and its slope along the line."""

    t: Any
    value: float
    gradient: Tensor
    slope: Any


def strong_wolfe(
    evaluate: Callable[[Any], tuple[float, Tensor]],
    t: Any,
    direction: Tensor,
    value: float,
    gradient: Tensor,
    slope: Any,
    max_iterations: int,
) -> tuple[float, Tensor, Any, int]:
    """Find a step length at which the objective has fallen enough and its slope is flat enough.

    Args:
        evaluate: the objective and its gradient at a step length.
        t: the first length to try.
        direction: of the line.
        value, gradient, slope: at length 0.
        max_iterations: how many lengths may be tried after the first.

    Returns:
        The objective, the gradient, the step length, and how often `evaluate` was called.
    """

    def point(t: Any) -> Point:
        value, gradient = evaluate(t)
        return Point(t, value, gradient, gradient.dot(direction))

    def too_high(new: Point) -> bool:
        return new.value > value + SUFFICIENT_DECREASE * new.t * slope

    def flat_enough(new: Point) -> bool:
        return abs(new.slope) <= -CURVATURE * slope

    start = Point(0, value, gradient.clone(), slope)
    previous, new = start, point(t)
    calls, iteration, found = 1, 0, False

    # Widen until the bracket [previous, new] holds a minimum.
    bracket = [start, new]
    while iteration < max_iterations:
        bracket = [previous, new]
        if too_high(new) or (iteration > 1 and new.value >= previous.value):
            break
        if flat_enough(new):
            bracket, found = [new], True
            break
        if new.slope >= 0:
            break
        least, most = new.t + 0.01 * (new.t - previous.t), new.t * 10
        previous, new = new, point(_minimum_of_cubic(previous, new, least, most))
        calls += 1
        iteration += 1
    else:
        bracket = [start, new]

    # Narrow it: `low` is the end with the lower value.
    low, high = _ends(bracket)
    little_progress = False
    longest = direction.abs().max()
    while not found and iteration < max_iterations:
        left, right = min(point.t for point in bracket), max(point.t for point in bracket)
        if (right - left) * longest < TOLERANCE:
            break
        t = _minimum_of_cubic(bracket[0], bracket[1], left, right)
        margin = EDGE * (right - left)
        if min(right - t, t - left) < margin:
            if little_progress or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                little_progress = False
            else:
                little_progress = True
        else:
            little_progress = False
        new = point(t)
        calls += 1
        iteration += 1
        if too_high(new) or new.value >= bracket[low].value:
            bracket[high] = new
            low, high = _ends(bracket)
        else:
            if flat_enough(new):
                found = True
            elif new.slope * (bracket[high].t - bracket[low].t) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = new
    best = bracket[low]
    return best.value, best.gradient, best.t, calls


def _ends(bracket: list[Point]) -> tuple[int, int]:
    return (0, 1) if bracket[0].value <= bracket[-1].value else (1, 0)


def _minimum_of_cubic(a: Point, b: Point, least: Any, most: Any) -> Any:
    """The minimum of the cubic through two points with their slopes (eq. 3.59), kept between `least` and `most`."""
    d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.t - b.t)
    square = d1**2 - a.slope * b.slope
    if square < 0:
        return (least + most) / 2.0
    near, far = (a, b) if a.t <= b.t else (b, a)
    d2 = square**0.5
    t = far.t - (far.t - near.t) * ((far.slope + d2 - d1) / (far.slope - near.slope + 2 * d2))
    return min(max(t, least), most)
