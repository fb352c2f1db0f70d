#pragma once

// How samples of the gamma and beta distributions move with a parameter while the uniform number behind them stands
// still: at the quantile x of F(x; a), dx/da = -(∂F/∂a) / (∂F/∂x) (implicit reparameterisation: Figurnov, Mohamed &
// Mnih 2018; Jankowiak & Obermeyer 2018).

namespace ondol {

/// For the gamma distribution with shape `a` and rate 1. `precision` is the relative error that will do.
double gamma_quantile_slope(double x, double a, double precision);

/// For the beta distribution with density x^(a-1) (1-x)^(b-1) / B(a, b), over 1 - x. `y` is 1 - x, and may be 0.
double beta_quantile_slope(double x, double y, double a, double b, double precision);

}  // namespace ondol
