//! Keys: passphrase to master, master to everything else.
