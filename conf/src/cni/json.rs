//! JSON from outside, bounded before a tree is made of it.
//!
//! A tree takes far more memory than its text: six million numbers in twelve megabytes become some
//! hundreds, and a program that gets no memory ends without an answer. So the values are counted
//! first.

use serde_json::Value;

/// The most bytes of a document: etcd takes 1.5 MiB for an object, and runtimes add to it.
pub const MOST_BYTES: u64 = 4 << 20;

/// The most values in a document. A GC that names 10,000 attachments has 50,000.
pub const MOST_VALUES: usize = 200_000;

/// Reads one document.
///
/// # Errors
/// What is wrong with it, as the end of a sentence; of one that is too large or empty, that.
pub fn read(text: &[u8]) -> Result<Value, String> {
    if text.len() as u64 > MOST_BYTES {
        return Err(too_long());
    }
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err("it is empty".to_owned());
    }
    if values(text) > MOST_VALUES {
        return Err(format!("it is too large: it has more than {MOST_VALUES} values"));
    }
    serde_json::from_slice(text).map_err(|cause| cause.to_string())
}

/// Says that a document has more than [`MOST_BYTES`].
pub fn too_long() -> String {
    format!("it is too large: longer than {} MiB", MOST_BYTES >> 20)
}

/// How many values a document has at most: each but the first follows a bracket, a comma or a colon.
fn values(text: &[u8]) -> usize {
    let (mut count, mut quoted, mut escaped) = (1, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' | b',' | b':' if !quoted => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_strings() {
        for (text, count) in [
            (r#"5"#, 1),
            (r#"[1,2,3]"#, 4),
            (r#"{"a":1,"b":[true]}"#, 6),
            (r#"{"a":",,,[[[\",,,"}"#, 3),
            (r#"{"a\\":"b,"}"#, 3),
        ] {
            assert_eq!(values(text.as_bytes()), count, "{text}");
        }
    }

    #[test]
    fn each_limit_is_named() {
        let long = format!("\"{}\"", "a".repeat(4 << 20));
        let many = format!("[{}1]", "1,".repeat(MOST_VALUES));
        let keys = format!("{{{}\"a\":1}}", "\"a\":1,".repeat(MOST_VALUES / 2));
        let deep = "[".repeat(200);
        for (text, word) in [
            ("", "empty"),
            (" \n\t", "empty"),
            (&long, "too large: longer than 4 MiB"),
            (&many, "too large: it has more than 200000 values"),
            (&keys, "too large: it has more than 200000 values"),
            (&deep, "recursion limit"),
            ("{\"a\":", "EOF"),
        ] {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(error.contains(word), "{word:?} was expected: {error}");
        }
        let fits = format!("[{}1]", "1,".repeat(MOST_VALUES - 3));
        assert!(read(fits.as_bytes()).is_ok());
    }
}
