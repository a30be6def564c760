//! Times to a whole answer, in buckets.

use pointsman_config::latency::LATENCY_BOUNDS_MS;

const BUCKETS: usize = LATENCY_BOUNDS_MS.len() + 1;

/// Counts per bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies([u64; BUCKETS]);

impl From<&[u64]> for Latencies {
    fn from(counts: &[u64]) -> Self {
        let mut latencies = Self::default();
        latencies.0.iter_mut().zip(counts).for_each(|(mine, theirs)| *mine = *theirs);
        latencies
    }
}

impl Latencies {
    pub(super) fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine = (*mine).max(theirs));
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine = mine.saturating_add(theirs));
    }
}

/// The median in milliseconds, interpolated inside its bucket; none without calls. Beyond the last bound it is that bound.
pub fn median_ms(latencies: &Latencies) -> Option<u64> {
    let count: u64 = latencies.0.iter().sum();
    let mut before = 0;
    for (index, in_bucket) in latencies.0.iter().copied().enumerate().filter(|(_, in_bucket)| *in_bucket > 0)
    {
        if (before + in_bucket) * 2 >= count {
            let low = if index == 0 { 0 } else { LATENCY_BOUNDS_MS[index - 1] };
            let high = LATENCY_BOUNDS_MS.get(index).copied().unwrap_or(low);
            let into = (count as f64 / 2.0 - before as f64) / in_bucket as f64;
            return Some(low + ((high - low) as f64 * into).round() as u64);
        }
        before += in_bucket;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_inside_its_bucket() {
        for (counts, expected) in [
            (vec![], None),
            (vec![0, 0, 4], Some(30)),
            (vec![1, 0, 0, 0, 1], Some(10)),
            (vec![0, 1, 0, 0, 2], Some(100)),
            (vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7], Some(81_920)),
        ] {
            assert_eq!(median_ms(&Latencies::from(counts.as_slice())), expected, "{counts:?}");
        }
    }
}
