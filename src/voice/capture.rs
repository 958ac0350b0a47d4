//! Microphone frames in, Opus packets out.
