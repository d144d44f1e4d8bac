//! Standard output: in the format asked for, and content with a reader that went away.

use std::io::{self, IsTerminal, Write};

use conf::printable::{self, Printable};

use super::View;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// Tables for people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

/// Where results go.
///
/// A reader that closes the pipe (`railhead discover | head -1`) has what it wants: what is
/// written after that goes nowhere, and that is no error.
#[derive(Debug)]
pub struct Output<W> {
    to: W,
    format: Format,
    colour: bool,
    closed: bool,
}

impl Output<io::Stdout> {
    /// Standard output; in colour on a terminal, unless `NO_COLOR` is set (no-color.org).
    pub fn stdout(format: Format) -> Self {
        let to = io::stdout();
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = to.is_terminal() && !unwanted;
        Self::new(to, format, colour)
    }
}

impl<W: Write> Output<W> {
    /// `to`, in colour if `colour`.
    pub fn new(to: W, format: Format, colour: bool) -> Self {
        Self { to, format, colour, closed: false }
    }

    /// Prints `view`.
    pub fn show(&mut self, view: &impl View) -> io::Result<()> {
        match self.format {
            Format::Table => {
                let tables = view.tables();
                let mut parts: Vec<String> = tables
                    .iter()
                    .filter(|table| !table.is_empty())
                    .map(|table| table.render(self.colour))
                    .collect();
                if parts.is_empty() {
                    return self.line(view.nothing());
                }
                parts.extend(view.conclusion().map(str::to_owned));
                // Its cells are printable already, and colours are to be obeyed.
                self.raw(format!("{}\n", parts.join("\n\n")).as_bytes())
            }
            Format::Json | Format::Yaml => self.document(view),
        }
    }

    /// Prints `value` as one JSON or YAML document; as JSON also where tables are asked for.
    pub fn document(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        let json = || {
            let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
            Ok::<_, io::Error>(printable::json(&text))
        };
        let text = match self.format {
            Format::Yaml => {
                let text = serde_saphyr::to_string(value).map_err(io::Error::other)?;
                // Not every text can be escaped where it stands, and JSON is YAML too.
                if text.chars().all(|c| printable::is_plain(c) || c == '\n') {
                    text
                } else {
                    json()?
                }
            }
            Format::Json | Format::Table => json()?,
        };
        self.raw(format!("{}\n", text.trim_end_matches('\n')).as_bytes())
    }

    /// Prints `text`, made [printable](Printable), and a line feed.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        self.raw(format!("{}\n", Printable(text)).as_bytes())
    }

    /// Prints each line of `text` so.
    pub fn lines(&mut self, text: &str) -> io::Result<()> {
        let lines: String = text.lines().map(|line| format!("{}\n", Printable(line))).collect();
        self.raw(lines.as_bytes())
    }

    /// Prints bytes as they are: nothing of others' making that is not [printable](Printable).
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        match self.to.write_all(bytes).and_then(|()| self.to.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => {
                let kind = error.kind();
                Err(io::Error::new(kind, format!("write to standard output: {error}")))
            }
            Ok(()) => Ok(()),
        }
    }
}
