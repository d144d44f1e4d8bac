use std::io;
use std::time::Duration;

use super::*;

#[derive(serde::Serialize)]
struct Rows(Vec<&'static str>);

impl View for Rows {
    fn tables(&self) -> Vec<Table> {
        let mut table = Table::new(["NAME"]);
        for name in &self.0 {
            table.row([Cell::new(name)]);
        }
        vec![Table::new(["EMPTY"]), table.clone(), table]
    }

    fn nothing(&self) -> &'static str {
        "nothing here"
    }
}

/// What `view` prints, without colour.
pub(super) fn shown(format: Format, view: &impl View) -> String {
    let mut bytes = Vec::new();
    Output::new(&mut bytes, format, false).show(view).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn each_format_ends_with_one_line_feed() {
    assert_eq!(shown(Format::Table, &Rows(vec!["a"])), "NAME\na\n\nNAME\na\n");
    assert_eq!(shown(Format::Table, &Rows(vec![])), "nothing here\n");
    assert_eq!(shown(Format::Json, &Rows(vec!["a"])), "[\n  \"a\"\n]\n");
    assert_eq!(shown(Format::Yaml, &Rows(vec!["a", "on"])), "- a\n- \"on\"\n");
}

/// Fails every write with one error.
struct Failing(io::ErrorKind);

impl io::Write for Failing {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_went_away_is_no_error_and_a_full_disk_is() {
    let mut closed = Output::new(Failing(io::ErrorKind::BrokenPipe), Format::Table, false);
    closed.line("x").unwrap();
    closed.line("x").unwrap();
    let mut full = Output::new(Failing(io::ErrorKind::StorageFull), Format::Table, false);
    assert_eq!(full.line("x").unwrap_err().kind(), io::ErrorKind::StorageFull);
}

#[test]
fn ages_have_one_unit() {
    for (seconds, text) in
        [(0, "0s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (172_800, "2d")]
    {
        assert_eq!(age(Duration::from_secs(seconds)), text);
    }
}
