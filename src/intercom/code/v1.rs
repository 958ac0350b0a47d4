//! Codes v1: the original browser app's.
