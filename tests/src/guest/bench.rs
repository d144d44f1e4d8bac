//! Figures.

/// Measures.
pub(super) fn measure() {}
