//! Which of the bars that were set for the queue and the ledger are met, by the figures and by nothing else.
use super::{
    cells::{CONCURRENCY, LEASE_MS},
    contender::{
        Contender::{self, BullMq, Errands, Ledger, PgBossWork},
        Part,
    },
    figures::{Figures, Measure},
};
use crate::stats::number;

/// An orphan's run begins again this long after its lease at the latest, in s.
const AFTER_LEASE: f64 = 5.0;
/// Redis' memory is flat if it grows by no more than this, in MB: a fifth of what the errands of all jobs would take.
const FLAT: f64 = 2.0;

/// A figure beside what was asked of it.
struct Bar {
    what: String,
    value: f64,
    wanted: Wanted,
}

enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

impl Bar {
    fn is_met(&self) -> bool {
        match self.wanted {
            Wanted::AtLeast(bar) => self.value >= bar,
            Wanted::AtMost(bar) => self.value <= bar,
        }
    }

    fn text(&self) -> String {
        let wanted = match self.wanted {
            Wanted::AtLeast(bar) => format!("≥ {bar}"),
            Wanted::AtMost(bar) => format!("≤ {bar}"),
        };
        format!("{} {} ({wanted})", self.what, number(self.value))
    }
}

/// One line: what is met and what is not, of what was measured.
pub fn line(figures: &Figures) -> String {
    let (met, missed): (Vec<Bar>, Vec<Bar>) = delivery(figures)
        .into_iter()
        .chain(whole(figures))
        .flatten()
        .partition(Bar::is_met);
    let list = |bars: &[Bar]| match bars {
        [] => "none".to_owned(),
        bars => bars.iter().map(Bar::text).collect::<Vec<_>>().join("; "),
    };
    format!("Bars not met: {}. Met: {}", list(&missed), list(&met))
}

fn delivery(figures: &Figures) -> Vec<Option<Bar>> {
    let ratio = |measure| times(figures, Part::Delivery, measure, [Errands, BullMq]);
    vec![
        bar(
            "delivery drained at 64 ÷ bullmq",
            ratio(Measure::Drain(64)),
            Wanted::AtLeast(4.0),
        ),
        bar(
            "published 500 a call ÷ bullmq",
            ratio(Measure::Bulk),
            Wanted::AtLeast(10.0),
        ),
        bar("pick-up p95 ÷ bullmq", ratio(Measure::PickUp(95)), Wanted::AtMost(0.5)),
    ]
}

fn whole(figures: &Figures) -> Vec<Option<Bar>> {
    let of = |measure| median(figures, Part::Whole, measure, Ledger);
    let drained = CONCURRENCY.map(|at| {
        let ratio = times(figures, Part::Whole, Measure::Drain(at), [Ledger, PgBossWork]);
        bar(
            &format!("whole jobs drained at {at} ÷ pg-boss work()"),
            ratio,
            Wanted::AtLeast(1.5),
        )
    });
    let statements = CONCURRENCY.map(|at| {
        let all = of(Measure::StatementsSingle).zip(of(Measure::StatementsDrain(at)));
        let all = all.map(|(published, drained)| published + drained);
        bar(&format!("statements of a job's life at {at}"), all, Wanted::AtMost(3.0))
    });
    let flat = of(Measure::DueMost)
        .zip(of(Measure::DueLeast))
        .map(|(most, least)| most - least);
    let late = of(Measure::Recovery).map(|seconds| seconds - LEASE_MS as f64 / 1e3);
    let rest = [
        bar(
            "s from the end of its lease until an orphan runs",
            late,
            Wanted::AtMost(AFTER_LEASE),
        ),
        bar(
            "MB that Redis grows by while jobs that are due at once end",
            flat,
            Wanted::AtMost(FLAT),
        ),
        bar(
            "a small customer's wait beside a large one, times alone",
            of(Measure::FewRatio),
            Wanted::AtMost(2.0),
        ),
        bar(
            "rate after a kill, of that before",
            of(Measure::RateAfterKill),
            Wanted::AtLeast(0.98),
        ),
        bar(
            "rate while connections end",
            of(Measure::RateMeanwhile),
            Wanted::AtLeast(0.85),
        ),
        bar("rate afterwards", of(Measure::RateAfterwards), Wanted::AtLeast(0.98)),
        bar("jobs lost", most(figures, Measure::Lost), Wanted::AtMost(0.0)),
    ];
    drained.into_iter().chain(statements).chain(rest).collect()
}

fn bar(what: &str, value: Option<f64>, wanted: Wanted) -> Option<Bar> {
    Some(Bar {
        what: what.to_owned(),
        value: value?,
        wanted,
    })
}

fn median(figures: &Figures, part: Part, measure: Measure, contender: Contender) -> Option<f64> {
    Some(figures.summary(part, measure, contender)?.median)
}

fn most(figures: &Figures, measure: Measure) -> Option<f64> {
    Some(figures.summary(Part::Whole, measure, Ledger)?.max)
}

/// Ours divided by theirs.
fn times(figures: &Figures, part: Part, measure: Measure, [ours, theirs]: [Contender; 2]) -> Option<f64> {
    Some(median(figures, part, measure, ours)? / median(figures, part, measure, theirs)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_met_by_the_figures_alone_and_what_was_not_measured_is_not_named() {
        let mut figures = Figures::default();
        for (contender, rate) in [(Ledger, 13_400.0), (PgBossWork, 10_000.0)] {
            figures.add(Part::Whole, Measure::Drain(64), contender, rate);
        }
        for (measure, value) in [
            (Measure::StatementsSingle, 1.0),
            (Measure::StatementsDrain(10), 0.25),
            (Measure::Lost, 0.0),
            (Measure::Lost, 1.0),
        ] {
            figures.add(Part::Whole, measure, Ledger, value);
        }
        assert_eq!(
            line(&figures),
            "Bars not met: whole jobs drained at 64 ÷ pg-boss work() 1.34 (≥ 1.5); jobs lost 1.00 (≤ 0). \
             Met: statements of a job's life at 10 1.25 (≤ 3)"
        );
        assert_eq!(line(&Figures::default()), "Bars not met: none. Met: none");
    }
}
