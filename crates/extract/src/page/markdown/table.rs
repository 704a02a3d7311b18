//! Tables of data as rows under a header; tables that only lay a page out are read through.

use super::{Id, Writer, grid::Row};

/// Most places of a table; a larger one is read through, so that empty ones cannot multiply the output.
const MAX_PLACES: usize = 1 << 20;

impl Writer<'_> {
    pub(super) fn table(&mut self, id: Id) {
        self.flush();
        let grid = self.grid(&self.own_rows(id));
        if grid.columns < 2 || grid.columns * grid.rows.len() > MAX_PLACES || self.lays_out(id) {
            self.children(id);
            self.flush();
            return;
        }
        for caption in self.dom.children(id).filter(|child| self.dom.name(*child) == "caption") {
            self.node(caption);
            self.flush();
        }
        let mut rows = grid.rows;
        // A first row that is one cell says what the table is about.
        let titles = rows
            .iter()
            .take_while(|row| row.title)
            .count()
            .min(rows.len().saturating_sub(1));
        for title in rows.drain(..titles) {
            self.line = title.cells.into_iter().map(|(_, text)| text).collect();
            self.flush();
        }
        let heads = rows.iter().take_while(|row| row.heads).count();
        let body = rows.split_off(if grid.spans { heads } else { heads.min(1) });
        self.rows(&joined(rows), &body, grid.columns);
    }

    /// Whether a table only lays a page out.
    fn lays_out(&self, id: Id) -> bool {
        let is_block = |it: Id| {
            matches!(
                self.dom.name(it),
                "table" | "pre" | "h1" | "h2" | "h3" | "ul" | "ol" | "article" | "section" | "dl"
            )
        };
        self.dom.attribute(id, "role") == Some("presentation")
            || self
                .dom
                .descendants(id)
                .any(|it| is_block(it) && !self.is_dead(it, id) && self.is_large(it))
    }

    fn rows(&mut self, head: &[(usize, String)], body: &[Row], columns: usize) {
        let line = |cells: &[(usize, String)]| {
            let mut line = String::from("|");
            let mut cells = cells.iter().peekable();
            for column in 0..columns {
                let cell = cells.next_if(|(at, _)| *at == column);
                line.extend([" ", cell.map_or("", |(_, text)| text), " |"]);
            }
            line
        };
        let mut lines = vec![line(head), format!("|{}", " --- |".repeat(columns))];
        lines.extend(body.iter().filter(|row| row.speaks).map(|row| line(&row.cells)));
        if lines.len() > 2 {
            self.block(&lines);
        } else {
            // A header over nothing is a line of text.
            let said: Vec<&str> = head
                .iter()
                .map(|(_, text)| &**text)
                .filter(|text| !text.is_empty())
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

/// The rows of a head as one: what is said over a column, from the top.
fn joined(rows: Vec<Row>) -> Vec<(usize, String)> {
    let mut cells: Vec<(usize, String)> = rows.into_iter().flat_map(|row| row.cells).collect();
    cells.sort_by_key(|(column, _)| *column);
    let mut out: Vec<(usize, String)> = Vec::new();
    // A cell above that reaches down says the same again.
    let mut last = String::new();
    for (column, text) in cells {
        match out.last_mut().filter(|(at, _)| *at == column) {
            Some(_) if text == last => {}
            Some((_, said)) => said.extend([" ", &text]),
            None => out.push((column, text.clone())),
        }
        last = text;
    }
    out
}
