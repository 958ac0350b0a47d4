//! Settings and board files, parsed into checked types; an unknown key is an error that names it.
