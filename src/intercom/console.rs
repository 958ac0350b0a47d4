//! The serial language: bytes in, lines and commands out.
