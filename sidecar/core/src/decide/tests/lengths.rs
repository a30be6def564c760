//! What a call costs where the scorer says how long its answer will be.

use super::*;

#[test]
fn a_longer_answer_costs_more_and_takes_longer_as_far_as_the_call_lets_it_grow() {
    let snapshot = World::new(policy()).snapshot();
    let decided = |length: f64| {
        let scored =
            [0.9, 0.8, 0.7].map(|value| CandidateScore { value, source: ScoreSource::Scorer, length });
        let scores = Scores { candidates: &scored, method: ScoreMethod::Embedding, ..Scores::NONE };
        run(&snapshot, &Call { scores, ..Call::default() })
    };
    let (usual, longer, endless) = (decided(1.0), decided(2.0), decided(1e9));
    for (i, row) in usual.considered.iter().enumerate() {
        let prices = snapshot.targets[row.target].model.prices.expect("a price");
        let of_output = |tokens: f64| tokens * prices.output.0 as f64 / 1e6;
        let cost = |d: &Decision| d.considered[i].expected_cost.expect("a price").0 as f64;
        let bound = row.step.output_bound as f64;
        let more = (2.0 * row.usual_output).min(bound) - row.usual_output;
        assert!((cost(&longer) - cost(&usual) - of_output(more)).abs() <= 1.0, "{row:?}");
        assert!(longer.considered[i].expected_ms > row.expected_ms);
        let most = of_output(bound - row.usual_output);
        assert!((cost(&endless) - cost(&usual) - most).abs() <= 1.0);
        // What a Hybrid budget keeps for it, and what an answer that broke off is charged, follow; the bound does not.
        let (likely, longest) = (longer.considered[i].step.likely, endless.considered[i].step.likely);
        assert!(likely.cost > row.step.likely.cost && likely.tokens > row.step.likely.tokens, "{row:?}");
        assert!(
            longest.cost <= row.step.bound.cost && longest.tokens <= row.step.bound.tokens,
            "{longest:?}"
        );
        assert!(longest.cost >= likely.cost && longer.considered[i].step.bound == row.step.bound);
        assert_eq!((row.length, longer.considered[i].length), (1.0, 2.0));
    }
    // What is no positive number is as long as usual.
    for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(decided(wrong).considered[0].expected_cost, usual.considered[0].expected_cost);
    }
}
