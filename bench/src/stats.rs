//! The statistics of samples, and how a table shows them.

use std::fmt::Write as _;

/// Median, least and most of some samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The median.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

/// `None` without samples.
pub fn summarize(samples: &[f64]) -> Option<Summary> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(Summary {
        median: percentile(&sorted, 50)?,
        min: *sorted.first()?,
        max: *sorted.last()?,
    })
}

/// Of sorted samples, by nearest rank; the median of an even number is the mean of the middle two.
pub fn percentile(sorted: &[f64], percent: u8) -> Option<f64> {
    let count = sorted.len();
    if percent == 50 && count > 0 && count.is_multiple_of(2) {
        return Some(f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]));
    }
    let rank = (count * usize::from(percent)).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// A table: a column for each contender, ours first, and one for ours divided by each other's.
pub fn table(title: &str, labels: &[&str], rows: impl IntoIterator<Item = (String, Vec<Option<Summary>>)>) -> String {
    let own = labels.iter().map(|label| (*label).to_owned());
    let columns: Vec<String> = own
        .chain(labels[1..].iter().map(|other| format!("÷ {other}")))
        .collect();
    let mut text = format!("\n## {title}\n\n| | {} |\n", columns.join(" | "));
    let _ = writeln!(text, "|---|{}", "---:|".repeat(columns.len()));
    for (label, row) in rows {
        let values = row.iter().map(|summary| value(*summary));
        let cells: Vec<String> = values
            .chain(row[1..].iter().map(|other| ratio(row[0], *other)))
            .collect();
        let _ = writeln!(text, "| {label} | {} |", cells.join(" | "));
    }
    text
}

/// The end of a report: what failed, if anything did, and what its reader must know.
pub fn ending(failures: &[String], reading: &str) -> String {
    let mut text = String::new();
    if !failures.is_empty() {
        text.push_str("\n## What failed\n\n");
        for failure in failures {
            let _ = writeln!(text, "- {failure}");
        }
    }
    text.push_str(reading);
    text
}

/// A cell: the median, and the least and the most where they differ.
fn value(summary: Option<Summary>) -> String {
    let Some(Summary { median, min, max }) = summary else {
        return "–".to_owned();
    };
    if min.to_bits() == max.to_bits() {
        return number(median);
    }
    format!("{} ({}..{})", number(median), number(min), number(max))
}

/// Ours divided by theirs.
fn ratio(ours: Option<Summary>, theirs: Option<Summary>) -> String {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) if theirs.median > 0.0 => format!("**{}**", number(ours.median / theirs.median)),
        _ => "–".to_owned(),
    }
}

/// About three digits, thousands set apart.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size > 0.0 && size < 0.1 => format!("{value:.3}"),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        size if size < 10_000.0 => format!("{value:.0}"),
        _ => format!("{:.0}k", value / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_and_the_median_of_an_even_number_is_between_two() {
        let sorted: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(percentile(&sorted, 50), Some(10.5));
        assert_eq!(percentile(&sorted, 95), Some(19.0));
        assert_eq!(percentile(&sorted, 99), Some(20.0));
        assert_eq!(percentile(&[3.0, 1.0, 2.0][..1], 99), Some(3.0));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn a_summary_holds_the_middle_and_both_ends() {
        let made = summarize(&[3.0, 1.0, 2.0]);
        assert_eq!(
            made,
            Some(Summary {
                median: 2.0,
                min: 1.0,
                max: 3.0
            })
        );
        assert_eq!(summarize(&[]), None);
    }
}
