//! Tables for a terminal: a heading, a line, aligned columns.
use std::fmt;

/// Where a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table; every row has as many cells as there are columns.
pub struct Table<const N: usize> {
    columns: [(&'static str, Align); N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table without rows.
    pub fn new(columns: [(&'static str, Align); N]) -> Self {
        let rows = Vec::new();
        Self { columns, rows }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0).max(self.columns[column].0.chars().count())
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: [usize; N] = std::array::from_fn(|column| self.width(column));
        let line = |f: &mut fmt::Formatter<'_>, cells: [&str; N]| {
            let padded = cells
                .iter()
                .enumerate()
                .map(|(column, cell)| match self.columns[column].1 {
                    Align::Left => format!("{cell:<0$}", widths[column]),
                    Align::Right => format!("{cell:>0$}", widths[column]),
                });
            let text = padded.collect::<Vec<_>>().join("  ");
            writeln!(f, "{}", text.trim_end())
        };
        line(f, self.columns.map(|(name, _)| name))?;
        writeln!(f, "{}", widths.map(|width| "─".repeat(width)).join("  "))?;
        self.rows
            .iter()
            .try_for_each(|row| line(f, std::array::from_fn(|column| row[column].as_str())))
    }
}

/// A time span as people say it: the greatest unit that fits.
pub fn span(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_numbers_stand_right() {
        let mut table = Table::new([("queue", Align::Left), ("n", Align::Right), ("", Align::Left)]);
        table.row(["scrape".into(), "7".into(), "paused".into()]);
        table.row(["é".into(), "1000".into(), String::new()]);
        let drawn = "queue      n\n──────  ────  ──────\nscrape     7  paused\né       1000\n";
        assert_eq!(table.to_string(), drawn);
    }

    #[test]
    fn a_span_has_one_unit() {
        let spans = [0.4, 119.0, 120.0, 7199.0, 7200.0, 400_000.0].map(span);
        assert_eq!(spans, ["0 s", "119 s", "2 min", "119 min", "2 h", "4 d"]);
    }
}
