//! The files of objects, without what is none of railhead's business.
//!
//! People put whole `kubectl get -o yaml` outputs there: of an object of another kind, a Secret for
//! one, nothing is kept but what it is called. The file is then written anew, so that lines in
//! messages may be others.

use ipam::Root;
use serde_json::{Value, json};

use super::Tree;
use crate::source::{Directory, Problem, documents};

/// The kinds that are acted upon.
const KINDS: [&str; 3] = ["SriovNetworkNodePolicy", "IPPool", "CIDRPool"];

/// Lists in lists, no deeper.
const DEEPEST: usize = 4;

/// Where objects are, below the root.
const OBJECTS: &str = "etc/railhead/objects";

pub(super) fn add(tree: &mut Tree, root: &Root) {
    let Ok(files) = Directory::at(root.objects()).files() else {
        // A directory that cannot be listed: a file in its place cannot either.
        tree.files.insert(OBJECTS.to_owned(), String::new());
        return;
    };
    for file in &files.files {
        let Some(path) = file.path.file_name().and_then(|name| name.to_str()) else { continue };
        let path = format!("{OBJECTS}/{path}");
        match kept(&file.content) {
            Some(text) => drop(tree.files.insert(path, text)),
            // Nothing can be said of what it holds: nor of a directory of that name.
            None => drop(tree.directories.insert(path)),
        }
    }
    for problem in &files.problems {
        if let Problem::File { file, .. } = problem
            && let Some(name) = file.file_name().and_then(|name| name.to_str())
        {
            tree.directories.insert(format!("{OBJECTS}/{name}"));
        }
    }
}

/// What is kept of a file; `None` of one that may hold anything.
fn kept(content: &[u8]) -> Option<String> {
    let text = String::from_utf8(content.to_vec()).ok()?;
    let Ok(documents) = documents(content) else {
        let is_harmless = !text.to_ascii_lowercase().contains("secret");
        return is_harmless.then_some(text);
    };
    if documents.iter().all(|document| is_ours(&document.value, None, DEEPEST)) {
        return Some(text);
    }
    let reduced = documents.iter().map(|document| reduced(&document.value, None, DEEPEST));
    Some(reduced.map(|value| format!("---\n{value}\n")).collect())
}

/// Whether nothing is in it but objects that are acted upon.
fn is_ours(value: &Value, kind_of_list: Option<&str>, depth: usize) -> bool {
    match items(value, kind_of_list, depth) {
        Some((of, items)) => items.iter().all(|item| is_ours(item, of, depth - 1)),
        None => KINDS.contains(&kind(value, kind_of_list)),
    }
}

fn kind<'a>(value: &'a Value, kind_of_list: Option<&'a str>) -> &'a str {
    value.get("kind").and_then(Value::as_str).or(kind_of_list).unwrap_or_default()
}

/// The items of a list, and the kind that they have where they do not say.
fn items<'a>(
    value: &'a Value,
    kind_of_list: Option<&'a str>,
    depth: usize,
) -> Option<(Option<&'a str>, &'a Vec<Value>)> {
    let of = kind(value, kind_of_list).strip_suffix("List").filter(|_| depth > 0)?;
    let items = value.get("items")?.as_array()?;
    Some((Some(of).filter(|of| !of.is_empty()), items))
}

/// An object as it is, or by its name alone.
fn reduced(value: &Value, kind_of_list: Option<&str>, depth: usize) -> Value {
    let kind = kind(value, kind_of_list);
    if let Some((of, items)) = items(value, kind_of_list, depth) {
        let items: Vec<Value> = items.iter().map(|item| reduced(item, of, depth - 1)).collect();
        return json!({"apiVersion": value.get("apiVersion"), "kind": kind, "items": items});
    }
    if KINDS.contains(&kind) {
        return value.clone();
    }
    let name = value.get("metadata").and_then(|metadata| metadata.get("name"));
    json!({"apiVersion": value.get("apiVersion"), "kind": kind, "metadata": {"name": name}})
}
