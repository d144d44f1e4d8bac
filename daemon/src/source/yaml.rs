//! YAML and JSON text to documents.
//!
//! JSON is read as the YAML that it is; so a key that is there twice is an error in both. What a
//! small text may grow to (aliases of aliases) is bounded.

use serde_json::Value;
use serde_saphyr::{MessageFormatter, Options, Spanned, UserMessageFormatter};

use super::FileRefusal;

/// Aliases may repeat that many nodes in all: a document written by people repeats a few.
const REPEATED_NODES: usize = 20_000;

/// One document that is not empty.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Document {
    /// The line on which it begins, from 1.
    pub(crate) line: u64,
    /// What it says.
    pub(crate) value: Value,
}

/// All documents of a text. One syntax error refuses all: where it ends nobody can tell.
pub(crate) fn documents(content: &[u8]) -> Result<Vec<Document>, FileRefusal> {
    let text =
        std::str::from_utf8(content).map_err(|error| not_text(content, error.valid_up_to()))?;
    let found: Vec<Spanned<Value>> = serde_saphyr::from_multiple_with_options(text, bounded())
        .map_err(|error| syntax(&error))?;
    let document =
        |found: Spanned<Value>| Document { line: found.referenced.line(), value: found.value };
    Ok(found.into_iter().map(document).collect())
}

fn bounded() -> Options {
    serde_saphyr::options! {
        emit_comments: false,
        with_snippet: false,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: REPEATED_NODES,
        },
    }
}

fn syntax(error: &serde_saphyr::Error) -> FileRefusal {
    let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
    let message = UserMessageFormatter.format_message(error).into_owned();
    FileRefusal::Syntax { line, column, message }
}

/// The text ends being text after `valid` bytes.
fn not_text(content: &[u8], valid: usize) -> FileRefusal {
    let before = content.get(..valid).unwrap_or_default();
    let text = String::from_utf8_lossy(before);
    let from_one = |count: usize| u64::try_from(count).unwrap_or(u64::MAX).saturating_add(1);
    let last = text.rsplit('\n').next().unwrap_or_default();
    let byte = content.get(valid).copied().unwrap_or_default();
    FileRefusal::Syntax {
        line: from_one(text.matches('\n').count()),
        column: from_one(last.chars().count()),
        message: format!("byte 0x{byte:02x} is not UTF-8 text"),
    }
}

#[cfg(test)]
mod tests;
