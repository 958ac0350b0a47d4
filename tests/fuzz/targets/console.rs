//! Any bytes into an intercom's console, in any portions, with time passing in between.
#![no_main]

#[path = "../../support/setup.rs"]
mod setup;

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use sotto::intercom::console::Mode;
use sotto::intercom::{Input, Intercom, Setup};

use setup::setup;

fuzz_target!(|portions: Vec<(u8, Vec<u8>)>| {
    let mut now = Instant::now();
    let setup = Setup {
        mode: Mode::Ptt,
        ..setup()
    };
    let mut intercom = Intercom::new(now, setup, Box::new(|bytes: &mut [u8]| bytes.fill(3)));
    for console in [0, 1] {
        intercom.handle_input(
            now,
            Input::ConsoleOpened {
                console,
                interactive: console == 0,
            },
        );
    }
    for (pause, data) in &portions {
        let console = usize::from(pause & 1);
        intercom.handle_input(now, Input::ConsoleBytes { console, data });
        while intercom.poll_output().is_some() {}
        now += Duration::from_millis(u64::from(*pause) * 8);
        intercom.handle_input(now, Input::Timeout);
        while intercom.poll_output().is_some() {}
    }
});
