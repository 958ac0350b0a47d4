//! The words both ends compare.
