//! The linear program of one cost row, solved in closed form.
//!
//! ```text
//! maximise  s.p    subject to  c.p <= 1,  sum p = 1,  p >= 0
//! ```
//! Its optimum mixes at most two models: those between which the bound lies on the upper hull of score over cost. Tests
//! hold it against a solver.

use smallvec::SmallVec;

/// One model, as the program sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    /// What is maximised.
    pub(super) score: f64,
    /// What is bounded, in parts of the bound.
    pub(super) cost: f64,
}

/// The optimum: `high` with probability `share`, else `low`; positions in the points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mix {
    pub(super) low: usize,
    pub(super) high: usize,
    /// Probability of `high`; 1 where both are the same.
    pub(super) share: f64,
}

impl Mix {
    fn only(i: usize) -> Self {
        Self { low: i, high: i, share: 1.0 }
    }

    /// Draws one, and says with which probability it was drawn.
    pub(super) fn draw(&self, draw: f64) -> (usize, f64) {
        if self.low == self.high {
            (self.low, 1.0)
        } else if draw < self.share {
            (self.high, self.share)
        } else {
            (self.low, 1.0 - self.share)
        }
    }
}

/// The best mix within the bound; none where even the cheapest point costs more.
///
/// Every score and every cost is finite.
pub(super) fn solve(points: &[Point]) -> Option<Mix> {
    let mut hull: SmallVec<[usize; 32]> = SmallVec::new();
    let mut by_cost: SmallVec<[usize; 32]> = (0..points.len()).collect();
    by_cost.sort_unstable_by(|&a, &b| {
        let (a, b) = (&points[a], &points[b]);
        a.cost.total_cmp(&b.cost).then_with(|| b.score.total_cmp(&a.score))
    });
    for i in by_cost {
        let point = &points[i];
        if hull.last().is_some_and(|&best| point.score <= points[best].score) {
            continue;
        }
        while let [.., a, b] = hull[..] {
            if !is_under(&points[b], &points[a], point) {
                break;
            }
            hull.pop();
        }
        hull.push(i);
    }
    let &cheapest = hull.first().filter(|i| points[**i].cost <= 1.0)?;
    let Some(at) = hull.iter().position(|&i| points[i].cost > 1.0) else {
        return Some(Mix::only(hull.last().copied().unwrap_or(cheapest)));
    };
    let (low, high) = (hull[at - 1], hull[at]);
    let share = (1.0 - points[low].cost) / (points[high].cost - points[low].cost);
    Some(if share > 0.0 { Mix { low, high, share } } else { Mix::only(low) })
}

/// Whether `b` lies on or under the line from `a` to `c`.
fn is_under(b: &Point, a: &Point, c: &Point) -> bool {
    (b.score - a.score) * (c.cost - a.cost) <= (c.score - a.score) * (b.cost - a.cost)
}

#[cfg(test)]
mod tests;
