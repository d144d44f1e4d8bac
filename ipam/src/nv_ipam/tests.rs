//! The plugin as its callers see it.
