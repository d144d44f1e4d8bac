//! The empty program: what starting and ending takes, which no program can do better than.

fn main() {}
