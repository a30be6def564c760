//! Recorded outcomes, and a player that chooses by price as the data plane does.

use std::collections::VecDeque;
use std::time::Duration;

use pointsman_config::money::{Nano, PricePerMillion, Prices};
use pointsman_config::provider::Prior;
use pointsman_config::usage::Usage;
use pointsman_core::lengths::{Learned, Seen};
use pointsman_core::shadow::{self, ShadowPrice};

/// One model of a file.
pub(crate) struct Model {
    prices: Prices,
    prior: Prior,
}

/// One recorded call: (right, output tokens) per model.
pub(crate) struct Call {
    task: usize,
    input: u64,
    answers: Vec<(f64, u64)>,
}

/// A file of outcomes.
pub(crate) struct Outcomes {
    pub(crate) name: &'static str,
    models: Vec<Model>,
    tasks: Vec<Vec<f64>>,
    calls: Vec<Call>,
}

impl Outcomes {
    /// Those of this repository.
    pub(crate) fn committed() -> [Self; 3] {
        [
            Self::parse("mmlupro", include_str!("../outcomes/mmlupro.txt")),
            Self::parse("zeroeval", include_str!("../outcomes/zeroeval.txt")),
            Self::parse("routellm", include_str!("../outcomes/routellm.txt")),
        ]
    }

    /// Reads what `draw.py` writes.
    pub(crate) fn parse(name: &'static str, text: &str) -> Self {
        let mut found = Self { name, models: Vec::new(), tasks: Vec::new(), calls: Vec::new() };
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["model", _, input, output, quality, length] => {
                    let price = |usd: &str| PricePerMillion::parse_usd(usd).expect("a price");
                    found.models.push(Model {
                        prices: Prices { input: price(input), output: price(output), cached_input: None },
                        prior: Prior {
                            quality: number(quality),
                            output_tokens: number(length),
                            ..Prior::default()
                        },
                    });
                }
                ["task", ref qualities @ ..] => {
                    found.tasks.push(qualities.iter().map(|q| number(q)).collect())
                }
                ["call", task, input, ref answers @ ..] => found.calls.push(Call {
                    task: task.parse().expect("a task"),
                    input: input.parse().expect("tokens"),
                    answers: answers.iter().map(|answer| parse_answer(answer)).collect(),
                }),
                _ => assert!(line.starts_with('#'), "not a line of outcomes: {line}"),
            }
        }
        found
    }

    fn cost(&self, call: &Call, model: usize) -> Nano {
        let usage = Usage { input: call.input, output: call.answers[model].1, ..Usage::default() };
        self.models[model].prices.cost(&usage)
    }

    fn mean_cost(&self, model: usize) -> f64 {
        let sum: f64 = self.calls.iter().map(|call| self.cost(call, model).as_usd()).sum();
        sum / self.calls.len() as f64
    }

    /// USD per call.
    pub(crate) fn share_of_dearest(&self, share: f64) -> f64 {
        (0..self.models.len()).map(|model| self.mean_cost(model)).fold(0.0, f64::max) * share
    }

    /// USD per call of the cheapest model.
    pub(crate) fn cheapest_possible(&self) -> f64 {
        (0..self.models.len()).map(|model| self.mean_cost(model)).fold(f64::MAX, f64::min)
    }

    /// The one price at which these very calls cost so much each.
    pub(crate) fn best_price(&self, usd: f64) -> f64 {
        let (mut low, mut high) = (shadow::LOWEST, shadow::HIGHEST);
        for _ in 0..60 {
            let middle = (low * high).sqrt();
            let played = Run { fixed: Some(middle), ..Run::default() }.play(self, usd);
            if played.spent > usd * played.calls as f64 { low = middle } else { high = middle }
        }
        high
    }
}

fn number(text: &str) -> f64 {
    text.parse().expect("a number")
}

fn parse_answer(text: &str) -> (f64, u64) {
    let (score, output) = text.split_once(':').expect("score:tokens");
    (number(score), output.parse().expect("tokens"))
}

/// How a file is played.
#[derive(Debug)]
pub(crate) struct Run {
    /// The start is so many times too high.
    pub(crate) wrong_by: f64,
    /// Whether quality is known per kind of prompt, or per model alone.
    pub(crate) knows_the_task: bool,
    /// Calls that are decided before the first of them is settled.
    pub(crate) in_flight: usize,
    /// How often the file is played.
    pub(crate) passes: usize,
    /// The priors' answer lengths are so many times too long.
    pub(crate) priors_wrong_by: f64,
    /// A price that stays.
    pub(crate) fixed: Option<f64>,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            wrong_by: 1.0,
            knows_the_task: true,
            in_flight: 1,
            passes: 1,
            priors_wrong_by: 1.0,
            fixed: None,
        }
    }
}

/// What came of it.
pub(crate) struct Played {
    pub(crate) calls: usize,
    pub(crate) spent: f64,
    pub(crate) right: f64,
}

struct Flying<'a> {
    call: &'a Call,
    model: usize,
    expected: Nano,
}

impl Run {
    /// Plays every call, aiming at `target` USD each.
    pub(crate) fn play(&self, outcomes: &Outcomes, target: f64) -> Played {
        self.play_at(outcomes, |_, _| target)
    }

    /// The same, where each call asks for its target anew: by its number, and what was spent before it.
    pub(crate) fn play_at(&self, outcomes: &Outcomes, mut target: impl FnMut(usize, f64) -> f64) -> Played {
        let mut aim = |call: usize, spent: f64| Nano((target(call, spent) * 1e9).round() as u64);
        let first = aim(0, 0.0);
        let priors: Vec<Prior> = outcomes.models.iter().map(|model| self.prior(model)).collect();
        let mut learned = vec![Learned::default(); priors.len()];
        let mut price = ShadowPrice::at(self.fixed.unwrap_or_else(|| self.start(outcomes, first)));
        let mut flying: VecDeque<Flying<'_>> = VecDeque::new();
        let mut played = Played { calls: 0, spent: 0.0, right: 0.0 };
        for call in (0..self.passes).flat_map(|_| &outcomes.calls) {
            let target = aim(played.calls, played.spent);
            let expected: Vec<Nano> = (0..priors.len())
                .map(|i| {
                    let expected = learned[i].expected(&priors[i]);
                    expected.cost(&outcomes.models[i].prices, call.input, expected.output_tokens)
                })
                .collect();
            let worth = |i: usize| self.quality(outcomes, call, i) - price.lambda() * expected[i].as_usd();
            let best =
                |a: &usize, b: &usize| worth(*a).total_cmp(&worth(*b)).then(expected[*b].cmp(&expected[*a]));
            let model = (0..priors.len()).max_by(best).expect("models");
            played.calls += 1;
            played.spent += outcomes.cost(call, model).as_usd();
            played.right += call.answers[model].0;
            if self.fixed.is_none() {
                price.on_decision(target, expected[model]);
            }
            flying.push_back(Flying { call, model, expected: expected[model] });
            while flying.len() >= self.in_flight {
                let Some(Flying { call, model, expected }) = flying.pop_front() else { break };
                let output = call.answers[model].1;
                let usage = Usage { input: call.input, output, ..Usage::default() };
                let seen = Seen { usage, answers: 1, length: 1.0, first: None, took: Duration::ZERO };
                learned[model].observe(&seen, &priors[model]);
                if self.fixed.is_none() {
                    price.on_settlement(target, expected, outcomes.cost(call, model));
                }
            }
        }
        played
    }

    fn prior(&self, model: &Model) -> Prior {
        Prior { output_tokens: model.prior.output_tokens * self.priors_wrong_by, ..model.prior }
    }

    fn quality(&self, outcomes: &Outcomes, call: &Call, model: usize) -> f64 {
        if self.knows_the_task {
            outcomes.tasks[call.task][model]
        } else {
            outcomes.models[model].prior.quality
        }
    }

    /// The start that the data plane takes, from the first call and the priors; then made wrong.
    fn start(&self, outcomes: &Outcomes, target: Nano) -> f64 {
        let input = outcomes.calls[0].input;
        let candidates: Vec<(f64, f64)> = outcomes
            .models
            .iter()
            .map(|model| {
                let output = self.prior(model).output_tokens.round() as u64;
                (model.prior.quality, model.prices.bound(input, output).as_usd())
            })
            .collect();
        shadow::start(&candidates, target) * self.wrong_by
    }
}

/// Ends a test visibly that has nothing to play.
pub(crate) fn skip(reason: &str) {
    use std::io::Write;
    let line = format!("SKIPPED: {}: {reason}\n", std::thread::current().name().unwrap_or("a test"));
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(path) = std::env::var_os("POINTSMAN_SKIPPED") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes()))
            .expect("the file of skipped tests is writable");
    }
}
