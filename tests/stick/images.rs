//! Sticks made by the usual tools, in memory; and media that fail when they are told to.

#![allow(dead_code, missing_docs)]

use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use sotto::io::stick::device::Medium;

pub const SECTOR: usize = 512;
const MIB: usize = 1 << 20;
static ZEROS: [u8; 65_536] = [0; 65_536];

/// A way to make a stick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Fat12,
    Fat16,
    Fat32,
    ExFat,
}

pub const KINDS: [Kind; 4] = [Kind::Fat12, Kind::Fat16, Kind::Fat32, Kind::ExFat];

/// A file that goes with its test.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(contents: &[u8]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sotto-stick-{}-{n}.img", std::process::id());
        let path = std::env::temp_dir().join(name);
        let file = std::fs::File::create(&path).expect("the temporary folder is writable");
        file.set_len(contents.len() as u64).expect("it has room");
        // Most of a stick is zeros, which need not be written.
        for (chunk, n) in contents.chunks(65_536).zip(0u64..) {
            if chunk != &ZEROS[..chunk.len()] {
                file.write_all_at(chunk, n * 65_536).expect("it has room");
            }
        }
        Self(path)
    }

    pub fn contents(&self) -> Vec<u8> {
        std::fs::read(&self.0).expect("it was written")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Runs a tool with a file; what it says, and its exit code.
pub fn tool(program: &str, arguments: &[&str], file: &Scratch) -> (String, i32) {
    let arguments = arguments.iter().map(|a| match *a {
        "IMAGE" => file.0.as_os_str().to_owned(),
        a => a.into(),
    });
    let output = Command::new(program)
        .args(arguments)
        .env("MTOOLS_SKIP_CHECK", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{program} (see tests/run for the packages): {e}"));
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    (said, output.status.code().unwrap_or(-1))
}

pub fn must(program: &str, arguments: &[&str], file: &Scratch) -> String {
    let (said, code) = tool(program, arguments, file);
    assert_eq!(code, 0, "{program} {arguments:?}: {said}");
    said
}

/// An empty file system of a usual size.
pub fn empty(kind: Kind) -> Vec<u8> {
    let (size, program, arguments): (usize, &str, &[&str]) = match kind {
        Kind::Fat12 => (MIB, "mkfs.vfat", &["-F", "12", "-s", "1", "IMAGE"]),
        Kind::Fat16 => (4 * MIB, "mkfs.vfat", &["-F", "16", "-s", "1", "IMAGE"]),
        Kind::Fat32 => (40 * MIB, "mkfs.vfat", &["-F", "32", "-s", "1", "IMAGE"]),
        Kind::ExFat => (4 * MIB, "mkfs.exfat", &["-c", "4096", "IMAGE"]),
    };
    made(size, program, arguments)
}

pub fn made(size: usize, program: &str, arguments: &[&str]) -> Vec<u8> {
    let file = Scratch::new(&[]);
    let image = std::fs::OpenOptions::new().write(true).open(&file.0);
    image
        .and_then(|f| f.set_len(size as u64))
        .expect("the temporary folder has room");
    must(program, arguments, &file);
    file.contents()
}

/// Puts a file on a FAT image by mtools.
pub fn put(image: &mut Vec<u8>, path: &str, contents: &[u8]) {
    let (file, source) = (Scratch::new(image), Scratch::new(contents));
    let from = source.0.to_str().expect("a plain path");
    must(
        "mcopy",
        &["-o", "-i", "IMAGE", from, &format!("::{path}")],
        &file,
    );
    *image = file.contents();
}

/// Makes a folder on a FAT image by mtools.
pub fn folder(image: &mut Vec<u8>, path: &str) {
    let file = Scratch::new(image);
    must("mmd", &["-i", "IMAGE", &format!("::{path}")], &file);
    *image = file.contents();
}

/// A file of a FAT image as mtools reads it.
pub fn get(image: &[u8], path: &str) -> Option<Vec<u8>> {
    let (file, to) = (Scratch::new(image), Scratch::new(&[]));
    let target = to.0.to_str().expect("a plain path");
    let (_, code) = tool(
        "mcopy",
        &["-n", "-o", "-i", "IMAGE", &format!("::{path}"), target],
        &file,
    );
    (code == 0).then(|| to.contents())
}

/// What the file system's own checker says; its exit code.
pub fn check(kind: Kind, image: &[u8]) -> (String, i32) {
    let file = Scratch::new(image);
    match kind {
        Kind::ExFat => tool("fsck.exfat", &["-n", "IMAGE"], &file),
        _ => tool("fsck.vfat", &["-n", "-v", "IMAGE"], &file),
    }
}

/// A file system inside a partition table made by sfdisk from a script; the partition's bytes.
pub fn partitioned(script: &str, start: usize, inner: &[u8]) -> (Vec<u8>, Range<usize>) {
    let range = start * SECTOR..start * SECTOR + inner.len();
    let file = Scratch::new(&vec![0; range.end + 2 * MIB]);
    let mut child = Command::new("sfdisk")
        .arg("--quiet")
        .arg(&file.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("sfdisk (see tests/run for the packages)");
    let input = child.stdin.take();
    io::Write::write_all(&mut input.expect("piped"), script.as_bytes()).expect("it reads");
    assert!(child.wait().expect("sfdisk ends").success(), "{script}");
    let mut image = file.contents();
    image[range.clone()].copy_from_slice(inner);
    (image, range)
}

/// A stick in memory.
#[derive(Clone)]
pub struct Ram {
    pub bytes: Vec<u8>,
    /// Sectors that are still written; then the stick is gone.
    pub left: Option<usize>,
    /// What is written waits for the next sync, and of what waits when the stick goes, some arrives: a seed says which.
    pub reorder: Option<u64>,
    pub waiting: Vec<(usize, Vec<u8>)>,
    /// Sectors written so far.
    pub written: usize,
    /// Bytes read so far.
    pub read: u64,
    pub fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Every write fails with this error.
    Write(i32),
    /// Every read fails with this error.
    Read(i32),
    /// Writes seem to work, and nothing is kept.
    Forgets,
}

impl Ram {
    pub fn new(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            left: None,
            reorder: None,
            waiting: Vec::new(),
            written: 0,
            read: 0,
            fault: Fault::None,
        }
    }

    pub fn gone(&self) -> bool {
        self.left == Some(0)
    }

    fn settle(&mut self) {
        for (at, data) in self.waiting.drain(..) {
            self.bytes[at..at + data.len()].copy_from_slice(&data);
        }
    }

    /// The cable is out: what waits arrives in part.
    fn lose(&mut self) {
        let Some(mut seed) = self.reorder else { return };
        self.waiting.retain(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed >> 63 == 1
        });
        self.settle();
    }
}

impl Medium for Ram {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&mut self, at: u64, out: &mut [u8]) -> io::Result<()> {
        if self.gone() {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        if let Fault::Read(code) = self.fault {
            return Err(io::Error::from_raw_os_error(code));
        }
        self.read += out.len() as u64;
        let range = at as usize..at as usize + out.len();
        let there = self.bytes.get(range).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(there);
        Ok(())
    }

    fn write(&mut self, at: u64, data: &[u8]) -> io::Result<()> {
        match self.fault {
            Fault::Write(code) => return Err(io::Error::from_raw_os_error(code)),
            Fault::Forgets => return Ok(()),
            _ => {}
        }
        assert_eq!(at % SECTOR as u64, 0, "whole sectors are written");
        for (sector, n) in data.chunks(SECTOR).zip(0..) {
            if self.gone() {
                return Err(io::Error::from_raw_os_error(libc::ENODEV));
            }
            let at = at as usize + n * SECTOR;
            assert_eq!(sector.len(), SECTOR, "whole sectors are written");
            assert!(at + SECTOR <= self.bytes.len(), "on the stick");
            self.waiting.push((at, sector.to_vec()));
            self.written += 1;
            if self.reorder.is_none() {
                self.settle();
            }
            if let Some(left) = &mut self.left {
                *left -= 1;
                if *left == 0 {
                    self.lose();
                }
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.gone() {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        self.settle();
        Ok(())
    }
}

/// Gives a directory entry set of an exFAT image another name of as many letters; false when there is none.
pub fn rename_exfat(image: &mut [u8], from: &str, to: &str) -> bool {
    let wide = |name: &str| -> Vec<u8> { name.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let sum = |bytes: &[u8], skip: Range<usize>| {
        let kept = bytes.iter().enumerate().filter(|(i, _)| !skip.contains(i));
        kept.fold(0u16, |sum, (_, b)| {
            sum.rotate_right(1).wrapping_add(u16::from(*b))
        })
    };
    let (old, new) = (wide(from), wide(to));
    let name = (64..image.len() - 32).step_by(32).find(|at| {
        image[*at] == 0xC1 && image[at + 2..].starts_with(&old) && image[at - 64] == 0x85
    });
    let Some(name) = name else { return false };
    image[name + 2..name + 2 + new.len()].copy_from_slice(&new);
    let set = &mut image[name - 64..name + 32];
    let hash = sum(&wide(&to.to_uppercase()), 0..0).to_le_bytes();
    set[36..38].copy_from_slice(&hash);
    let checksum = sum(set, 2..4).to_le_bytes();
    set[2..4].copy_from_slice(&checksum);
    true
}
