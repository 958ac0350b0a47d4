//! Button levels to presses and holds.
