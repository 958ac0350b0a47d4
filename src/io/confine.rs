//! Giving up what only root may, for good: one unprivileged user, few files, no other program.
//!
//! To be done once everything that takes root is open and before the first thread: Landlock (the kernel's
//! `userspace-api/landlock`) binds the thread that asks for it and those that it starts.
//!
//! There is no system call filter: what the C library, ALSA's plug-ins and name look-ups call differs with machine and
//! version, and one call too few stops the box.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

/// May be read: ALSA's configuration; the C library's, for name look-ups, and the libraries that both load; what
/// the kernel says of devices.
const READABLE: &[&str] = &[
    "/etc",
    "/lib",
    "/proc/asound",
    "/run/systemd/resolve",
    "/sys",
    "/usr/lib",
    "/usr/share/alsa",
];
/// May be written to, as far as the devices' owners and groups allow.
const DEVICES: &str = "/dev";
/// Rights that this program knows of; a kernel that knows fewer enforces those.
const RIGHTS: ABI = ABI::V6;

/// A user of this system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: CString,
    uid: libc::uid_t,
    gid: libc::gid_t,
}

impl User {
    /// Looks a user up by name.
    ///
    /// # Errors
    /// There is none, or it is root.
    pub fn named(name: &str) -> io::Result<Self> {
        let failed = |why: &str| io::Error::other(format!("--user {name}: {why}"));
        let c_name = CString::new(name).map_err(|_| failed("not a name"))?;
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut text = [0; 4_096];
        let mut found = std::ptr::null_mut();
        // SAFETY: every pointer is to a live local of the size that is said.
        let status = unsafe {
            libc::getpwnam_r(
                c_name.as_ptr(),
                entry.as_mut_ptr(),
                text.as_mut_ptr(),
                text.len(),
                &raw mut found,
            )
        };
        if status != 0 {
            return Err(failed(&io::Error::from_raw_os_error(status).to_string()));
        }
        if found.is_null() {
            return Err(failed("there is no such user"));
        }
        // SAFETY: `found` is not null, so the entry was filled in.
        let entry = unsafe { entry.assume_init() };
        if entry.pw_uid == 0 || entry.pw_gid == 0 {
            return Err(failed("that is root; name a user with no privileges"));
        }
        Ok(Self {
            name: c_name,
            uid: entry.pw_uid,
            gid: entry.pw_gid,
        })
    }

    /// Makes this process that user's, with no way back and with access to devices only.
    ///
    /// # Errors
    /// Any step but Landlock's failed, which an older kernel lacks. The process must end then.
    pub fn become_for_good(&self) -> io::Result<()> {
        self.take_on()?;
        leave_no_dumps()?;
        match restrict() {
            Ok(RulesetStatus::FullyEnforced) => log::info!("files are restricted by Landlock"),
            Ok(status) => log::info!("files are restricted by Landlock in part: {status:?}"),
            Err(e) => log::info!("files are not restricted: {e}"),
        }
        Ok(())
    }

    fn take_on(&self) -> io::Result<()> {
        // SAFETY: the name is a C string that outlives the call; the others take numbers. No thread was started yet.
        let taken = unsafe {
            checked("initgroups", libc::initgroups(self.name.as_ptr(), self.gid))
                .and_then(|()| checked("setresgid", libc::setresgid(self.gid, self.gid, self.gid)))
                .and_then(|()| checked("setresuid", libc::setresuid(self.uid, self.uid, self.uid)))
        };
        taken?;
        // SAFETY: numbers only.
        let regained = unsafe { libc::setuid(0) == 0 || libc::setgid(0) == 0 };
        match regained {
            true => Err(io::Error::other("root's rights can be taken back")),
            false => Ok(()),
        }
    }
}

/// No privileges by other programs, no memory in files or in another process of the same user.
fn leave_no_dumps() -> io::Result<()> {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: numbers, and a limit that outlives the call.
    unsafe {
        checked(
            "PR_SET_NO_NEW_PRIVS",
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        )?;
        checked(
            "PR_SET_DUMPABLE",
            libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0),
        )?;
        checked(
            "RLIMIT_CORE",
            libc::setrlimit(libc::RLIMIT_CORE, &raw const none),
        )
    }
}

fn restrict() -> Result<RulesetStatus, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let device: BitFlags<AccessFs> = read | AccessFs::WriteFile | AccessFs::IoctlDev;
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(RIGHTS))?
        // Nothing listens for connections.
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::from_all(RIGHTS))?
        .create()?
        .add_rules(path_beneath_rules(READABLE, read))?
        .add_rules(path_beneath_rules([DEVICES], device))?
        .restrict_self()?;
    Ok(status.ruleset)
}

fn checked(what: &str, status: libc::c_int) -> io::Result<()> {
    match status {
        0 => Ok(()),
        _ => {
            let e = io::Error::last_os_error();
            Err(io::Error::new(e.kind(), format!("{what}: {e}")))
        }
    }
}
