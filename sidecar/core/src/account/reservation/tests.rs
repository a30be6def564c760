#![allow(clippy::unwrap_used)]
use pointsman_config::budget::Enforcement;
use pointsman_config::money::PricePerMillion;
use proptest::prelude::*;

use super::*;
use crate::account::LimitTerms;

fn limit(unit: Unit, enforcement: Enforcement, amount: u64) -> Arc<LimitLive> {
    let terms = LimitTerms {
        unit,
        enforcement,
        binding: enforcement != Enforcement::Soft,
        window_id: "w".to_owned(),
    };
    let limit = Arc::new(LimitLive::new(terms, amount, 0));
    limit.grant(amount);
    limit
}

fn step(bound: u64, likely: u64) -> Step {
    let need = |cost| Need { cost: Nano(cost), tokens: cost, requests: 1 };
    Step { output_bound: 0, write_cap: None, bound: need(bound), likely: need(likely) }
}

/// One token costs one nano-USD.
const PRICES: Prices =
    Prices { input: PricePerMillion(1_000_000), output: PricePerMillion(1_000_000), cached_input: None };

fn used(tokens: u64) -> Usage {
    Usage { output: tokens, ..Usage::default() }
}

#[test]
fn strict_reserves_the_worst_case_and_settles_at_what_was_used() {
    let usd = limit(Unit::Usd, Enforcement::Strict, 100);
    let held = reserve(&[Arc::clone(&usd)], &step(60, 10)).unwrap();
    assert_eq!((usd.room(), usd.reserved(), usd.spent()), (Some(40), 60, 0));
    assert_eq!(
        reserve(&[Arc::clone(&usd)], &step(41, 1)).unwrap_err(),
        Lost { limit: 0, more_coming: false }
    );
    let charge = settle(held, Some(&PRICES), Settlement::Usage(used(25)));
    assert_eq!((charge.cost, usd.room(), usd.reserved(), usd.spent()), (Nano(25), Some(75), 0, 25));
}

#[test]
fn several_limits_are_taken_all_or_nothing() {
    let wide = limit(Unit::Usd, Enforcement::Strict, 1000);
    let narrow = limit(Unit::Requests, Enforcement::Strict, 1);
    let both = [Arc::clone(&wide), Arc::clone(&narrow)];
    let first = reserve(&both, &step(10, 10)).unwrap();
    assert_eq!(reserve(&both, &step(10, 10)).unwrap_err().limit, 1);
    assert_eq!((wide.reserved(), narrow.reserved()), (10, 1));
    settle(first, Some(&PRICES), Settlement::Usage(used(10)));
    assert_eq!((wide.spent(), narrow.spent()), (10, 1));
}

#[test]
fn rights_that_are_on_their_way_are_told_from_a_limit_that_is_used_up() {
    let terms = LimitTerms {
        unit: Unit::Usd,
        enforcement: Enforcement::Strict,
        binding: true,
        window_id: "w".to_owned(),
    };
    let live = Arc::new(LimitLive::new(terms, 100, 30));
    assert!(reserve(&[Arc::clone(&live)], &step(50, 50)).unwrap_err().more_coming);
    assert!(live.wants_more() && live.is_short(1));
    live.grant(90);
    assert!(!live.wants_more());
    let held = reserve(&[Arc::clone(&live)], &step(50, 50)).unwrap();
    assert!(!reserve(&[Arc::clone(&live)], &step(50, 50)).unwrap_err().more_coming);
    drop(held);
}

#[test]
fn every_way_an_attempt_ends_has_its_price() {
    for (outcome, strict, soft) in [
        (Settlement::Usage(used(25)), (25, 0), (25, 0)),
        (Settlement::Usage(used(0)), (0, 0), (0, 0)),
        (Settlement::Counted(used(20)), (22, 22), (22, 22)),
        (Settlement::Counted(used(90)), (60, 60), (60, 60)),
        (Settlement::NotSent, (0, 0), (0, 0)),
        (Settlement::Refused, (0, 0), (0, 0)),
        (Settlement::Abandoned, (60, 60), (10, 10)),
        (Settlement::Unknown, (60, 60), (0, 0)),
    ] {
        for (enforcement, expected) in [(Enforcement::Strict, strict), (Enforcement::Soft, soft)] {
            let usd = limit(Unit::Usd, enforcement, 1000);
            let held = reserve(&[Arc::clone(&usd)], &step(60, 10)).unwrap();
            let charge = settle(held, Some(&PRICES), outcome);
            assert_eq!((charge.cost.0, charge.uncertain.0), expected, "{outcome:?} {enforcement:?}");
            assert_eq!((usd.spent(), usd.uncertain(), usd.reserved()), (expected.0, expected.1, 0));
        }
    }
}

#[test]
fn a_limit_in_tokens_is_charged_what_was_counted_but_never_more_than_was_reserved() {
    for (outcome, spent, uncertain) in [
        (Settlement::Usage(used(25)), 25, 0),
        (Settlement::Counted(used(20)), 22, 22),
        (Settlement::Counted(used(58)), 60, 60),
        (Settlement::Counted(Usage { input: 70, output: 5, ..Usage::default() }), 60, 60),
        (Settlement::Refused, 0, 0),
        (Settlement::Unknown, 60, 60),
    ] {
        // A model without a known price: what is estimated of it must still say so.
        for prices in [Some(&PRICES), None] {
            let tokens = limit(Unit::Tokens, Enforcement::Strict, 60);
            let held = reserve(&[Arc::clone(&tokens)], &step(60, 10)).unwrap();
            settle(held, prices, outcome);
            assert_eq!((tokens.spent(), tokens.uncertain()), (spent, uncertain), "{outcome:?}");
            assert_eq!(tokens.reserved(), 0);
        }
    }
}

#[test]
fn a_spend_beyond_counting_leaves_the_limit_full_instead_of_empty() {
    let usd = limit(Unit::Usd, Enforcement::Strict, 100);
    let dear = Prices { output: PricePerMillion(u64::MAX), ..PRICES };
    let held = [10, 10].map(|need| reserve(&[Arc::clone(&usd)], &step(need, need)).unwrap());
    for held in held {
        settle(held, Some(&dear), Settlement::Usage(used(u64::MAX)));
    }
    assert_eq!((usd.spent(), usd.room()), (u64::MAX, Some(0)));
    assert!(reserve(&[Arc::clone(&usd)], &step(1, 1)).is_err());
}

#[test]
fn a_reservation_that_is_dropped_is_charged_like_an_unknown_end() {
    let usd = limit(Unit::Usd, Enforcement::Strict, 100);
    drop(reserve(&[Arc::clone(&usd)], &step(60, 10)).unwrap());
    assert_eq!((usd.spent(), usd.uncertain(), usd.reserved()), (60, 60, 0));
}

#[test]
fn hybrid_reserves_what_is_likely_until_the_limit_is_near() {
    let usd = limit(Unit::Usd, Enforcement::Hybrid, 10_000);
    let first = reserve(&[Arc::clone(&usd)], &step(400, 100)).unwrap();
    assert_eq!(usd.reserved(), 100);
    // The first call owes 300 of the margin of 500: the second one must reserve its worst case.
    let second = reserve(&[Arc::clone(&usd)], &step(400, 100)).unwrap();
    assert_eq!(usd.reserved(), 500);
    settle(first, Some(&PRICES), Settlement::Usage(used(400)));
    settle(second, Some(&PRICES), Settlement::Usage(used(400)));
    assert_eq!((usd.spent(), usd.reserved()), (800, 0));
}

#[test]
fn a_lowered_amount_takes_back_rights_but_keeps_what_was_spent() {
    let usd = limit(Unit::Usd, Enforcement::Strict, 100);
    let held = reserve(&[Arc::clone(&usd)], &step(60, 60)).unwrap();
    usd.set_amount(50);
    assert!(reserve(&[Arc::clone(&usd)], &step(1, 1)).is_err());
    settle(held, Some(&PRICES), Settlement::Usage(used(20)));
    assert_eq!((usd.spent(), usd.room()), (20, Some(30)));
}

#[derive(Clone, Debug)]
enum Act {
    Reserve { bound: u64, likely: u64 },
    Settle { which: usize, share: u64, how: u8 },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        (1u64..400, 0u64..400).prop_map(|(bound, likely)| Act::Reserve { bound, likely: likely.min(bound) }),
        (0usize..8, 0u64..=100, 0u8..5).prop_map(|(which, share, how)| Act::Settle { which, share, how }),
    ];
    prop::collection::vec(act, 1..200)
}

proptest! {
    /// As long as providers keep the cap, neither Strict nor Hybrid ever spends more than the limit.
    #[test]
    fn spend_never_exceeds_the_limit(
        acts in acts(),
        hybrid in any::<bool>(),
        in_tokens in any::<bool>(),
        amount in 1u64..5_000,
    ) {
        let unit = if in_tokens { Unit::Tokens } else { Unit::Usd };
        let enforcement = if hybrid { Enforcement::Hybrid } else { Enforcement::Strict };
        let usd = limit(unit, enforcement, amount);
        let mut open: Vec<(Reservation, u64)> = Vec::new();
        for act in acts {
            match act {
                Act::Reserve { bound, likely } => {
                    if let Ok(held) = reserve(&[Arc::clone(&usd)], &step(bound, likely)) {
                        open.push((held, bound));
                    }
                }
                Act::Settle { which, share, how } if !open.is_empty() => {
                    let (held, bound) = open.swap_remove(which % open.len());
                    let actual = bound * share / 100;
                    match how {
                        0 => drop(held),
                        1 => { settle(held, Some(&PRICES), Settlement::NotSent); }
                        2 => { settle(held, Some(&PRICES), Settlement::Counted(used(actual))); }
                        _ => { settle(held, Some(&PRICES), Settlement::Usage(used(actual))); }
                    }
                }
                Act::Settle { .. } => {}
            }
        }
        drop(open);
        prop_assert!(usd.spent() <= amount, "{} > {amount}", usd.spent());
        prop_assert_eq!(usd.reserved(), 0);
    }
}

#[test]
fn sixty_four_threads_never_take_more_than_was_granted() {
    let usd = limit(Unit::Usd, Enforcement::Strict, 10_000);
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                for _ in 0..100 {
                    if let Ok(held) = reserve(&[Arc::clone(&usd)], &step(50, 50)) {
                        settle(held, Some(&PRICES), Settlement::Usage(used(3)));
                    }
                }
            });
        }
    });
    assert!(usd.spent() <= 10_000 && usd.reserved() == 0);
    assert!(usd.spent() > 9_900, "{}", usd.spent());
}
