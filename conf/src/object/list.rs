//! Documents that hold many objects.

use serde_json::Value;

use super::{Read, read};

/// Lists in lists are unrolled that deep; nobody writes even two.
const DEPTH: usize = 4;

/// Reads a document that is an object, or a list of them (`kind: List`, `IPPoolList`), as
/// `kubectl get -o json` prints.
pub fn read_all(document: Value) -> Vec<Read> {
    let mut out = Vec::new();
    unroll(document, DEPTH, &mut out);
    out
}

fn unroll(mut document: Value, depth: usize, out: &mut Vec<Read>) {
    let api_version = document.get("apiVersion").cloned();
    let item_kind = document
        .get("kind")
        .and_then(Value::as_str)
        .and_then(|kind| kind.strip_suffix("List"))
        .map(str::to_owned);
    let items = match (item_kind, document.get_mut("items").map(Value::take)) {
        (Some(kind), Some(Value::Array(items))) if depth > 0 => (kind, items),
        (_, items) => {
            // Not a list after all: as it was.
            if let (Some(place), Some(items)) = (document.get_mut("items"), items) {
                *place = items;
            }
            out.push(read(document));
            return;
        }
    };
    let (kind, items) = items;
    for mut item in items {
        // The items of a typed list say neither kind nor version when the API server lists them.
        if let (Value::Object(fields), false) = (&mut item, kind.is_empty()) {
            fields.entry("kind").or_insert_with(|| Value::from(kind.clone()));
            fields.entry("apiVersion").or_insert_with(|| api_version.clone().unwrap_or_default());
        }
        unroll(item, depth - 1, out);
    }
}
