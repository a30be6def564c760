//! The coefficient of a model that no scorer knows: quality, raised or lowered by price and speed.
//!
//! It is shown to people who compare models without a prompt. Choices never use it: they weigh quality, cost and speed
//! themselves, and would count price and speed twice.

/// USD per thousand tokens where the price is unknown.
pub const NEUTRAL_COST_PER_THOUSAND: f64 = 0.01;
/// Seconds of an average answer where the speed is unknown.
pub const NEUTRAL_SECONDS: f64 = 3.0;

/// `clamp(2 x quality x cost factor x speed factor, 0.1, 2)`; price in USD per thousand tokens, time in seconds.
pub fn coefficient(quality: f64, cost_per_thousand: Option<f64>, seconds: Option<f64>) -> f64 {
    let cost = factor(NEUTRAL_COST_PER_THOUSAND, cost_per_thousand.unwrap_or(NEUTRAL_COST_PER_THOUSAND));
    let speed = factor(NEUTRAL_SECONDS, seconds.unwrap_or(NEUTRAL_SECONDS));
    (2.0 * quality * cost * speed).clamp(0.1, 2.0)
}

/// One at the neutral value, up to a tenth more below it and less above. Nothing at all counts as twice as good.
fn factor(neutral: f64, value: f64) -> f64 {
    let efficiency = if value > 0.0 { (neutral / value).clamp(0.1, 2.0) } else { 2.0 };
    (1.0 + 0.1 * (efficiency - 1.0)).min(1.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_six_published_check_values_come_out() {
        for (quality, cost, seconds, expected) in [
            (0.85, 0.015, 2.1, 1.71376),
            (0.80, 0.01, 3.0, 1.6),
            (0.5, 0.0005, 1.0, 1.21),
            (0.78, 0.075, 6.0, 1.35356),
            (0.85, 0.001, 1.0, 2.0),
            (0.5, 1.0, 100.0, 0.8281),
        ] {
            let found = coefficient(quality, Some(cost), Some(seconds));
            assert!((found - expected).abs() < 5e-6, "{quality} {cost} {seconds}: {found}");
        }
    }

    #[test]
    fn what_is_unknown_is_neutral_and_what_is_free_counts_as_twice_as_good() {
        assert_eq!(coefficient(0.8, None, None), 1.6);
        assert!((coefficient(0.8, Some(0.0), None) - 1.76).abs() < 1e-12);
    }
}
