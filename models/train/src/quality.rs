//! Every way of choosing on the same prompts: what `make quality` shows.
//!
//! Predictions come from nested cross-validation: penalty and rank are chosen without the fold that is judged. What is
//! called "left out" is the everyday case of a new model: it had no part in training, and only its mean is known.

use std::collections::BTreeMap;

use pointsman_models::scorer::response::{Peers, estimate};

use crate::curve::{self, Point, SPENDS, Truth, cost_for};
use crate::outcomes::Source;
use crate::sets::{Whole, set_of};
use crate::solve::Table;
use crate::split::fold;
use crate::train::SALT;
use crate::validate::{
    Chosen, Complete, FOLDS, Material, Shape, choose, expected_cost, folds, judge, nested, parted, usual_cost,
};

/// The best fixed split, told the true means of the prompts that are judged.
pub const BLIND: &str = "blind mix";
/// The best fixed split by the means of the other folds: what somebody could have chosen.
pub const BLIND_BEFORE: &str = "blind mix chosen before";
/// The shadow price with the routing model.
pub const ONE_PRICE: &str = "one price, routing model";
/// The same where three models had no part in training.
pub const THREE_LEFT_OUT: &str = "the same, three left out";
/// Who knows the answers.
pub const ORACLE: &str = "oracle";

/// So many draws of prompts make an interval.
const DRAWS: usize = 200;
/// So many models are left out.
const LEFT_OUT: usize = 3;
/// The shape of what is trained without them.
const PLAIN: Shape = Shape { penalty: 100.0, rank: 3, kinds: true };
/// So many labels are few.
pub const FEW: usize = 1000;
/// So often are few labels drawn.
const DRAWS_OF_FEW: usize = 3;
/// A group of fewer prompts says nothing.
const LEAST_JUDGED: usize = 100;
/// With two models, questions are cut into parts in so many ways.
pub const SPLITS: usize = 5;
/// Texts are told apart by their length in so many classes.
const CLASSES: usize = 5;
/// Budgets of the per-prompt program, as shares of the dearest model.
const BUDGETS: usize = 60;

/// One way of choosing.
#[derive(Clone, Debug)]
pub struct Way {
    /// What it is called.
    pub name: &'static str,
    /// What it earns at what cost.
    pub curve: Vec<Point>,
}

/// Everything on one source.
#[derive(Clone, Debug)]
pub struct Quality {
    /// Its name.
    pub source: String,
    /// How many prompts it has.
    pub prompts: usize,
    /// The model of the highest quality.
    pub strongest: Point,
    /// The ways, from the blind mix to the oracle.
    pub ways: Vec<Way>,
    /// 95 % intervals of the spend (as a share) for 95 % of the strongest's quality, and of the gain over the blind mix at
    /// each of [`SPENDS`], of one price with the scorer.
    pub interval: Interval,
    /// With two models: by group of tasks, how much of the gap is recovered, and over how many prompts; the mean over several
    /// ways to cut the questions into parts.
    pub recovered: Vec<Recovered>,
    /// The same where only [`FEW`] prompts were labelled.
    pub recovered_by_few: Vec<Recovered>,
    /// The names of the models that had no part in training, and the intervals of what is earned without.
    pub left_out: Option<(Vec<String>, Interval)>,
}

/// How much of the gap between two models is recovered in one group of tasks.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The group.
    pub group: String,
    /// The average share; a coin has one half.
    pub gap: f64,
    /// Its 95 % interval over draws of prompts.
    pub interval: Option<(f64, f64)>,
    /// Over so many prompts.
    pub prompts: usize,
}

/// From the 2.5th to the 97.5th percentile of the draws.
#[derive(Clone, Debug, Default)]
pub struct Interval {
    /// Of the spend for 95 % of the strongest's quality.
    pub spend: (f64, f64),
    /// Of the gains.
    pub gains: [(f64, f64); 10],
    /// Of their mean.
    pub mean: (f64, f64),
}

/// Judges every way; none where nothing is known of costs. `progress` hears what is being done.
pub fn quality(material: Material<'_>, progress: &mut dyn FnMut(&str)) -> Option<Quality> {
    let source = material.source;
    let folds = folds(source, SALT);
    let (expected, usual) = (expected_cost(material, &folds)?, usual_cost(material, &folds)?);
    let predicted = nested(material, SALT, progress);
    let plain = means(source, &folds);
    let judged = judge(source, &predicted, &expected);
    let curve = |predicted: &Table, expected: &Table| judge(source, predicted, expected).curve;
    let (quality, cost) = filled(source, &expected);
    let truth = Truth { quality: &quality, cost: &cost };
    let by_length = by_input_length(source, &folds);
    let mut ways = vec![
        Way { name: BLIND, curve: judged.mix.clone() },
        Way { name: BLIND_BEFORE, curve: per_prompt(&plain, truth) },
        Way { name: "one price, priors", curve: curve(&plain, &usual) },
        Way { name: "one price, token length", curve: curve(&by_length, &usual) },
        Way { name: "one price, answer lengths", curve: curve(&plain, &expected) },
        Way { name: "a program per prompt", curve: per_prompt(&predicted, truth) },
        Way { name: ONE_PRICE, curve: judged.curve.clone() },
    ];
    let kept = without_beaten(&predicted, &plain, &usual);
    ways.push(Way { name: "the same, beaten models left out", curve: curve(&kept, &expected) });
    let mut left_out = None;
    if source.models.len() >= 2 * LEFT_OUT {
        progress("three models are left out of training");
        let out = whom_to_leave_out(source);
        let (predicted, expected) = without(material, &folds, &out, &usual);
        ways.push(Way { name: THREE_LEFT_OUT, curve: curve(&predicted, &expected) });
        let models = out.iter().map(|model| source.models[*model].clone()).collect();
        left_out = Some((models, interval(&predicted, &expected, truth)));
    }
    ways.push(Way { name: ORACLE, curve: curve::oracle(&expected, truth) });
    Some(Quality {
        source: source.name.clone(),
        prompts: source.prompts.len(),
        strongest: judged.strongest,
        ways,
        interval: interval(&predicted, &expected, truth),
        recovered: recovered_by_splits(material, &predicted, progress),
        recovered_by_few: recovered_by_few(material, progress),
        left_out,
    })
}

/// Two models without costs: a call of the stronger costs one, of the weaker nothing, so that spend is the share of calls
/// that the stronger answers.
pub fn by_calls(source: Source) -> Source {
    let unknown = source.cost.numbers.iter().all(|cost| cost.is_nan());
    if source.models.len() != 2 || !unknown {
        return source;
    }
    let means = Source::means(&source.quality);
    let strong = usize::from(means[1] > means[0]);
    let mut cost = Table::zeros(source.prompts.len(), 2);
    (0..source.prompts.len()).for_each(|row| cost.row_mut(row)[strong] = 1.0);
    Source { cost, ..source }
}

/// The outcomes without gaps: an answer that is missing is worth the model's mean, a cost that is missing what was
/// expected.
pub fn filled(source: &Source, expected: &Table) -> (Table, Table) {
    let means = Source::means(&source.quality);
    let (mut quality, mut cost) = (source.quality.clone(), source.cost.clone());
    for (i, cell) in quality.numbers.iter_mut().enumerate().filter(|(_, cell)| cell.is_nan()) {
        *cell = means[i % source.models.len()].unwrap_or(0.0);
    }
    cost.numbers
        .iter_mut()
        .zip(&expected.numbers)
        .filter(|(cell, _)| cell.is_nan())
        .for_each(|(to, e)| *to = *e);
    (quality, cost)
}

/// Every model's mean over the other folds, for every prompt alike.
fn means(source: &Source, folds: &[u64]) -> Table {
    let mut table = Table::zeros(source.prompts.len(), source.models.len());
    for held in 0..FOLDS {
        let (train, test) = parted(folds, held);
        let means = Source::means(&source.only(&train).quality);
        for row in test {
            table.row_mut(row).iter_mut().zip(&means).for_each(|(cell, mean)| *cell = mean.unwrap_or(0.0));
        }
    }
    table
}

/// The predictions, where a model that another beats in mean quality and in usual cost is never worth its price.
fn without_beaten(predicted: &Table, means: &Table, usual: &Table) -> Table {
    let mut kept = predicted.clone();
    let rows = usual.rows();
    let cost: Vec<f64> = (0..usual.columns)
        .map(|model| (0..rows).map(|row| usual.row(row)[model]).sum::<f64>() / rows as f64)
        .collect();
    for row in 0..rows {
        let quality = means.row(row);
        let beats = |a: usize, b: usize| {
            quality[a] >= quality[b] && cost[a] <= cost[b] && (quality[a] > quality[b] || cost[a] < cost[b])
        };
        for model in 0..kept.columns {
            if (0..kept.columns).any(|other| beats(other, model)) {
                kept.row_mut(row)[model] = f64::NEG_INFINITY;
            }
        }
    }
    kept
}

/// Every model's mean over the prompts of the other folds that are about as long.
fn by_input_length(source: &Source, folds: &[u64]) -> Table {
    let mut table = means(source, folds);
    let length = |row: &usize| source.prompts[*row].input_tokens;
    for held in 0..FOLDS {
        let (mut train, test) = parted(folds, held);
        train.sort_by_key(length);
        for class in train.chunks(train.len().div_ceil(CLASSES).max(1)) {
            let (first, last) = (class[0], class[class.len() - 1]);
            let from = if first == train[0] { 0 } else { length(&first) };
            let to = if last == train[train.len() - 1] { u64::MAX } else { length(&last) };
            let means = Source::means(&source.only(class).quality);
            for row in test.iter().filter(|row| (from..=to).contains(&length(row))) {
                let known = table.row_mut(*row).iter_mut().zip(&means);
                known.for_each(|(cell, mean)| *cell = mean.unwrap_or(*cell));
            }
        }
    }
    table
}

/// P2L's way: for each prompt the best mix of models whose usual cost is within the budget, the same for all.
fn per_prompt(predicted: &Table, truth: Truth<'_>) -> Vec<Point> {
    // A program per prompt with one cost per model, as P2L has it.
    let usual: Vec<f64> = truth.models().iter().map(|model| model.0).collect();
    let dearest = usual.iter().copied().fold(0.0, f64::max);
    let rows = predicted.rows();
    let mut points: Vec<Point> = (0..=BUDGETS)
        .map(|step| {
            let budget = dearest * step as f64 / BUDGETS as f64;
            let (mut cost, mut quality) = (0.0, 0.0);
            for row in 0..rows {
                for (model, share) in mix(predicted.row(row), &usual, budget) {
                    cost += share * truth.cost.row(row)[model];
                    quality += share * truth.quality.row(row)[model];
                }
            }
            (cost / rows as f64, quality / rows as f64)
        })
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    points
}

/// The best mix within a budget: at most two neighbours on the upper hull.
fn mix(quality: &[f64], cost: &[f64], budget: f64) -> Vec<(usize, f64)> {
    let points: Vec<Point> = cost.iter().copied().zip(quality.iter().copied()).collect();
    let hull = curve::blind(&points);
    let at = |point: Point| points.iter().position(|other| *other == point).unwrap_or_default();
    let after = hull.partition_point(|point| point.0 <= budget);
    match (after.checked_sub(1).map(|i| hull[i]), hull.get(after).copied()) {
        (Some(before), Some(next)) => {
            let share = (budget - before.0) / (next.0 - before.0);
            vec![(at(before), 1.0 - share), (at(next), share)]
        }
        (Some(only), None) | (None, Some(only)) => vec![(at(only), 1.0)],
        (None, None) => Vec::new(),
    }
}

/// The second best, the one in the middle and the second worst.
fn whom_to_leave_out(source: &Source) -> Vec<usize> {
    let means = Source::means(&source.quality);
    let mut order: Vec<usize> = (0..source.models.len()).collect();
    order.sort_by(|a, b| means[*b].unwrap_or(0.0).total_cmp(&means[*a].unwrap_or(0.0)));
    [1, order.len() / 2, order.len() - 2].map(|at| order[at]).to_vec()
}

/// Predictions of all models, and expected costs, by a fit that never saw some of them. Of those only the mean quality and
/// the usual cost are known.
fn without(material: Material<'_>, folds: &[u64], out: &[usize], usual: &Table) -> (Table, Table) {
    let source = material.source;
    let known: Vec<usize> = (0..source.models.len()).filter(|model| !out.contains(model)).collect();
    let (mut predicted, mut expected) = (usual.clone(), usual.clone());
    for held in 0..FOLDS {
        let (train, test) = parted(folds, held);
        let means = Source::means(&source.only(&train).quality);
        let (some, rows) = (source.only(&train).of_models(&known), material.rows.only(&train));
        let asked = material.rows.only(&test);
        let fit = Complete::of(Material { source: &some, rows: &rows, prices: material.prices }, PLAIN);
        let found = fit.predict(&asked);
        let lengths = fit.lengths.as_ref().filter(|_| source.is_priced(material.prices));
        let lengths = lengths.map(|lengths| (lengths.predict(&asked), Source::means(&some.tokens)));
        let mean = |model: usize| means[model].unwrap_or(0.5);
        let peers = |model: &usize| {
            let usual = known.iter().enumerate().map(|(at, known)| (at, mean(*known)));
            (*model, Peers::of(mean(*model), usual))
        };
        let peers: Vec<(usize, Option<Peers>)> = out.iter().map(peers).collect();
        for (i, row) in test.into_iter().enumerate() {
            let to = predicted.row_mut(row);
            known.iter().zip(found.row(i)).for_each(|(model, chance)| to[*model] = *chance);
            for (model, peers) in &peers {
                let difficulty = peers.as_ref().map_or(0.0, |peers| peers.difficulty(|at| found.row(i)[at]));
                to[*model] = estimate(mean(*model), difficulty, 1.0);
            }
            let Some((lengths, usually)) = &lengths else { continue };
            let longer: Vec<f64> = lengths
                .row(i)
                .iter()
                .zip(usually)
                .map(|(tokens, usual)| tokens / usual.unwrap_or(f64::NAN))
                .collect();
            let of_all = longer.iter().sum::<f64>() / longer.len() as f64;
            let input = source.prompts[row].input_tokens as f64;
            for (model, cost) in expected.row_mut(row).iter_mut().enumerate() {
                let longer = known.iter().position(|k| *k == model).map_or(of_all, |at| longer[at]);
                let of_input =
                    material.prices.get(&source.models[model]).map_or(0.0, |p| input * p.input / 1e6);
                *cost = of_input + (*cost - of_input) * longer;
            }
        }
    }
    (predicted, expected)
}

/// With two models: how much of the gap is recovered, over several ways to cut the questions into parts, since one alone
/// moves the figure of a small group. `predicted` is of the first of them.
fn recovered_by_splits(
    material: Material<'_>,
    predicted: &Table,
    progress: &mut dyn FnMut(&str),
) -> Vec<Recovered> {
    let source = material.source;
    if source.models.len() != 2 {
        return Vec::new();
    }
    let more = (1..SPLITS).map(|split| nested(material, &format!("{SALT}-{split}"), progress));
    let splits: Vec<Table> = std::iter::once(predicted.clone()).chain(more).collect();
    let of = |(name, rows): (String, Vec<usize>)| {
        let over = |rows: &[usize]| {
            splits.iter().map(|predicted| gap(source, predicted, rows)).sum::<f64>() / splits.len() as f64
        };
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let draws = (0..DRAWS).map(|_| {
            let drawn: Vec<usize> = (0..rows.len()).map(|_| rows[random.below(rows.len())]).collect();
            over(&drawn)
        });
        Recovered {
            gap: over(&rows),
            interval: Some(middle(draws.collect())),
            prompts: rows.len(),
            group: name,
        }
    };
    groups(source).into_iter().map(of).collect()
}

/// With two models: how much of the gap is recovered by whoever has labelled few prompts, on questions that are not among
/// them. The mean of some draws.
fn recovered_by_few(material: Material<'_>, progress: &mut dyn FnMut(&str)) -> Vec<Recovered> {
    let source = material.source;
    if source.models.len() != 2 || source.prompts.len() < 2 * FEW {
        return Vec::new();
    }
    let mut draws: BTreeMap<String, Vec<(f64, usize)>> = BTreeMap::new();
    for draw in 0..DRAWS_OF_FEW {
        progress(&format!("draw {} of {DRAWS_OF_FEW} of {FEW} labels", draw + 1));
        let of_question = |row: &usize| fold(&source.prompts[*row].text, &format!("few-{draw}"), 1 << 40);
        let mut order: Vec<usize> = (0..source.prompts.len()).collect();
        order.sort_by_key(of_question);
        let last = of_question(&order[FEW - 1]);
        let asked: Vec<usize> = order[FEW..].iter().copied().filter(|row| of_question(row) != last).collect();
        let (some, rows) = (source.only(&order[..FEW]), material.rows.only(&order[..FEW]));
        let few = Material { source: &some, rows: &rows, prices: material.prices };
        let Chosen { sets, shapes, .. } = choose(few, SALT);
        let found = Whole::of(few, &sets, &shapes).predict(&material.rows.only(&asked));
        let judged = source.only(&asked);
        for (name, rows) in groups(&judged) {
            draws.entry(name).or_default().push((gap(&judged, &found, &rows), rows.len()));
        }
    }
    let mean = |(group, draws): (String, Vec<(f64, usize)>)| Recovered {
        gap: draws.iter().map(|(gap, _)| gap).sum::<f64>() / draws.len() as f64,
        interval: None,
        prompts: draws[0].1,
        group,
    };
    draws.into_iter().map(mean).collect()
}

/// Draws prompts with replacement, and reads the figures off each draw.
pub fn interval(predicted: &Table, expected: &Table, truth: Truth<'_>) -> Interval {
    let rows = predicted.rows();
    let prices = curve::prices(expected);
    let choices: Vec<Vec<usize>> = prices
        .iter()
        .map(|price| {
            (0..rows).map(|row| curve::choice(predicted.row(row), expected.row(row), *price)).collect()
        })
        .collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut spends, mut means, mut gains) = (Vec::new(), Vec::new(), vec![Vec::new(); SPENDS.len()]);
    for _ in 0..DRAWS {
        let drawn: Vec<usize> = (0..rows).map(|_| random.below(rows)).collect();
        let mean = |of: &dyn Fn(usize) -> f64| drawn.iter().map(|row| of(*row)).sum::<f64>() / rows as f64;
        let models: Vec<Point> = (0..truth.cost.columns)
            .map(|i| (mean(&|row| truth.cost.row(row)[i]), mean(&|row| truth.quality.row(row)[i])))
            .collect();
        let strongest = models.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default();
        let mut points: Vec<Point> = choices
            .iter()
            .map(|of| {
                (mean(&|row| truth.cost.row(row)[of[row]]), mean(&|row| truth.quality.row(row)[of[row]]))
            })
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        spends.push(cost_for(&points, 0.95 * strongest.1).map_or(1.0, |cost| cost / strongest.0));
        let drawn = curve::gains(&points, &curve::blind(&models), strongest);
        means.push(drawn.iter().sum::<f64>() / drawn.len() as f64);
        gains.iter_mut().zip(drawn).for_each(|(all, gain)| all.push(gain));
    }
    let mut of_gains = [(0.0, 0.0); 10];
    of_gains.iter_mut().zip(gains).for_each(|(to, all)| *to = middle(all));
    Interval { spend: middle(spends), gains: of_gains, mean: middle(means) }
}

fn middle(mut all: Vec<f64>) -> (f64, f64) {
    all.sort_by(f64::total_cmp);
    let at = |share: f64| all[((all.len() - 1) as f64 * share).round() as usize];
    (at(0.025), at(0.975))
}

/// The prompts of each large set, but for those that the publishers left out.
fn groups(source: &Source) -> Vec<(String, Vec<usize>)> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, prompt) in source.prompts.iter().enumerate().filter(|(_, prompt)| !prompt.contaminated) {
        groups.entry(set_of(&prompt.task)).or_default().push(row);
    }
    let large = groups.into_iter().filter(|(_, rows)| rows.len() >= LEAST_JUDGED);
    large.map(|(name, rows)| (name.to_owned(), rows)).collect()
}

/// With two models: the average share of the gap between them that is recovered on these prompts.
fn gap(source: &Source, predicted: &Table, rows: &[usize]) -> f64 {
    let means = Source::means(&source.quality);
    let strong = usize::from(means[1] > means[0]);
    let column =
        |table: &Table, model: usize| -> Vec<f64> { rows.iter().map(|row| table.row(*row)[model]).collect() };
    let worth: Vec<f64> =
        rows.iter().map(|row| predicted.row(*row)[strong] - predicted.row(*row)[1 - strong]).collect();
    curve::recovered_gap(&worth, &column(&source.quality, 1 - strong), &column(&source.quality, strong))
}

/// xorshift64*: draws that are the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_spends_the_budget_on_two_neighbours_of_the_hull() {
        let mixed = mix(&[0.5, 0.6, 0.9], &[1.0, 2.0, 3.0], 2.0);
        assert_eq!(mixed, [(0, 0.5), (2, 0.5)]);
        assert_eq!(mix(&[0.5, 0.9], &[1.0, 3.0], 0.2), [(0, 1.0)]);
        assert_eq!(mix(&[0.5, 0.9], &[1.0, 3.0], 9.0), [(1, 1.0)]);
    }

    #[test]
    fn left_out_is_who_another_beats_on_average_and_nobody_else() {
        let of = |row: [f64; 3]| Table { numbers: row.repeat(2), columns: 3 };
        // The second is worse and dearer than the first; the third is better and dearer.
        let kept = without_beaten(&of([0.5, 0.9, 0.6]), &of([0.5, 0.4, 0.8]), &of([1.0, 2.0, 3.0]));
        assert_eq!(kept, of([0.5, f64::NEG_INFINITY, 0.6]));
    }

    #[test]
    fn draws_are_even_and_the_same_every_time() {
        let counts = |mut random: Random| {
            let mut counts = [0; 10];
            (0..10_000).for_each(|_| counts[random.below(10)] += 1);
            counts
        };
        assert_eq!(counts(Random(7)), counts(Random(7)));
        assert!(counts(Random(7)).iter().all(|count| (850..1150).contains(count)));
    }

    #[test]
    fn an_interval_leaves_out_a_fortieth_at_either_end() {
        assert_eq!(middle((0..=200).map(f64::from).collect()), (5.0, 195.0));
    }
}
