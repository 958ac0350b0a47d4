//! The shell: one mio loop and every side effect. It decides nothing.
