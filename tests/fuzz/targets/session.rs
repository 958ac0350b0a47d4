//! Any text as a session description; one that is understood is written and read again the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sotto::intercom::session::Description;

fuzz_target!(|sdp: &str| {
    if let Ok(description) = Description::from_sdp(sdp) {
        let again = Description::from_sdp(&description.to_sdp(1));
        assert_eq!(again.map(|d| d.candidates), Ok(description.candidates));
    }
});
