//! How much is taken at once?

/// A block holds so many of the largest attempts seen.
const ATTEMPTS_PER_BLOCK: u64 = 8;
/// And at least one part in so many of the limit: 0.5 %.
const BLOCKS_PER_LIMIT: u64 = 200;
/// More is asked for when less than this share of a block is left.
const ENOUGH_PERCENT: u64 = 40;

/// The size of a block.
pub(super) fn size(amount: u64, largest_need: u64) -> u64 {
    largest_need.saturating_mul(ATTEMPTS_PER_BLOCK).max(amount.div_ceil(BLOCKS_PER_LIMIT)).max(1)
}

/// What must be left of it for nothing to be asked.
pub(super) fn enough(block: u64) -> u64 {
    u64::try_from(u128::from(block) * u128::from(ENOUGH_PERCENT) / 100).unwrap_or(block).max(1)
}

/// The new total of rights: a block beyond what is used, never more than the limit, never less than before.
pub(super) fn total(amount: u64, granted: u64, used: u64, block: u64) -> u64 {
    used.saturating_add(block).min(amount).max(granted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_follow_the_largest_attempt_and_the_limit() {
        for (amount, largest, block) in [(1000, 0, 5), (1000, 1, 8), (1000, 100, 800), (7, 0, 1), (0, 0, 1)] {
            assert_eq!(size(amount, largest), block, "{amount} {largest}");
        }
        assert_eq!(size(u64::MAX, u64::MAX), u64::MAX);
    }

    #[test]
    fn rights_never_exceed_the_limit_and_never_shrink() {
        for (amount, granted, used, block, expected) in [
            (100, 0, 0, 10, 10),
            (100, 10, 7, 10, 17),
            (100, 95, 92, 10, 100),
            (100, 100, 100, 10, 100),
            (50, 80, 80, 10, 80),
        ] {
            assert_eq!(total(amount, granted, used, block), expected);
        }
    }
}
