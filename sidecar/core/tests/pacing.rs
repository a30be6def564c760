//! Does a window's money last to its end, however unevenly calls come?

#[allow(dead_code, reason = "shared with another test")]
mod replay;

use std::time::Duration;

use pointsman_config::money::Nano;
use pointsman_core::pace::{Rate, TimeLeft, per_call};
use replay::{Outcomes, Run};

const DAY: u64 = 86_400;

/// The second of the day at which each call comes: by night a tenth of what comes by day.
fn arrivals(calls: usize) -> Vec<u64> {
    let weight = |second: u64| {
        let hour = second as f64 / 3600.0;
        0.1 + 0.9 * (std::f64::consts::PI * (hour - 6.0) / 12.0).sin().max(0.0)
    };
    let minutes: Vec<f64> = (0..DAY / 60).map(|minute| weight(minute * 60)).collect();
    let all: f64 = minutes.iter().sum();
    let (mut at, mut sum, mut found) = (0, 0.0, Vec::new());
    for call in 0..calls {
        while at + 1 < minutes.len() && sum + minutes[at] < (call as f64 + 0.5) / calls as f64 * all {
            sum += minutes[at];
            at += 1;
        }
        found.push(at as u64 * 60);
    }
    found
}

#[test]
fn a_days_money_lasts_to_the_evening_and_is_spent() {
    for outcomes in Outcomes::committed() {
        let run = Run { passes: 10, ..Run::default() };
        let calls = 8_000;
        let arrivals = arrivals(calls);
        let amount = outcomes.share_of_dearest(0.3) * calls as f64;
        let (mut rate, mut before) = (Rate::default(), 0);
        let mut by_quarter = [(0.0, 0usize); 4];
        let mut last = 0.0;
        let played = run.play_at(&outcomes, |call, spent| {
            let now = arrivals[call.min(calls - 1)];
            if now > before {
                rate.observe(call as u64, Duration::from_secs(now - before));
                before = now;
            }
            let quarter = &mut by_quarter[call.min(calls - 1) * 4 / calls];
            *quarter = (quarter.0 + spent - last, quarter.1 + 1);
            last = spent;
            let time = TimeLeft { left: Duration::from_secs(DAY - now), window: Duration::from_secs(DAY) };
            let left = Nano(((amount - spent).max(0.0) * 1e9) as u64);
            per_call(left, Some(time), &rate).as_usd()
        });
        assert_eq!(played.calls, calls);
        let used = played.spent / amount;
        assert!((0.90..=1.0).contains(&used), "{}: {used:.3} of the day's money", outcomes.name);
        // Nobody starves: the last quarter of the calls gets at least half of its even share.
        let evening = by_quarter[3].0 / (amount / 4.0);
        assert!(evening > 0.5, "{}: {evening:.3} of an even share is left for the evening", outcomes.name);
    }
}
