//! Passphrases: made, normalised, judged.
