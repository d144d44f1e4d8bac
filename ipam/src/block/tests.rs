//! The numbering of blocks.
