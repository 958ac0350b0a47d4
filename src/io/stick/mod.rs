//! Sticks as they come and go, read and written on threads of their own; and their file systems ([`volume`]).
//!
//! A stick may be slow, hang or be pulled out at any moment, so the loop never touches one. Each has a number, and what comes back for
//! another than the one that is in now is dropped. One stick is served at a time, the one that came first.

mod clusters;
pub mod device;
mod error;
mod exfat;
mod fat;
mod find;
mod folder;
mod format;
pub mod partition;
pub mod sectors;
pub mod volume;

use std::collections::VecDeque;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use self::device::Disk;
use super::uevent::{Action, Uevent};
use super::worker::Worker;
use crate::config;
use crate::intercom::stick::{Event, File, Order, Text};

pub use error::StickError;

/// After that long the owner is told that a stick hangs.
const PATIENCE: Duration = Duration::from_secs(20);
/// A device's node may be there before its group and mode are right: so long it is tried again, this often.
const SETTLE: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_millis(200);
/// How often a file that stands for a stick is looked for.
const LOOK: Duration = Duration::from_millis(500);
/// Threads for sticks, those that hang included.
const MAX_JOBS: usize = 4;
const HANGING: &str = "Too many sticks hang. Pull them all out, switch this intercom off and on again, and take another.";

/// All sticks.
pub struct Sticks {
    source: Source,
    /// Those that are in but not served.
    others: VecDeque<PathBuf>,
    served: Option<Served>,
    number: u64,
    jobs: usize,
    events: VecDeque<Event>,
}

enum Source {
    None,
    /// Uevents, and what these folders say: `/sys`, `/dev`.
    Usb(PathBuf, PathBuf),
    /// A file; which one was there when it was last looked for, and when that is next.
    Image {
        path: PathBuf,
        there: Option<(u64, u64)>,
        next: Instant,
    },
}

/// The stick that is read and written.
struct Served {
    path: PathBuf,
    number: u64,
    since: Instant,
    gone: Arc<AtomicBool>,
    doing: Doing,
}

enum Doing {
    Nothing,
    /// As soon as it is that time.
    Soon(Instant, Task),
    /// Since then; the owner knows that it takes long.
    Job(Instant, bool),
}

#[derive(Clone)]
enum Task {
    Read,
    Write(Vec<File>),
}

/// A task on a thread.
pub struct Job {
    path: PathBuf,
    number: u64,
    gone: Arc<AtomicBool>,
    task: Task,
}

/// What came of one.
pub struct Finished {
    number: u64,
    task: Task,
    result: Result<Vec<Text>, StickError>,
}

impl Job {
    /// Does it; takes as long as the stick likes.
    pub fn run(self) -> Finished {
        let result = match &self.task {
            Task::Read => self
                .open(false)
                .and_then(|mut disk| volume::read(&mut disk)),
            Task::Write(files) => self.open(true).and_then(|mut disk| {
                volume::write(&mut disk, files)?;
                Ok(Vec::new())
            }),
        };
        self.finished(result)
    }

    /// There is no thread for it.
    pub fn fail(self, error: std::io::Error) -> Finished {
        self.finished(Err(StickError::Io(error)))
    }

    /// The same job for another thread to fail.
    pub fn twin(&self) -> Self {
        Self {
            path: self.path.clone(),
            number: self.number,
            gone: self.gone.clone(),
            task: Task::Read,
        }
    }

    fn open(&self, write: bool) -> Result<Disk, StickError> {
        Disk::open(&self.path, write, self.gone.clone()).map_err(StickError::Io)
    }

    fn finished(self, result: Result<Vec<Text>, StickError>) -> Finished {
        Finished {
            number: self.number,
            task: self.task,
            result,
        }
    }
}

impl Sticks {
    /// Looks for sticks that are in already.
    pub fn new(now: Instant, stick: &config::Stick) -> Self {
        let source = match stick {
            config::Stick::None => Source::None,
            config::Stick::Usb => Source::Usb("/sys".into(), "/dev".into()),
            config::Stick::Image(path) => Source::Image {
                path: path.clone(),
                there: None,
                next: now,
            },
        };
        Self::at(now, source)
    }

    fn at(now: Instant, source: Source) -> Self {
        let mut sticks = Self {
            source,
            others: VecDeque::new(),
            served: None,
            number: 0,
            jobs: 0,
            events: VecDeque::new(),
        };
        sticks.look(now);
        sticks
    }

    /// Looks which sticks are in, when that was not told.
    pub fn look(&mut self, now: Instant) {
        let Source::Usb(sys, dev) = &self.source else {
            return;
        };
        let all: Vec<PathBuf> = find::all(sys).iter().map(|name| dev.join(name)).collect();
        let known = self
            .others
            .iter()
            .chain(self.served.iter().map(|s| &s.path));
        let gone: Vec<PathBuf> = known.filter(|p| !all.contains(p)).cloned().collect();
        for path in gone {
            self.removed(now, &path);
        }
        for path in all {
            self.added(now, path);
        }
    }

    /// The kernel says that a device came or went.
    pub fn handle(&mut self, now: Instant, event: &Uevent) {
        let Source::Usb(sys, dev) = &self.source else {
            return;
        };
        if event.subsystem != "block" || event.devtype != "disk" {
            return;
        }
        let path = dev.join(&event.devname);
        let is_in =
            event.action != Action::Remove && find::is_stick(sys, &event.devname, &event.devpath);
        match event.action {
            Action::Add if is_in => self.added(now, path),
            Action::Remove => self.removed(now, &path),
            // A card reader: another card is another stick.
            Action::Change => {
                self.removed(now, &path);
                if is_in {
                    self.added(now, path);
                }
            }
            _ => {}
        }
    }

    /// Does what is due by the clock.
    pub fn work(&mut self, now: Instant, worker: &Worker) {
        self.look_for_image(now);
        let Some(served) = &mut self.served else {
            return;
        };
        match &mut served.doing {
            Doing::Soon(at, task) if *at <= now => {
                if self.jobs >= MAX_JOBS {
                    served.doing = Doing::Nothing;
                    self.events.push_back(Event::Failed(HANGING.into()));
                    return;
                }
                let job = Job {
                    path: served.path.clone(),
                    number: served.number,
                    gone: served.gone.clone(),
                    task: task.clone(),
                };
                served.doing = Doing::Job(now, false);
                self.jobs += 1;
                worker.work_on_stick(job);
            }
            Doing::Job(since, told) if !*told && now >= *since + PATIENCE => {
                *told = true;
                self.events.push_back(Event::Slow);
            }
            _ => {}
        }
    }

    /// What the intercom wants written.
    pub fn order(&mut self, now: Instant, order: Order) {
        let Order::Write(files) = order;
        if let Some(served) = &mut self.served {
            served.doing = Doing::Soon(now, Task::Write(files));
        }
    }

    /// A job is done.
    pub fn finished(&mut self, now: Instant, finished: Finished) {
        self.jobs -= 1;
        let served = self.served.as_mut();
        let Some(served) = served.filter(|s| s.number == finished.number) else {
            return;
        };
        served.doing = Doing::Nothing;
        let event = match (finished.result, &finished.task) {
            (Err(e), _) if now < served.since + SETTLE && may_pass(&e) => {
                served.doing = Doing::Soon(now + RETRY, finished.task);
                return;
            }
            (Err(e), _) => {
                log::debug!("stick: {e:?}");
                Event::Failed(e.to_string())
            }
            (Ok(texts), Task::Read) => Event::Read(texts),
            (Ok(_), Task::Write(_)) => Event::Written,
        };
        self.events.push_back(event);
    }

    /// The next thing that the intercom should know.
    pub fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to come back at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let look = match &self.source {
            Source::Image { next, .. } => Some(*next),
            _ => None,
        };
        let job = self.served.as_ref().and_then(|s| match &s.doing {
            Doing::Soon(at, _) => Some(*at),
            Doing::Job(since, false) => Some(*since + PATIENCE),
            Doing::Job(_, true) | Doing::Nothing => None,
        });
        look.into_iter().chain(job).min()
    }

    fn look_for_image(&mut self, now: Instant) {
        let Source::Image { path, there, next } = &mut self.source else {
            return;
        };
        if *next > now {
            return;
        }
        *next = now + LOOK;
        let found = std::fs::metadata(&*path).ok();
        let found = found.filter(|m| !m.is_dir()).map(|m| (m.dev(), m.ino()));
        let before = std::mem::replace(there, found);
        let path = path.clone();
        if before != found {
            if before.is_some() {
                self.removed(now, &path);
            }
            if found.is_some() {
                self.added(now, path);
            }
        }
    }

    fn added(&mut self, now: Instant, path: PathBuf) {
        match &self.served {
            Some(served) if served.path == path => {}
            Some(_) => {
                if !self.others.contains(&path) {
                    self.others.push_back(path);
                }
            }
            None => {
                self.number += 1;
                self.events.push_back(Event::Arrived);
                self.served = Some(Served {
                    path,
                    number: self.number,
                    since: now,
                    gone: Arc::default(),
                    doing: Doing::Soon(now, Task::Read),
                });
            }
        }
    }

    fn removed(&mut self, now: Instant, path: &Path) {
        self.others.retain(|other| other != path);
        if let Some(served) = self.served.take_if(|s| s.path == path) {
            served.gone.store(true, Ordering::Relaxed);
            self.events.push_back(Event::Removed);
            if let Some(next) = self.others.pop_front() {
                self.added(now, next);
            }
        }
    }
}

/// Whether a device may only need a moment after it came.
fn may_pass(error: &StickError) -> bool {
    match error {
        StickError::Io(e) => matches!(
            e.raw_os_error(),
            Some(libc::EACCES | libc::EPERM | libc::ENOENT | libc::ENOMEDIUM)
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::worker::Done;
    use super::*;

    /// The loop's part, with a folder for `/sys` and `/dev`, and time that is set by hand.
    struct Rig {
        folder: PathBuf,
        poll: mio::Poll,
        worker: Worker,
        sticks: Sticks,
        now: Instant,
    }

    impl Rig {
        fn new(name: &str, source: impl FnOnce(&Path) -> Source) -> Self {
            let folder = std::env::temp_dir().join(format!("sotto-{name}-{}", std::process::id()));
            std::fs::create_dir_all(folder.join("dev")).unwrap();
            let poll = mio::Poll::new().unwrap();
            let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
            let now = Instant::now();
            Self {
                sticks: Sticks::at(now, source(&folder)),
                worker: Worker::new(waker),
                folder,
                poll,
                now,
            }
        }

        fn usb(name: &str) -> Self {
            Self::new(name, |folder| {
                Source::Usb(folder.join("sys"), folder.join("dev"))
            })
        }

        fn uevent(&mut self, action: Action, name: &str) {
            let event = Uevent {
                action,
                subsystem: "block".into(),
                devpath: format!("/devices/pci0/usb1/block/{name}"),
                devname: name.into(),
                devtype: "disk".into(),
            };
            self.sticks.handle(self.now, &event);
        }

        /// Lets time pass, and a job that runs finish.
        fn run(&mut self, time: Duration) -> Vec<Event> {
            self.now += time;
            self.sticks.work(self.now, &self.worker);
            while let Some(Doing::Job(..)) = self.sticks.served.as_ref().map(|s| &s.doing) {
                let mut events = mio::Events::with_capacity(4);
                self.poll
                    .poll(&mut events, Some(Duration::from_secs(10)))
                    .unwrap();
                let Some(Done::Stick(finished)) = self.worker.poll() else {
                    continue;
                };
                self.sticks.finished(self.now, finished);
            }
            self.events()
        }

        fn events(&mut self) -> Vec<Event> {
            std::iter::from_fn(|| self.sticks.poll()).collect()
        }
    }

    impl Drop for Rig {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    const MOMENT: Duration = Duration::from_millis(250);

    #[test]
    fn a_device_whose_node_comes_late_is_read_and_one_whose_node_never_comes_is_told() {
        let mut rig = Rig::usb("late");
        rig.uevent(Action::Add, "sdb");
        assert_eq!(rig.run(MOMENT), [Event::Arrived]);
        assert_eq!(rig.run(MOMENT), []);
        std::fs::write(rig.folder.join("dev/sdb"), [0; 65_536]).unwrap();
        assert_eq!(
            rig.run(MOMENT),
            [Event::Failed(StickError::Unknown.to_string())]
        );
        rig.uevent(Action::Remove, "sdb");
        rig.uevent(Action::Add, "sdc");
        let mut events = rig.run(MOMENT);
        for _ in 0..20 {
            events.extend(rig.run(MOMENT));
        }
        let [Event::Removed, Event::Arrived, Event::Failed(_)] = &events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(rig.sticks.poll_timeout(), None);
    }

    #[test]
    fn the_stick_that_came_first_is_served_and_the_next_when_it_is_out() {
        let mut rig = Rig::usb("two");
        for name in ["sdb", "sdc"] {
            std::fs::write(rig.folder.join("dev").join(name), [0; 65_536]).unwrap();
            rig.uevent(Action::Add, name);
            rig.uevent(Action::Add, name);
        }
        let unknown = Event::Failed(StickError::Unknown.to_string());
        assert_eq!(rig.run(MOMENT), [Event::Arrived, unknown.clone()]);
        rig.uevent(Action::Remove, "sdb");
        rig.uevent(Action::Remove, "sdb");
        assert_eq!(rig.run(MOMENT), [Event::Removed, Event::Arrived, unknown]);
        rig.uevent(Action::Remove, "sdc");
        assert_eq!(rig.run(MOMENT), [Event::Removed]);
    }

    #[test]
    fn what_is_no_disk_on_usb_is_no_stick() {
        let mut rig = Rig::usb("none");
        for (subsystem, devtype, devpath) in [
            ("block", "partition", "/devices/usb1/block/sdb"),
            ("tty", "disk", "/devices/usb1/block/sdb"),
            ("block", "disk", "/devices/ata1/block/sdb"),
        ] {
            let event = Uevent {
                action: Action::Add,
                subsystem: subsystem.into(),
                devpath: devpath.into(),
                devname: "sdb".into(),
                devtype: devtype.into(),
            };
            rig.sticks.handle(rig.now, &event);
        }
        rig.uevent(Action::Add, "mmcblk0");
        assert_eq!(rig.run(MOMENT), []);
    }

    #[test]
    fn a_stick_that_hangs_is_told_once_and_many_that_hang_are_given_up() {
        // Who opens a pipe waits for somebody at its other end.
        let mut rig = Rig::usb("hang");
        let path = rig.folder.join("dev/sdb");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        for _ in 0..MAX_JOBS {
            rig.uevent(Action::Add, "sdb");
            rig.sticks.work(rig.now, &rig.worker);
            assert_eq!(rig.events(), [Event::Arrived]);
            assert_eq!(rig.sticks.poll_timeout(), Some(rig.now + PATIENCE));
            rig.now += PATIENCE;
            rig.sticks.work(rig.now, &rig.worker);
            assert_eq!(rig.events(), [Event::Slow]);
            assert_eq!(rig.sticks.poll_timeout(), None);
            rig.uevent(Action::Remove, "sdb");
            assert_eq!(rig.events(), [Event::Removed]);
        }
        rig.uevent(Action::Add, "sdb");
        assert_eq!(
            rig.run(MOMENT),
            [Event::Arrived, Event::Failed(HANGING.into())]
        );
        // They come back, of sticks that are long out.
        let _other_end = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        while rig.sticks.jobs > 0 {
            let mut events = mio::Events::with_capacity(4);
            rig.poll
                .poll(&mut events, Some(Duration::from_secs(10)))
                .unwrap();
            while let Some(Done::Stick(finished)) = rig.worker.poll() {
                rig.sticks.finished(rig.now, finished);
            }
        }
        assert_eq!(rig.events(), []);
    }

    #[test]
    fn an_image_is_in_while_its_file_is_there() {
        let mut rig = Rig::new("image", |folder| Source::Image {
            path: folder.join("stick.img"),
            there: None,
            next: Instant::now(),
        });
        assert_eq!(rig.run(LOOK), []);
        let path = rig.folder.join("stick.img");
        std::fs::write(&path, [0; 65_536]).unwrap();
        let unknown = Event::Failed(StickError::Unknown.to_string());
        assert_eq!(rig.run(LOOK), [Event::Arrived, unknown.clone()]);
        assert_eq!(rig.run(LOOK), []);
        // Another file in its place is another stick.
        std::fs::write(rig.folder.join("other.img"), [0; 65_536]).unwrap();
        std::fs::rename(rig.folder.join("other.img"), &path).unwrap();
        assert_eq!(rig.run(LOOK), [Event::Removed, Event::Arrived, unknown]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(rig.run(LOOK), [Event::Removed]);
    }
}
