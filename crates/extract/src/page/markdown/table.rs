//! Tables of data as rows under a header; tables that only lay a page out are read through.

use super::{Id, Writer};

/// Most columns of a table; padding rows beyond it would let one row blow up a page.
const MAX_COLUMNS: usize = 64;

impl Writer<'_> {
    pub(super) fn table(&mut self, id: Id) {
        self.flush();
        let rows = self.own_rows(id);
        let cells = |row: Id| {
            self.dom
                .children(row)
                .filter(|cell| matches!(self.dom.name(*cell), "td" | "th") && !self.dead[*cell])
        };
        let columns = rows
            .iter()
            .map(|row| cells(*row).count())
            .max()
            .unwrap_or(0)
            .min(MAX_COLUMNS);
        let is_block = |it: Id| {
            matches!(
                self.dom.name(it),
                "table" | "pre" | "h1" | "h2" | "h3" | "ul" | "ol" | "article" | "section" | "dl"
            )
        };
        let layout = columns < 2
            || self.dom.attribute(id, "role") == Some("presentation")
            || self
                .dom
                .descendants(id)
                .any(|it| is_block(it) && !self.is_dead(it, id) && self.is_large(it));
        if layout {
            self.children(id);
            self.flush();
            return;
        }
        for caption in self.dom.children(id).filter(|child| self.dom.name(*child) == "caption") {
            self.node(caption);
            self.flush();
        }
        let texts: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                cells(*row)
                    .take(MAX_COLUMNS)
                    .map(|cell| self.inline_text(cell).replace('|', "\\|"))
                    .collect()
            })
            .collect();
        let headed = rows.first().is_some_and(|row| {
            cells(*row).all(|cell| self.dom.name(cell) == "th") || self.dom.name(self.dom.nodes[*row].parent) == "thead"
        });
        self.rows(&texts, columns, headed);
    }

    fn rows(&mut self, rows: &[Vec<String>], columns: usize, headed: bool) {
        let line = |cells: &[String]| {
            let mut line = String::from("|");
            for column in 0..columns {
                line.push(' ');
                line.push_str(cells.get(column).map_or("", String::as_str));
                line.push_str(" |");
            }
            line
        };
        let blank = |row: &&Vec<String>| row.iter().all(String::is_empty);
        let mut lines = vec![
            line(if headed { &rows[0] } else { &[] }),
            format!("|{}", " --- |".repeat(columns)),
        ];
        lines.extend(
            rows.iter()
                .skip(usize::from(headed))
                .filter(|row| !blank(row))
                .map(|row| line(row)),
        );
        if lines.len() > 2 {
            self.block(&lines);
        } else if headed {
            // A header over nothing is a line of text.
            let said: Vec<&str> = rows[0]
                .iter()
                .map(String::as_str)
                .filter(|cell| !cell.is_empty())
                .collect();
            self.line = said.join(" | ");
            self.flush();
        }
    }

    /// The living rows of a table, without those of tables inside.
    fn own_rows(&self, table: Id) -> Vec<Id> {
        let mut rows = Vec::new();
        let mut at = table + 1;
        while at < self.dom.nodes[table].end {
            let row = self.dom.name(at) == "tr";
            if row && !self.dead[at] {
                rows.push(at);
            }
            let skip = row || self.dead[at] || self.dom.name(at) == "table";
            at = if skip { self.dom.nodes[at].end } else { at + 1 };
        }
        rows
    }

    fn is_dead(&self, id: Id, within: Id) -> bool {
        self.dead[id]
            || self
                .dom
                .ancestors(id)
                .take_while(|up| *up != within)
                .any(|up| self.dead[up])
    }

    /// Whether a block in a table is too much for a cell.
    fn is_large(&self, id: Id) -> bool {
        !matches!(self.dom.name(id), "ul" | "ol") || self.dom.size(id) > 40
    }
}
