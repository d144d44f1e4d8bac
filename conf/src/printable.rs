//! Text that others wrote, made safe for a terminal and a log.

use std::fmt::{self, Write};

/// Prints what it holds with control characters escaped: file names and values come from anywhere,
/// and must neither move the cursor nor forge a line of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Printable<T>(pub T);

impl<T: fmt::Display> fmt::Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// Escapes on the way to a formatter.
struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if is_plain(c) {
                self.0.write_char(c)?;
            } else {
                write!(self.0, "{}", c.escape_default())?;
            }
        }
        Ok(())
    }
}

/// Text of a JSON document, with what is not [plain](is_plain) escaped as JSON does. The document
/// stays the same: such characters stand in strings alone, but for line feeds.
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_plain(c) || c == '\n' {
            out.push(c);
        } else {
            out.push_str(&escape(c));
        }
    }
    out
}

/// A character as JSON and YAML write it in double quotes; all that are not plain have four digits.
pub fn escape(c: char) -> String {
    format!("\\u{:04x}", u32::from(c))
}

/// Neither a control character (C0, DEL, C1), nor one that breaks a line, nor one that reorders the
/// text around it.
pub fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        let shown = |text| Printable(text).to_string();
        assert_eq!(shown("a\u{1b}[2Jb\nc\t\u{9b}"), r"a\u{1b}[2Jb\nc\t\u{9b}");
        assert_eq!(shown("x\u{202e}y\u{2028}"), r"x\u{202e}y\u{2028}");
        assert_eq!(shown("Übergröße 'x' \"y\" 日本"), "Übergröße 'x' \"y\" 日本");
    }

    #[test]
    fn a_json_document_stays_what_it_is() {
        let text = "a\u{1b}[2J\u{7f}\u{9b}\u{202e}\u{2029}\n\t\"\\ Übergröße";
        let document = serde_json::to_string_pretty(&serde_json::json!({ text: [text] })).unwrap();
        let shown = json(&document);
        assert!(shown.chars().all(|c| is_plain(c) || c == '\n'), "{shown}");
        let back: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(back, serde_json::json!({ text: [text] }));
    }
}
