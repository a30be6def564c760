//! Principal axes of a small symmetric matrix, by Jacobi's rotations: slow for large matrices, exact and the same every
//! time for the few dozen models of a pool.

use crate::solve::Table;

const SWEEPS: usize = 60;

/// The eigenvectors of a symmetric matrix as rows, the largest eigenvalue first; the largest component of each is
/// positive.
pub fn principal(matrix: &Table) -> Vec<Vec<f64>> {
    let n = matrix.columns;
    let mut a = matrix.clone();
    let mut v = Table::zeros(n, n);
    (0..n).for_each(|i| v.row_mut(i)[i] = 1.0);
    let all: f64 = a.numbers.iter().map(|x| x * x).sum();
    for _ in 0..SWEEPS {
        let off: f64 =
            (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a.row(i)[j].powi(2)).sum();
        if off <= all * 1e-26 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut v, p, q);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|i, j| a.row(*j)[*j].total_cmp(&a.row(*i)[*i]));
    order.into_iter().map(|i| turned(v.row(i).to_vec())).collect()
}

/// One rotation that makes `a[p][q]` zero; `v` holds the axes as rows.
fn rotate(a: &mut Table, v: &mut Table, p: usize, q: usize) {
    let apq = a.row(p)[q];
    if apq == 0.0 {
        return;
    }
    let theta = (a.row(q)[q] - a.row(p)[p]) / (2.0 * apq);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let t = if theta == 0.0 { 1.0 } else { t };
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    let n = a.columns;
    for k in 0..n {
        let (kp, kq) = (a.row(k)[p], a.row(k)[q]);
        a.row_mut(k)[p] = c * kp - s * kq;
        a.row_mut(k)[q] = s * kp + c * kq;
    }
    for k in 0..n {
        let (pk, qk) = (a.row(p)[k], a.row(q)[k]);
        a.row_mut(p)[k] = c * pk - s * qk;
        a.row_mut(q)[k] = s * pk + c * qk;
        let (pk, qk) = (v.row(p)[k], v.row(q)[k]);
        v.row_mut(p)[k] = c * pk - s * qk;
        v.row_mut(q)[k] = s * pk + c * qk;
    }
}

fn turned(axis: Vec<f64>) -> Vec<f64> {
    let largest = axis.iter().copied().fold(0.0, |most: f64, x| if x.abs() > most.abs() { x } else { most });
    if largest < 0.0 { axis.into_iter().map(|x| -x).collect() } else { axis }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_diagonalise_the_matrix_in_falling_order() {
        let matrix = Table { numbers: vec![4.0, 1.0, 0.5, 1.0, 3.0, -1.0, 0.5, -1.0, 2.0], columns: 3 };
        let axes = principal(&matrix);
        let apply = |x: &[f64]| -> Vec<f64> {
            (0..3).map(|i| matrix.row(i).iter().zip(x).map(|(a, b)| a * b).sum()).collect()
        };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let values: Vec<f64> = axes.iter().map(|axis| dot(axis, &apply(axis))).collect();
        assert!(values.is_sorted_by(|a, b| a >= b), "{values:?}");
        assert!((values.iter().sum::<f64>() - 9.0).abs() < 1e-9);
        for (i, a) in axes.iter().enumerate() {
            for (j, b) in axes.iter().enumerate() {
                let expected = if i == j { 1.0 } else { 0.0 };
                assert!((dot(a, b) - expected).abs() < 1e-9);
                if i != j {
                    assert!(dot(a, &apply(b)).abs() < 1e-9);
                }
            }
        }
    }
}
