//! What is shipped.

use super::Figure;

/// The largest that the plugins' binary may be.
const PLUGINS: u64 = 3 * 1024 * 1024;

pub(super) fn measure() -> Vec<Figure> {
    let size = |path: &str| std::fs::metadata(path).expect("a shipped binary").len();
    let text = |bytes: u64| format!("{:.2} MiB", bytes as f64 / 1024.0 / 1024.0);
    let (plugins, railhead) = (size("/opt/cni/bin/railhead-cni"), size("/bin/railhead"));
    vec![
        Figure {
            what: "size of the plugins' binary".to_owned(),
            ours: text(plugins),
            floor: String::new(),
            goal: "at most 3 MiB".to_owned(),
            met: plugins <= PLUGINS,
        },
        Figure {
            what: "size of railhead".to_owned(),
            ours: text(railhead),
            floor: String::new(),
            goal: String::new(),
            met: true,
        },
    ]
}
