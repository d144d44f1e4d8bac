use proptest::prelude::*;
use serde_json::json;

use super::*;

fn refused(content: impl AsRef<[u8]>) -> (u64, u64, String) {
    match documents(content.as_ref()) {
        Err(FileRefusal::Syntax { line, column, message }) => (line, column, message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn documents_with_the_lines_they_begin_on() {
    let text = "# a comment\nkind: A\n---\n---\n# only a comment\n---\n\nkind: B\nx: [1, 2]\n";
    let found = documents(text.as_bytes()).unwrap();
    assert_eq!(
        found,
        [
            Document { line: 2, value: json!({"kind": "A"}) },
            Document { line: 8, value: json!({"kind": "B", "x": [1, 2]}) },
        ]
    );
    assert!(documents(b"").unwrap().is_empty());
    assert!(documents(b"\xef\xbb\xbf# with a byte order mark\r\n").unwrap().is_empty());
}

#[test]
fn json_is_read_whatever_its_layout() {
    let text =
        "{\n\t\"kind\":\t\"A\",\n\t\"path\": \"a\\/b\\u00e9\\ud83d\\ude00\",\n\t\"n\": -1.5e3\n}\n";
    let found = documents(text.as_bytes()).unwrap();
    assert_eq!(found[0].value, json!({"kind": "A", "path": "a/bé😀", "n": -1500.0}));
}

#[test]
fn a_syntax_error_has_line_and_column() {
    for (text, line, column) in [
        ("kind: A\nspec:\n  a: [1, 2\n  b: 3\n", 4, 4),
        ("kind: A\nspec:\n\ta: 1\n", 3, 2),
        ("a: \"open\n", 1, 4),
        ("{\"kind\": \"A\",\n \"spec\": }}\n", 2, 11),
    ] {
        let found = refused(text);
        assert_eq!((found.0, found.1), (line, column), "{text:?}: {}", found.2);
        assert!(!found.2.is_empty() && !found.2.contains("line"), "{}", found.2);
    }
}

/// As `kubectl` reads them: YAML 1.1's words for true and false are no texts.
#[test]
fn words_are_what_they_are_on_a_cluster() {
    let found = documents(b"[yes, off, 'on', true, ~, 0x10, 10e9, 8086, \"8086\"]").unwrap();
    assert_eq!(found[0].value, json!([true, false, "on", true, null, 16, 10e9, 8086, "8086"]));
}

#[test]
fn a_key_that_is_there_twice_is_an_error_in_yaml_and_json() {
    let (line, _, message) = refused("kind: A\nspec:\n  numVfs: 1\n  numVfs: 2\n");
    assert_eq!(line, 4);
    assert!(message.contains("numVfs"), "{message}");
    refused("{\"kind\": \"A\",\n\"kind\": \"B\"}");
}

#[test]
fn bytes_that_are_no_text_have_line_and_column() {
    let found = refused(b"kind: A\nname: \xc3\xa9\xff\n");
    assert_eq!(found, (2, 8, "byte 0xff is not UTF-8 text".to_owned()));
    refused(b"\0\x01\x02ELF");
    refused(b"\x7fELF\x02\x01\x01\0\0\0");
}

/// Nine levels of ten: a billion nodes from 300 bytes.
#[test]
fn a_text_that_grows_is_refused() {
    let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..10 {
        let alias = format!("*a{}", level - 1);
        text += &format!("a{level}: &a{level} [{}]\n", [alias.as_str(); 10].join(","));
    }
    let (_, _, message) = refused(text);
    assert!(message.contains("too complex"), "{message}");
}

#[test]
fn a_deep_text_is_refused() {
    refused("[".repeat(100_000));
    refused(format!("a: {}1{}", "[".repeat(5_000), "]".repeat(5_000)));
    let nested: String = (0..3_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    refused(nested);
}

#[test]
fn anchors_that_people_write_are_followed() {
    let text = "base: &base {mtu: 9000}\none: {<<: *base, numVfs: 2}\n";
    let found = documents(text.as_bytes()).unwrap();
    assert_eq!(found[0].value["one"], json!({"mtu": 9000, "numVfs": 2}));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        documents(&bytes).ok();
    }

    #[test]
    fn no_text_of_yaml_tokens_makes_it_panic(
        text in "([\\-?:,\\[\\]{}#&*!|>'\"%@` \n\ta0~<.=]|---\n|\\.\\.\\.\n|<<: |&a |\\*a ){0,60}",
    ) {
        documents(text.as_bytes()).ok();
    }
}
