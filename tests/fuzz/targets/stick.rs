//! Any changes to a stick's sectors: it is read and written, or refused. And any message of the kernel.
#![no_main]

use std::borrow::Cow;
use std::io;

use libfuzzer_sys::fuzz_target;
use sotto::intercom::stick::File;
use sotto::io::stick::device::Medium;
use sotto::io::stick::volume;
use sotto::io::uevent::Uevent;

/// Zeros, with the fuzzer's bytes over its first sectors; a size of its choice.
struct Stick {
    bytes: Vec<u8>,
    read: u64,
}

impl Medium for Stick {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&mut self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.read += out.len() as u64;
        let at = at as usize;
        out.copy_from_slice(self.bytes.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write(&mut self, at: u64, data: &[u8]) -> io::Result<()> {
        self.bytes[at as usize..at as usize + data.len()].copy_from_slice(data);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fuzz_target!(|data: &[u8]| {
    let _ = Uevent::parse(data);
    let mut bytes = data.to_vec();
    bytes.resize(bytes.len().max(1 << 20), 0);
    let mut stick = Stick { bytes, read: 0 };
    let _ = volume::read(&mut stick);
    let file = |name, contents: &'static [u8]| File {
        name,
        contents: Cow::Borrowed(contents),
    };
    let _ = volume::write(&mut stick, &[file("offer.txt", b"offer"), file("call.html", &[b'x'; 9_000])]);
    assert!(stick.read < 600 << 20);
});
