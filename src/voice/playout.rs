//! Opus packets in, in any order; an unbroken row of frames out.
