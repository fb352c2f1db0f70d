"""The formulas of the papers in NumPy, one parameter, double precision: each yields the parameter after every step."""

import math

import numpy as np

START = np.array([[1.0, -2.0, 0.5], [0.3, 0.7, -1.1]])
STEPS = 7


def gradient(p, step):
    """Of a smooth problem that changes from step to step."""
    return 2 * (p - 0.3 * step) + 3 * np.cos(3 * p)


def sgd(lr=0.1, momentum=0, dampening=0, weight_decay=0, nesterov=False, maximize=False):
    p, buffer = START.copy(), None
    for t in range(STEPS):
        g = (-1 if maximize else 1) * gradient(p, t) + weight_decay * p
        if momentum:
            buffer = g if buffer is None else momentum * buffer + (1 - dampening) * g
            g = g + momentum * buffer if nesterov else buffer
        p = p - lr * g
        yield p


def adam(lr=0.1, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, decoupled=False):
    p, m, v, largest = START.copy(), 0, 0, 0
    for t in range(1, STEPS + 1):
        g = gradient(p, t - 1)
        if decoupled:
            p = p * (1 - lr * weight_decay)
        else:
            g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        largest = np.maximum(largest, v)
        root = np.sqrt((largest if amsgrad else v) / (1 - betas[1] ** t))
        p = p - lr * m / (1 - betas[0] ** t) / (root + eps)
        yield p


def adamw(weight_decay=0.01, **options):
    return adam(weight_decay=weight_decay, decoupled=True, **options)


def adamax(lr=0.1, betas=(0.9, 0.999), eps=1e-8, weight_decay=0):
    p, m, u = START.copy(), 0, 0
    for t in range(1, STEPS + 1):
        g = gradient(p, t - 1) + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        u = np.maximum(betas[1] * u, np.abs(g) + eps)
        p = p - lr / (1 - betas[0] ** t) * m / u
        yield p


def nadam(lr=0.1, betas=(0.9, 0.999), eps=1e-8, momentum_decay=4e-3):
    p, m, v, product = START.copy(), 0, 0, 1
    for t in range(1, STEPS + 1):
        g = gradient(p, t - 1)
        mu, mu_next = (betas[0] * (1 - 0.5 * 0.96 ** (i * momentum_decay)) for i in (t, t + 1))
        product = product * mu
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        m_hat = mu_next * m / (1 - product * mu_next) + (1 - mu) * g / (1 - product)
        p = p - lr * m_hat / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
        yield p


def radam(lr=0.1, betas=(0.9, 0.999), eps=1e-8):
    p, m, v = START.copy(), 0, 0
    limit = 2 / (1 - betas[1]) - 1
    for t in range(1, STEPS + 1):
        g = gradient(p, t - 1)
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        length = limit - 2 * t * betas[1] ** t / (1 - betas[1] ** t)
        step = m / (1 - betas[0] ** t)
        if length > 5:
            r = math.sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length))
            step = step * r * math.sqrt(1 - betas[1] ** t) / (np.sqrt(v) + eps)
        p = p - lr * step
        yield p


def adadelta(lr=1.0, rho=0.9, eps=1e-6):
    p, s, d = START.copy(), 0, 0
    for t in range(STEPS):
        g = gradient(p, t)
        s = rho * s + (1 - rho) * g**2
        delta = np.sqrt(d + eps) / np.sqrt(s + eps) * g
        d = rho * d + (1 - rho) * delta**2
        p = p - lr * delta
        yield p


def adagrad(lr=0.1, lr_decay=0, eps=1e-10, initial_accumulator_value=0):
    p, s = START.copy(), initial_accumulator_value
    for t in range(STEPS):
        g = gradient(p, t)
        s = s + g**2
        p = p - lr / (1 + t * lr_decay) * g / (np.sqrt(s) + eps)
        yield p


def asgd(lr=0.1, lambd=1e-2, alpha=0.75, t0=2):
    p, eta = START.copy(), lr
    for t in range(1, STEPS + 1):
        p = p * (1 - lambd * eta) - eta * gradient(p, t - 1)
        eta = lr / (1 + lambd * lr * t) ** alpha
        yield p


def rmsprop(lr=0.1, alpha=0.9, eps=1e-8, momentum=0, centered=False, weight_decay=0):
    p, s, mean, buffer = START.copy(), 0, 0, 0
    for t in range(STEPS):
        g = gradient(p, t) + weight_decay * p
        s = alpha * s + (1 - alpha) * g**2
        mean = alpha * mean + (1 - alpha) * g
        step = g / (np.sqrt(s - mean**2 if centered else s) + eps)
        buffer = momentum * buffer + step
        p = p - lr * (buffer if momentum else step)
        yield p


def rprop(lr=0.1, etas=(0.5, 1.2), step_sizes=(1e-6, 50)):
    p, previous, size = START.copy(), 0, lr
    for t in range(STEPS):
        g = gradient(p, t)
        agreement = np.sign(g * previous)
        size = np.clip(size * np.select([agreement > 0, agreement < 0], [etas[1], etas[0]], 1), *step_sizes)
        g = np.where(agreement < 0, 0, g)
        p = p - np.sign(g) * size
        previous = g
        yield p


def adafactor(lr=0.1, beta2_decay=-0.8, d=1.0, weight_decay=0):
    p, rows, columns = START.copy(), 0, 0
    eps1, eps2 = np.finfo(p.dtype).eps, 1e-3
    for t in range(1, STEPS + 1):
        g = gradient(p, t - 1)
        beta2 = 1 - t**beta2_decay
        alpha = max(eps2, np.sqrt(np.mean(p**2))) * min(lr, 1 / math.sqrt(t))
        p = p * (1 - lr * weight_decay)
        rows = beta2 * rows + (1 - beta2) * np.mean(g**2, 1, keepdims=True)
        columns = beta2 * columns + (1 - beta2) * np.mean(g**2, 0, keepdims=True)
        u = g / np.maximum(np.sqrt(rows * columns / max(np.mean(rows), eps1)), eps1)
        p = p - alpha * u / max(1, np.sqrt(np.mean(u**2)) / d)
        yield p
