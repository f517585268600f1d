//! Interleaved rounds and what is read off them.
//! No means and no outlier rules: the machine drifts, so medians, minimums and ratios taken round by round.

use super::subject::Subject;
use anyhow::Result;

/// The times of one subject in milliseconds, one a round.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) times: Vec<f64>,
}

impl Series {
    pub(crate) fn min(&self) -> f64 {
        self.times.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn median(&self) -> f64 {
        median(self.times.clone())
    }

    /// The median of the ratios taken within each round.
    pub(crate) fn ratio_to(&self, other: &Series) -> f64 {
        median(self.times.iter().zip(&other.times).map(|(ours, theirs)| ours / theirs).collect())
    }

    /// The median of the differences taken within each round.
    pub(crate) fn above(&self, other: &Series) -> f64 {
        median(self.times.iter().zip(&other.times).map(|(ours, theirs)| ours - theirs).collect())
    }
}

/// Times every subject once a round, in an order shuffled anew, after one round that is thrown away.
pub(crate) fn interleave(subjects: &mut [Subject], rounds: usize) -> Result<Vec<Series>> {
    let mut series: Vec<Series> =
        subjects.iter().map(|subject| Series { name: subject.name.clone(), times: Vec::new() }).collect();
    let mut shuffle = Shuffle(0x9e37_79b9_7f4a_7c15);
    let mut order: Vec<usize> = (0..subjects.len()).collect();
    for round in 0..=rounds {
        shuffle.reorder(&mut order);
        for &which in &order {
            let time = subjects[which].once()?;
            if round > 0 {
                series[which].times.push(time);
            }
        }
    }
    Ok(series)
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// Marsaglia's xorshift: an order that is the same in every run, and even enough for that.
struct Shuffle(u64);

impl Shuffle {
    fn reorder(&mut self, order: &mut [usize]) {
        for last in (1..order.len()).rev() {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            order.swap(last, usize::try_from(self.0 % (last as u64 + 1)).expect("an index"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Series, Shuffle, median};

    #[test]
    fn the_median_of_an_even_count_lies_between() {
        assert!((median(vec![4.0, 1.0, 3.0, 2.0]) - 2.5).abs() < 1e-9);
        assert!(median(vec![]).is_nan());
    }

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        let slow = Series { name: "slow".into(), times: vec![2.0, 20.0, 200.0] };
        let fast = Series { name: "fast".into(), times: vec![1.0, 10.0, 100.0] };
        assert!((slow.ratio_to(&fast) - 2.0).abs() < 1e-9);
        assert!((slow.above(&fast) - 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_shuffled_order_still_names_each_subject_once() {
        let mut order: Vec<usize> = (0..9).collect();
        Shuffle(7).reorder(&mut order);
        assert_ne!(order, (0..9).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..9).collect::<Vec<_>>());
    }
}
