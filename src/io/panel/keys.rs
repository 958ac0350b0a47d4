//! Keys of input devices (evdev) as buttons: USB pedals and keyboards, `gpio-keys`, QEMU's keyboard.
//!
//! What is down is asked of the kernel at every event (EVIOCGKEY), so that nothing is lost when its queue runs over. A press
//! counts for [`SHORTEST`] at least: a pedal may be down for less than the debouncing of levels takes.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use evdev::raw_stream::RawDevice;
use evdev::{AttributeSetRef, EventSummary, InputEvent, KeyCode};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::config::Keys;
use crate::intercom::panel::{Button, Levels};

/// Devices at once; more are left alone.
pub const MAX_DEVICES: usize = 8;
/// Where they are.
const FOLDER: &str = "/dev/input";
/// Between two looks for devices that came.
const LOOK: Duration = Duration::from_secs(1);
/// How long a press lasts at least.
const SHORTEST: Duration = Duration::from_millis(60);
/// Reads of one device in one turn.
const READS: usize = 8;

/// All input devices that have a key that is a button.
pub struct KeyDevices {
    keys: Keys,
    first: Token,
    devices: [Option<Device>; MAX_DEVICES],
    /// Nodes that need no second look, by name and inode: the kernel uses names again.
    seen: Vec<(OsString, u64)>,
    next_look: Instant,
    /// Whether the first look is over: what is there from the start is no news.
    looked: bool,
    notes: Vec<String>,
}

struct Device {
    raw: RawDevice,
    name: String,
    node: (OsString, u64),
    held: Held,
}

impl KeyDevices {
    /// Opens those that are there; the rest is found by [`Self::look`]. Tokens: `first` and [`MAX_DEVICES`] - 1 more.
    pub fn open(now: Instant, registry: &Registry, first: Token, keys: &Keys) -> Self {
        let mut devices = Self {
            keys: keys.clone(),
            first,
            devices: [const { None }; MAX_DEVICES],
            seen: Vec::new(),
            next_look: now,
            looked: false,
            notes: Vec::new(),
        };
        devices.look(now, registry);
        devices
    }

    /// Looks for devices that came, if it is time to.
    pub fn look(&mut self, now: Instant, registry: &Registry) {
        if self.next_look > now {
            return;
        }
        self.next_look = now + LOOK;
        let mut nodes: Vec<(OsString, u64)> = match std::fs::read_dir(FOLDER) {
            Ok(folder) => folder
                .flatten()
                .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"event"))
                .filter_map(|entry| Some((entry.file_name(), entry.metadata().ok()?.ino())))
                .collect(),
            // There is no such folder before the first device came.
            Err(_) => Vec::new(),
        };
        nodes.sort();
        self.seen.retain(|node| nodes.contains(node));
        for node in nodes {
            if self.seen.contains(&node) {
                continue;
            }
            let Some(free) = self.devices.iter().position(Option::is_none) else {
                break;
            };
            // One that cannot be opened yet gets its permissions in a moment.
            if let Ok(device) = Device::open(&self.keys, node.clone()) {
                self.seen.push(node);
                if let Some(device) = device
                    && device
                        .register(registry, Token(self.first.0 + free))
                        .is_ok()
                {
                    if self.looked {
                        self.notes
                            .push(format!("`{}` came: its keys are buttons", device.name));
                    }
                    self.devices[free] = Some(device);
                }
            }
        }
        self.looked = true;
    }

    /// Reads a device that is readable; false if the token is another's.
    pub fn ready(&mut self, now: Instant, token: Token) -> bool {
        let Some(slot) = token
            .0
            .checked_sub(self.first.0)
            .and_then(|n| self.devices.get_mut(n))
        else {
            return false;
        };
        if let Some(device) = slot
            && device.read(now, &self.keys).is_err()
        {
            self.notes
                .push(format!("`{}` went: its keys are released", device.name));
            self.seen.retain(|node| *node != device.node);
            *slot = None;
        }
        true
    }

    /// What is down on any of them.
    pub fn levels(&self, now: Instant) -> Levels {
        let held = self.devices.iter().flatten().map(|d| d.held.levels(now));
        held.fold(Levels::default(), super::either)
    }

    /// When to look again.
    pub fn poll_timeout(&self) -> Instant {
        self.next_look
    }

    /// Whether any device has a key that is a button.
    pub fn is_empty(&self) -> bool {
        self.devices.iter().all(Option::is_none)
    }

    /// The next line for the owner.
    pub fn poll_note(&mut self) -> Option<String> {
        (!self.notes.is_empty()).then(|| self.notes.remove(0))
    }
}

impl Device {
    /// `None` if it has no key that is a button.
    fn open(keys: &Keys, node: (OsString, u64)) -> io::Result<Option<Self>> {
        let path: PathBuf = Path::new(FOLDER).join(&node.0);
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(path)?;
        let raw = RawDevice::from_fd(OwnedFd::from(file))?;
        if !raw.supported_keys().is_some_and(|all| has_any(keys, all)) {
            return Ok(None);
        }
        let name: String = raw
            .name()
            .unwrap_or("an input device")
            .chars()
            .take(40)
            .collect();
        let mut held = Held::default();
        held.set(keys, &raw.get_key_state()?);
        Ok(Some(Self {
            raw,
            name,
            node,
            held,
        }))
    }

    fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(
            &mut SourceFd(&self.raw.as_raw_fd()),
            token,
            Interest::READABLE,
        )
    }

    fn read(&mut self, now: Instant, keys: &Keys) -> io::Result<()> {
        for _ in 0..READS {
            match self.raw.fetch_events() {
                Ok(events) => events.for_each(|event| self.held.event(now, keys, event)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        self.held.set(keys, &self.raw.get_key_state()?);
        Ok(())
    }
}

fn has_any(keys: &Keys, supported: &AttributeSetRef<KeyCode>) -> bool {
    keys.iter().any(|(code, _)| supported.contains(code))
}

/// The buttons that one device holds down.
#[derive(Default)]
struct Held {
    down: Levels,
    /// Until when TALK, NEXT, BACK count as down because they were pressed.
    until: [Option<Instant>; 3],
}

impl Held {
    fn event(&mut self, now: Instant, keys: &Keys, event: InputEvent) {
        // 1 is a press; 0 a release, 2 a repeat (linux/Documentation/input/event-codes.rst).
        if let EventSummary::Key(_, code, 1) = event.destructure()
            && let Some(button) = keys.button(code)
        {
            self.until[button as usize] = Some(now + SHORTEST);
        }
    }

    fn set(&mut self, keys: &Keys, down: &AttributeSetRef<KeyCode>) {
        let is_down = |button: Button| {
            keys.iter()
                .any(|(code, b)| b == button && down.contains(code))
        };
        self.down = Levels {
            talk: is_down(Button::Talk),
            next: is_down(Button::Next),
            back: is_down(Button::Back),
        };
    }

    fn levels(&self, now: Instant) -> Levels {
        let [talk, next, back] = self.until.map(|at| at.is_some_and(|at| now < at));
        super::either(self.down, Levels { talk, next, back })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evdev::{AttributeSet, EventType};

    fn keys() -> Keys {
        toml::from_str("talk = [\"KEY_F1\", \"KEY_B\"]\nnext = [\"KEY_F2\"]\nback = [\"KEY_F3\"]")
            .expect("legal keys")
    }

    fn down(codes: &[KeyCode]) -> AttributeSet<KeyCode> {
        codes.iter().collect()
    }

    const TALK: Levels = Levels {
        talk: true,
        next: false,
        back: false,
    };

    #[test]
    fn a_key_that_is_down_is_its_button_and_others_are_nothing() {
        let (keys, now) = (keys(), Instant::now());
        let mut held = Held::default();
        held.set(&keys, &down(&[KeyCode::KEY_A, KeyCode::KEY_B]));
        assert_eq!(held.levels(now), TALK);
        held.set(&keys, &down(&[KeyCode::KEY_F2, KeyCode::KEY_F3]));
        let both = Levels {
            talk: false,
            next: true,
            back: true,
        };
        assert_eq!(held.levels(now), both);
        held.set(&keys, &down(&[]));
        assert_eq!(held.levels(now), Levels::default());
    }

    #[test]
    fn a_tap_that_is_over_before_it_is_read_still_lasts_long_enough_to_count() {
        let (keys, now) = (keys(), Instant::now());
        let mut held = Held::default();
        for value in [1, 0] {
            let event = InputEvent::new(EventType::KEY.0, KeyCode::KEY_F1.code(), value);
            held.event(now, &keys, event);
        }
        held.set(&keys, &down(&[]));
        assert_eq!(held.levels(now + SHORTEST / 2), TALK);
        assert_eq!(held.levels(now + SHORTEST), Levels::default());
    }

    #[test]
    fn repeats_releases_other_keys_and_other_events_press_nothing() {
        let (keys, now) = (keys(), Instant::now());
        let mut held = Held::default();
        for event in [
            InputEvent::new(EventType::KEY.0, KeyCode::KEY_F1.code(), 2),
            InputEvent::new(EventType::KEY.0, KeyCode::KEY_F1.code(), 0),
            InputEvent::new(EventType::KEY.0, KeyCode::KEY_A.code(), 1),
            InputEvent::new(EventType::RELATIVE.0, KeyCode::KEY_F1.code(), 1),
            InputEvent::new(EventType::SYNCHRONIZATION.0, 3, 1),
        ] {
            held.event(now, &keys, event);
        }
        assert_eq!(held.levels(now), Levels::default());
    }

    #[test]
    fn a_device_matters_that_has_one_of_the_keys() {
        assert!(has_any(&keys(), &down(&[KeyCode::KEY_A, KeyCode::KEY_F3])));
        assert!(!has_any(
            &keys(),
            &down(&[KeyCode::BTN_LEFT, KeyCode::KEY_A])
        ));
    }

    #[test]
    fn a_machine_without_input_devices_is_looked_at_once_a_second() {
        let poll = mio::Poll::new().expect("the kernel has epoll");
        let now = Instant::now();
        let mut devices = KeyDevices::open(now, poll.registry(), Token(1), &keys());
        assert_eq!(devices.poll_timeout(), now + LOOK);
        assert_eq!(devices.levels(now), Levels::default());
        assert!(!devices.ready(now, Token(0)) && !devices.ready(now, Token(1 + MAX_DEVICES)));
        assert!(devices.ready(now, Token(1)));
    }
}
