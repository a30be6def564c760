//! Word pieces and pairs of neighbours as sparse features, weighted like TF-IDF.

use std::ops::Range;

/// Pairs of neighbouring tokens are hashed into so many places.
pub const PAIRS: usize = 1 << 15;

/// The features of one text that are not zero: (place, value), by rising place.
pub type Terms = Vec<(u32, f32)>;

/// Writes how often each token and each pair stands in the text, as `1 + ln(count)`, by rising place. Tokens come first,
/// then the places of pairs.
pub fn counted(tokens: &[u32], vocabulary: usize, terms: &mut Terms) {
    terms.clear();
    terms.extend(tokens.iter().map(|token| (*token, 1.0)));
    terms.extend(tokens.windows(2).map(|pair| (pair_place(pair[0], pair[1], vocabulary), 1.0)));
    terms.sort_unstable_by_key(|(place, _)| *place);
    terms.dedup_by(|later, first| {
        let same = later.0 == first.0;
        if same {
            first.1 += later.1;
        }
        same
    });
    terms.iter_mut().for_each(|(_, count)| *count = 1.0 + count.ln());
}

/// Weighs each feature by how rare it is, and makes the whole of length one.
pub(super) fn weighted(terms: &mut Terms, rarity: &[f32]) {
    let mut square = 0.0;
    for (place, value) in terms.iter_mut() {
        *value *= rarity[*place as usize];
        square += *value * *value;
    }
    if square > 0.0 {
        let length = square.sqrt();
        terms.iter_mut().for_each(|(_, value)| *value /= length);
    }
}

/// All places.
pub fn places(vocabulary: usize) -> Range<usize> {
    0..vocabulary + PAIRS
}

fn pair_place(first: u32, second: u32, vocabulary: usize) -> u32 {
    // The finaliser of MurmurHash3 over both tokens: cheap, and every bit of both reaches every bit of the place.
    let mut hash = u64::from(first) << 32 | u64::from(second);
    hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    vocabulary as u32 + ((hash ^ hash >> 33) % PAIRS as u64) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tokens: &[u32]) -> Terms {
        let mut terms = Terms::new();
        counted(tokens, 100, &mut terms);
        terms
    }

    #[test]
    fn tokens_and_pairs_are_counted_in_logarithms() {
        let terms = of(&[7, 3, 7, 3]);
        assert_eq!(terms[0], (3, 1.0 + 2.0f32.ln()));
        assert_eq!(terms[1], (7, 1.0 + 2.0f32.ln()));
        // 7-3 twice and 3-7 once.
        let mut pairs: Vec<f32> = terms[2..].iter().map(|(_, value)| *value).collect();
        pairs.sort_by(f32::total_cmp);
        assert_eq!(pairs, [1.0, 1.0 + 2.0f32.ln()]);
        assert!(terms.is_sorted_by_key(|(place, _)| *place));
        assert!(terms.iter().all(|(place, _)| places(100).contains(&(*place as usize))));
    }

    #[test]
    fn the_order_of_a_pair_matters() {
        assert_ne!(pair_place(1, 2, 0), pair_place(2, 1, 0));
    }

    #[test]
    fn a_weighted_text_has_length_one_and_an_empty_one_none() {
        let mut terms = of(&[1, 2, 3]);
        weighted(&mut terms, &vec![2.0; 100 + PAIRS]);
        let square: f32 = terms.iter().map(|(_, value)| value * value).sum();
        assert!((square - 1.0).abs() < 1e-6);
        let mut none = of(&[]);
        weighted(&mut none, &[]);
        assert!(none.is_empty());
    }
}
