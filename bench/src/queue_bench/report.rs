//! The tables, for the terminal and for `docs/benchmarks/queue.md`.
use std::fmt::Write as _;

use super::{
    bars,
    contender::{Contender, Part},
    figures::Figures,
    machine::About,
};
use crate::stats;

/// The heading of a part.
pub fn title(part: Part) -> &'static str {
    match part {
        Part::Delivery => "Delivery alone, jobs that do nothing",
        Part::Whole => "Whole jobs with their record, jobs that do nothing",
    }
}

/// A table for each part: medians with the least and the most, and ours divided by each peer's.
pub fn tables(parts: &[Part], figures: &Figures) -> String {
    let table = |part: &Part| {
        let contenders = part.contenders();
        let labels: Vec<&str> = contenders.iter().map(|contender| contender.label()).collect();
        let rows = figures.rows(*part).map(|(measure, _)| {
            let of = |contender: &Contender| figures.summary(*part, measure, *contender);
            (measure.label(), contenders.iter().map(of).collect())
        });
        stats::table(title(*part), &labels, rows)
    };
    parts.iter().map(table).collect()
}

/// The whole report.
pub fn document(about: &About, tables: &str, figures: &Figures) -> String {
    let mut text =
        String::from("# Queue and job ledger beside their peers\n\nWritten by `cargo xtask bench queue`.\n\n");
    let _ = writeln!(text, "{}.\n", bars::line(figures));
    for line in &about.lines {
        let _ = writeln!(text, "- {line}");
    }
    text.push_str(tables);
    text.push_str(&stats::ending(&figures.failures, READING));
    text
}

/// What a reader must know to judge the figures.
const READING: &str = include_str!("reading.md");

#[cfg(test)]
mod tests {
    use super::{super::figures::Measure, *};

    #[test]
    fn a_row_has_medians_ranges_and_ratios_and_a_gap_where_nothing_was_measured() {
        let mut figures = Figures::default();
        for rate in [90_000.0, 60_000.0, 70_000.0] {
            figures.add(Part::Delivery, Measure::Drain(64), Contender::Errands, rate);
        }
        figures.add(Part::Delivery, Measure::Drain(64), Contender::BullMq, 14_000.0);
        let made = tables(&[Part::Delivery], &figures);
        let row = "| drain, concurrency 64 (jobs/s) | 70k (60k..90k) | – | 14k | – | **5.00** |";
        assert!(made.contains(row), "{made}");
    }
}
