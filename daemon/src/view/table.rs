//! Plain tables: aligned columns, upper-case headings, no lines; so that `grep` and `awk` work.

use std::fmt;

use comfy_table::{Attribute, Color};
use conf::printable::Printable;

/// What stands for "nothing" in a cell.
const NOTHING: &str = "-";

/// How a cell is meant; colours say no more than the text does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// As it comes.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// To be looked at.
    Warning,
    /// Wrong.
    Bad,
    /// Of little interest.
    Faint,
}

/// One cell. What others wrote in it is made [printable](Printable).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
    right: bool,
}

impl Cell {
    /// A text; an empty one shows as `-`.
    pub fn new(text: impl fmt::Display) -> Self {
        let text = Printable(text).to_string();
        let (text, tone) = match text.is_empty() {
            true => (NOTHING.to_owned(), Tone::Faint),
            false => (text, Tone::Plain),
        };
        Self { text, tone, right: false }
    }

    /// A text, or `-`.
    pub fn maybe(text: Option<impl fmt::Display>) -> Self {
        text.map_or_else(|| Self::new(""), Self::new)
    }

    /// Nothing at all: what stands above counts here too.
    pub fn blank() -> Self {
        Self { text: String::new(), tone: Tone::Plain, right: false }
    }

    /// A number, right-aligned.
    pub fn number(number: impl fmt::Display) -> Self {
        Self { right: true, ..Self::new(number) }
    }

    /// A number, or `-`.
    pub fn maybe_number(number: Option<impl fmt::Display>) -> Self {
        number.map_or_else(|| Self { right: true, ..Self::new("") }, Self::number)
    }

    /// The same cell, meant like that.
    pub fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these headings and no rows.
    pub fn new(headings: impl IntoIterator<Item = &'static str>) -> Self {
        Self { headings: headings.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Adds a row that ends with the first detail, and one for each further detail below it.
    pub fn row_with<const N: usize>(
        &mut self,
        cells: [Cell; N],
        details: impl IntoIterator<Item = impl fmt::Display>,
    ) {
        let mut details = details.into_iter();
        self.row(cells.into_iter().chain([Cell::maybe(details.next())]));
        for detail in details {
            self.row(std::iter::repeat_with(Cell::blank).take(N).chain([Cell::new(detail)]));
        }
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text, without blanks at the ends of lines.
    pub fn render(&self, colour: bool) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        if colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        let heading = |text: &&str| comfy_table::Cell::new(text).add_attribute(Attribute::Bold);
        table.set_header(self.headings.iter().map(heading).collect::<Vec<_>>());
        for row in &self.rows {
            table.add_row(row.iter().map(Cell::styled).collect::<Vec<_>>());
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 3));
        }
        let lines: Vec<String> =
            table.lines().map(|line| without_blanks_at_its_end(&line)).collect();
        lines.join("\n")
    }
}

/// A line without the blanks that nobody sees at its end, also before what ends a colour: where the
/// terminal is narrower than the column they would make a line of their own.
fn without_blanks_at_its_end(line: &str) -> String {
    let (mut kept, mut escapes) = (line.trim_end(), String::new());
    // No text holds an escape: cells are printable.
    while let Some((before, escape)) = kept.rsplit_once('\u{1b}')
        && escape.find('m') == Some(escape.len() - 1)
    {
        escapes = format!("\u{1b}{escape}{escapes}");
        kept = before.trim_end();
    }
    format!("{kept}{escapes}")
}

impl Cell {
    fn styled(&self) -> comfy_table::Cell {
        let cell = comfy_table::Cell::new(&self.text);
        let cell = match self.tone {
            Tone::Plain => cell,
            Tone::Good => cell.fg(Color::Green),
            Tone::Warning => cell.fg(Color::Yellow),
            Tone::Bad => cell.fg(Color::Red),
            Tone::Faint => cell.fg(Color::DarkGrey),
        };
        if self.right { cell.set_alignment(comfy_table::CellAlignment::Right) } else { cell }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Table {
        let mut table = Table::new(["NAME", "VFS", "STATE"]);
        table.row([Cell::new("enp1s0"), Cell::number(7), Cell::new("up").tone(Tone::Good)]);
        table.row([Cell::new("x\u{1b}[2J"), Cell::number(128), Cell::maybe(None::<&str>)]);
        table
    }

    #[test]
    fn aligned_and_nothing_at_the_ends_of_lines() {
        let expected = "\
NAME         VFS   STATE
enp1s0         7   up
x\\u{1b}[2J   128   -";
        assert_eq!(example().render(false), expected);
    }

    #[test]
    fn colour_changes_no_column() {
        let plain = example().render(false);
        let coloured = example().render(true);
        assert!(coloured.contains("\u{1b}["), "{coloured:?}");
        assert_eq!(without_escapes(&coloured), without_escapes(&plain));
    }

    fn without_escapes(text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            out += before;
            rest = after.split_once('m').unwrap().1;
        }
        out + rest
    }
}
