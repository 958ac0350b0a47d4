//! An intercom as tests set it up, if they do not say otherwise.

use sotto::intercom::Setup;
use sotto::intercom::console::Mode;

/// A computer's, at full volume, with an open microphone and all that a call has; without passphrase and STUN.
pub fn setup() -> Setup {
    Setup {
        passphrase: None,
        volume: 100,
        mode: Mode::Open,
        tones: true,
        processing: true,
        stun: Vec::new(),
        remembered: None,
        can_quit: true,
        check_only: false,
        problems: Vec::new(),
    }
}
