//! Any text into the code reader; what it finds is opened with a key that fits nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sotto::intercom::code::seal::Master;
use sotto::intercom::code::{self, Code, Kind, v1};

fuzz_target!(|text: &str| {
    let search = code::find(text);
    assert!(search.codes.len() <= 4);
    for code in &search.codes {
        let master = Master::from([7; 32]);
        match code {
            Code::V1(sealed) => assert!(v1::open(&master, sealed).is_err()),
            Code::V2(sealed) if sealed.kind() == Kind::Offer => assert!(master.open_offer(sealed).is_err()),
            Code::V2(_) => {}
        }
    }
});
