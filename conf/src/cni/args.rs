//! CNI_ARGS: `KEY=VALUE;KEY=VALUE`.

use std::collections::BTreeMap;

use super::{Code, Error};

/// The parsed variable. Of a key that occurs twice the last one counts: Multus appends its own
/// pairs to those of the runtime.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CniArgs(BTreeMap<String, String>);

impl CniArgs {
    /// Reads the variable's text; absent is the same as empty.
    ///
    /// # Errors
    /// Code 4 for a piece that is not `KEY=VALUE` with one `=`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut pairs = BTreeMap::new();
        // A stray semicolon says nothing, so it breaks nothing.
        for piece in text.split(';').filter(|piece| !piece.trim().is_empty()) {
            match piece.split_once('=') {
                Some((key, value)) if !key.is_empty() && !value.contains('=') => {
                    pairs.insert(key.trim().to_owned(), value.to_owned());
                }
                _ => {
                    return Err(Error::new(
                        Code::InvalidEnvironment,
                        format!("CNI_ARGS: {piece:?}: must be KEY=VALUE"),
                    ));
                }
            }
        }
        Ok(Self(pairs))
    }

    /// The value of `key`, matched exactly.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Refuses a key that is not in `known`, unless `IgnoreUnknown` is `1` or `true`.
    ///
    /// # Errors
    /// Code 4, naming every unknown key.
    pub fn expect_only(&self, known: &[&str]) -> Result<(), Error> {
        if self.ignores_unknown()? {
            return Ok(());
        }
        let unknown: Vec<&str> = self
            .0
            .keys()
            .map(String::as_str)
            .filter(|key| *key != IGNORE_UNKNOWN && !known.contains(key))
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            Code::InvalidEnvironment,
            format!("CNI_ARGS: unknown keys {}", unknown.join(", ")),
        )
        .details("IgnoreUnknown=1 in CNI_ARGS would allow them"))
    }

    fn ignores_unknown(&self) -> Result<bool, Error> {
        match self.get(IGNORE_UNKNOWN).map(str::to_ascii_lowercase).as_deref() {
            None | Some("0" | "false") => Ok(false),
            Some("1" | "true") => Ok(true),
            Some(other) => Err(Error::new(
                Code::InvalidEnvironment,
                format!("CNI_ARGS: IgnoreUnknown={other}: must be 1, true, 0 or false"),
            )),
        }
    }
}

const IGNORE_UNKNOWN: &str = "IgnoreUnknown";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn last_one_wins() {
        let args = CniArgs::parse("IgnoreUnknown=1;MAC=a;K8S_POD_NAME=p;;MAC=b;").unwrap();
        assert_eq!(args.get("MAC"), Some("b"));
        assert_eq!(args.get("mac"), None);
        assert_eq!(args.expect_only(&["MAC"]), Ok(()));
    }

    #[test]
    fn pieces_that_are_no_pair_are_refused() {
        for text in ["a", "a=b=c", "=b", "a=b;c"] {
            assert_eq!(CniArgs::parse(text).unwrap_err().code, Code::InvalidEnvironment, "{text}");
        }
        for text in ["", ";", " ; "] {
            assert_eq!(CniArgs::parse(text), Ok(CniArgs::default()), "{text}");
        }
    }

    #[test]
    fn unknown_keys_are_named() {
        let refused = |text: &str| CniArgs::parse(text).unwrap().expect_only(&["MAC"]).unwrap_err();
        assert_eq!(refused("B=1;A=1;MAC=x").msg, "CNI_ARGS: unknown keys A, B");
        assert_eq!(refused("A=1;IgnoreUnknown=0").code, Code::InvalidEnvironment);
        assert!(refused("IgnoreUnknown=maybe").msg.contains("maybe"));
    }

    proptest! {
        #[test]
        fn no_text_makes_parsing_panic(text in "\\PC{0,64}") {
            if let Ok(args) = CniArgs::parse(&text) {
                drop(args.expect_only(&["MAC"]));
            }
        }
    }
}
