//! Ridge regression with many targets over features that are partly dense and partly sparse.
//!
//! Solved in the dual, where there are as many unknowns as texts: `(X Xᵀ + λ) A = Y`, by conjugate gradients on every
//! target at once, with `X` applied and never multiplied out. Then the weights are `Xᵀ A`. Penalties that are useful here
//! are heavy, so few steps suffice. Own code because a text has about 200 non-zero features of 63,000: a library of dense
//! matrices would need gigabytes, and the method is a page.

/// The features of all texts: row by row, places rising.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    ends: Vec<usize>,
    places: Vec<u32>,
    values: Vec<f32>,
    width: usize,
}

/// A table of numbers, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The numbers.
    pub numbers: Vec<f64>,
    /// How many stand in a row.
    pub columns: usize,
}

/// At most so many steps of conjugate gradients.
const STEPS_AT_MOST: usize = 120;
/// A target is solved when so little of it is left.
const LEFT_OVER: f64 = 2e-3;

impl Table {
    /// All zeros.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self { numbers: vec![0.0; rows * columns], columns }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.numbers.len().checked_div(self.columns).unwrap_or(0)
    }

    /// One row.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.numbers[row * self.columns..(row + 1) * self.columns]
    }

    /// One row, to be written.
    pub fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.numbers[row * self.columns..(row + 1) * self.columns]
    }

    /// `self` times `other`.
    pub fn times(&self, other: &Self) -> Self {
        let mut product = Self::zeros(self.rows(), other.columns);
        for row in 0..self.rows() {
            for (i, number) in self.row(row).iter().enumerate() {
                let out = &mut product.numbers[row * other.columns..(row + 1) * other.columns];
                out.iter_mut().zip(other.row(i)).for_each(|(sum, factor)| *sum += number * factor);
            }
        }
        product
    }

    /// The transpose of `self` times `self`.
    pub fn gram(&self) -> Self {
        let mut gram = Self::zeros(self.columns, self.columns);
        for row in 0..self.rows() {
            let numbers = self.row(row);
            for (i, number) in numbers.iter().enumerate() {
                gram.row_mut(i).iter_mut().zip(numbers).for_each(|(sum, other)| *sum += number * other);
            }
        }
        gram
    }

    /// Rows and columns exchanged.
    pub fn transposed(&self) -> Self {
        let mut turned = Self::zeros(self.columns, self.rows());
        for row in 0..self.rows() {
            for (column, number) in self.row(row).iter().enumerate() {
                turned.row_mut(column)[row] = *number;
            }
        }
        turned
    }
}

impl Rows {
    /// No texts yet, of features at `width` places.
    pub fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    /// Adds a text.
    pub fn push(&mut self, features: impl IntoIterator<Item = (u32, f32)>) {
        for (place, value) in features {
            debug_assert!((place as usize) < self.width, "place {place} of {}", self.width);
            self.places.push(place);
            self.values.push(value);
        }
        self.ends.push(self.places.len());
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many places there are.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Only these texts, in this order.
    pub fn only(&self, rows: &[usize]) -> Self {
        let mut some = Self::new(self.width);
        rows.iter().for_each(|row| some.push(self.row(*row)));
        some
    }

    /// The features of one text that are not zero.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (u32, f32)> + '_ {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        let span = start..self.ends[row];
        self.places[span.clone()].iter().copied().zip(self.values[span].iter().copied())
    }

    /// `X W`
    pub fn times(&self, weights: &Table) -> Table {
        let mut product = Table::zeros(self.len(), weights.columns);
        for row in 0..self.len() {
            let out = product.row_mut(row);
            for (place, value) in self.row(row) {
                let factors = weights.row(place as usize);
                out.iter_mut().zip(factors).for_each(|(sum, factor)| *sum += f64::from(value) * factor);
            }
        }
        product
    }

    /// `Xᵀ A`
    pub fn transposed_times(&self, dual: &Table) -> Table {
        let mut product = Table::zeros(self.width, dual.columns);
        for row in 0..self.len() {
            let factors = dual.row(row);
            for (place, value) in self.row(row) {
                let out = product.row_mut(place as usize);
                out.iter_mut().zip(factors).for_each(|(sum, factor)| *sum += f64::from(value) * factor);
            }
        }
        product
    }
}

/// The weights, one column per target, that fit the targets under this penalty.
pub fn ridge(rows: &Rows, targets: &Table, penalty: f64) -> Table {
    let columns = targets.columns;
    if columns == 0 {
        return Table::zeros(rows.width(), 0);
    }
    let mut dual = Table::zeros(rows.len(), columns);
    let mut residual = targets.clone();
    let mut direction = targets.clone();
    let mut square = squares(&residual);
    let enough: Vec<f64> = square.iter().map(|square| square * LEFT_OVER * LEFT_OVER).collect();
    for _ in 0..STEPS_AT_MOST {
        if square.iter().zip(&enough).all(|(square, enough)| square <= enough) {
            break;
        }
        let mut applied = rows.times(&rows.transposed_times(&direction));
        add_scaled(&mut applied, &direction, &vec![penalty; columns]);
        let curvature = products(&direction, &applied);
        let step: Vec<f64> =
            square.iter().zip(&curvature).map(|(s, c)| if *c > 0.0 { s / c } else { 0.0 }).collect();
        add_scaled(&mut dual, &direction, &step);
        add_scaled(&mut residual, &applied, &step.iter().map(|step| -step).collect::<Vec<_>>());
        let next = squares(&residual);
        let keep: Vec<f64> =
            next.iter().zip(&square).map(|(n, s)| if *s > 0.0 { n / s } else { 0.0 }).collect();
        for (row, fresh) in direction.numbers.chunks_mut(columns).zip(residual.numbers.chunks(columns)) {
            row.iter_mut().zip(fresh).zip(&keep).for_each(|((old, fresh), keep)| *old = fresh + keep * *old);
        }
        square = next;
    }
    rows.transposed_times(&dual)
}

fn squares(table: &Table) -> Vec<f64> {
    products(table, table)
}

/// The inner product of each column with the same column of the other.
fn products(a: &Table, b: &Table) -> Vec<f64> {
    let mut sums = vec![0.0; a.columns];
    for (a, b) in a.numbers.chunks(a.columns.max(1)).zip(b.numbers.chunks(b.columns.max(1))) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums
}

fn add_scaled(to: &mut Table, from: &Table, factors: &[f64]) {
    for (to, from) in
        to.numbers.chunks_mut(factors.len().max(1)).zip(from.numbers.chunks(factors.len().max(1)))
    {
        to.iter_mut().zip(from).zip(factors).for_each(|((to, from), factor)| *to += factor * from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Rows {
        let mut rows = Rows::new(4);
        rows.push([(0, 1.0), (2, 0.5)]);
        rows.push([(1, 2.0)]);
        rows.push([]);
        rows.push([(0, -1.0), (1, 1.0), (3, 1.0)]);
        rows
    }

    fn table(columns: usize, numbers: &[f64]) -> Table {
        Table { numbers: numbers.to_vec(), columns }
    }

    #[test]
    fn the_gradient_is_zero_at_the_solution() {
        let targets = table(2, &[1.0, 0.0, -1.0, 2.0, 3.0, 0.5, 0.25, -2.0]);
        for penalty in [0.01, 1.0, 100.0] {
            let weights = ridge(&rows(), &targets, penalty);
            let mut misfit = rows().times(&weights);
            misfit.numbers.iter_mut().zip(&targets.numbers).for_each(|(fit, target)| *fit -= target);
            let gradient = rows().transposed_times(&misfit);
            for (gradient, weight) in gradient.numbers.iter().zip(&weights.numbers) {
                assert!((gradient + penalty * weight).abs() < 2e-2, "{gradient} at {weight}, {penalty}");
            }
        }
    }

    #[test]
    fn a_target_of_zeros_gets_weights_of_zeros() {
        assert_eq!(ridge(&rows(), &Table::zeros(4, 1), 1.0), Table::zeros(4, 1));
    }

    #[test]
    fn a_heavier_penalty_gives_smaller_weights() {
        let targets = table(1, &[1.0, 1.0, 1.0, 1.0]);
        let length =
            |penalty| products(&ridge(&rows(), &targets, penalty), &ridge(&rows(), &targets, penalty))[0];
        assert!(length(10.0) < length(1.0) && length(1.0) < length(0.1));
    }

    #[test]
    fn tables_multiply_and_turn() {
        let a = table(2, &[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(a.times(&a).numbers, [7.0, 10.0, 15.0, 22.0]);
        assert_eq!(a.transposed().times(&a), a.gram());
        assert_eq!(rows().only(&[1, 1, 0]).times(&table(1, &[1.0, 1.0, 2.0, 0.0])).numbers, [2.0, 2.0, 2.0]);
    }
}
