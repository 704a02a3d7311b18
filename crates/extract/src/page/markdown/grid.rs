//! Where the cells of a table stand: spans reserve places in their own row and in those below (HTML, 4.9.12 "Forming a table").
//!
//! Markdown has no spans. What a cell says holds in each place that it covers, so it is said there again: a price below its own
//! head and beside its own zone is worth the repetition. Both that and the places are bounded, since a span is only a number.

use std::rc::Rc;

use super::{Id, Writer};

/// Most columns of a table; padding rows beyond it would let one row blow up a page.
const MAX_COLUMNS: usize = 64;
/// Longest text, in bytes, that is said again.
const MAX_COPY: usize = 200;
/// Bytes that a table may say again.
const MAX_COPIES: usize = 32 * 1024;

/// A living row of a table.
#[derive(Default)]
pub(super) struct Row {
    /// What is said, by column, in order.
    pub cells: Vec<(usize, String)>,
    /// Whether something of it is the row's own, not a cell's above.
    pub speaks: bool,
    /// Whether the row names columns.
    pub heads: bool,
    /// Whether it is one cell over several columns.
    pub title: bool,
}

/// The living rows of a table.
#[derive(Default)]
pub(super) struct Grid {
    pub rows: Vec<Row>,
    /// Columns in which some cell begins.
    pub columns: usize,
    /// Whether cells of the first row reach over others.
    pub spans: bool,
}

/// What is known of the rows above.
struct Above {
    /// By column, a cell that reaches down, and into how many rows more.
    cells: Vec<(usize, Rc<str>)>,
    /// The group of the last row.
    group: Option<Id>,
    /// Bytes that may still be said again.
    room: usize,
}

impl Writer<'_> {
    pub(super) fn grid(&self, rows: &[Id]) -> Grid {
        let mut grid = Grid::default();
        let mut above = Above {
            cells: vec![(0, Rc::from("")); MAX_COLUMNS],
            group: None,
            room: MAX_COPIES,
        };
        for row in rows {
            let row = self.row(*row, &mut above, &mut grid);
            grid.rows.push(row);
        }
        let columns = grid.columns;
        for row in &mut grid.rows {
            row.cells.retain(|(column, _)| *column < columns);
            row.cells.sort_by_key(|(column, _)| *column);
        }
        grid
    }

    fn row(&self, id: Id, above: &mut Above, grid: &mut Grid) -> Row {
        let own = self.cells(id);
        let mut row = Row {
            heads: own.iter().all(|cell| self.dom.name(*cell) == "th")
                || self.dom.name(self.dom.nodes[id].parent) == "thead",
            ..Row::default()
        };
        let mut taken = above.reach(self.dom.nodes[id].parent, &mut row);
        for cell in &own {
            let text = self.inline_text(*cell).replace('|', "\\|");
            row.speaks |= !text.is_empty();
            let at = (!taken).trailing_zeros() as usize;
            if at >= MAX_COLUMNS {
                if let Some((_, last)) = row.cells.last_mut() {
                    last.extend([" ", &text]);
                }
                continue;
            }
            let (wide, high) = (self.span(*cell, "colspan").max(1), self.span(*cell, "rowspan"));
            grid.columns = grid.columns.max(at + 1);
            grid.spans |= grid.rows.is_empty() && (wide > 1 || high != 1);
            row.title = own.len() == 1 && wide > 1;
            let below: Rc<str> = Rc::from(if text.len() <= MAX_COPY { &*text } else { "" });
            let free = (at..MAX_COLUMNS).take(wide).take_while(|place| taken >> place & 1 == 0);
            for place in free.collect::<Vec<_>>() {
                taken |= 1 << place;
                above.cells[place] = (high.wrapping_sub(1), below.clone());
                // A single cell over many is a title, said once.
                if place > at && !row.title {
                    above.copy(place, &below, &mut row);
                }
            }
            row.cells.push((at, text));
        }
        row
    }

    fn cells(&self, row: Id) -> Vec<Id> {
        let cells = self.dom.children(row);
        cells
            .filter(|cell| matches!(self.dom.name(*cell), "td" | "th") && !self.dead[*cell])
            .collect()
    }

    /// How many places a cell covers; zero rows are all that are left.
    fn span(&self, cell: Id, attribute: &str) -> usize {
        let asked = self.dom.attribute(cell, attribute).map(str::trim);
        asked.and_then(|text| text.parse().ok()).unwrap_or(1)
    }
}

impl Above {
    /// Has the cells above reach into the next row, a bit for each place. A span ends with its group of rows.
    fn reach(&mut self, group: Id, row: &mut Row) -> u64 {
        let goes_on = self.group.replace(group) == Some(group);
        let mut taken = 0;
        for place in 0..MAX_COLUMNS {
            let (rows, text) = &mut self.cells[place];
            *rows = if goes_on { *rows } else { 0 };
            if *rows > 0 {
                *rows -= 1;
                taken |= 1 << place;
                let text = text.clone();
                self.copy(place, &text, row);
            }
        }
        taken
    }

    fn copy(&mut self, place: usize, text: &str, row: &mut Row) {
        if !text.is_empty() && text.len() <= self.room {
            self.room -= text.len();
            row.cells.push((place, text.to_owned()));
        }
    }
}
