//! Who beats whom in everything.

/// Whether `a` is at least as good as `b` in every figure and better in one. Larger is better.
pub(super) fn dominates<const N: usize>(a: &[f64; N], b: &[f64; N]) -> bool {
    a.iter().zip(b).all(|(a, b)| a >= b) && a.iter().zip(b).any(|(a, b)| a > b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_nowhere_worse_and_somewhere_better_dominates() {
        assert!(dominates(&[1.0, 2.0, 3.0], &[1.0, 2.0, 2.0]));
        assert!(!dominates(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]));
        assert!(!dominates(&[2.0, 1.0, 3.0], &[1.0, 2.0, 3.0]));
        assert!(!dominates(&[f64::NAN, 2.0, 3.0], &[1.0, 2.0, 2.0]));
    }
}
