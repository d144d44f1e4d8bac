//! Allocation against a simple model.
