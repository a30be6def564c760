//! The buckets in which both halves count times to a whole answer.

/// Upper bounds in milliseconds, those of `gen_ai.client.operation.duration`; one more bucket holds the rest.
pub const LATENCY_BOUNDS_MS: [u64; 14] =
    [10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 5_120, 10_240, 20_480, 40_960, 81_920];
