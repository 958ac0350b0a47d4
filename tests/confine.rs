//! A process that gave up root: what it may still do, and what not. Needs root to begin with.

#![allow(missing_docs)]

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::net::{TcpListener, ToSocketAddrs, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use sotto::io::confine::User;

/// Set in the process that gives root up: a folder that any user may use.
const FOLDER: &str = "SOTTO_TEST_CONFINE_FOLDER";
const USER: &str = "nobody";

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("=== NOT TESTED: giving up root takes root ===");
    }
    root
}

/// Not a test by itself: the other process.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    // Each test has a thread of its own, and what Landlock binds is the one that asks for it.
    let user = User::named(USER).expect("it exists");
    user.become_for_good().expect("it is root");
    println!();
    let say = |what: &str, works: bool| println!("* {what}: {}", if works { "yes" } else { "no" });
    say("reads /etc/hosts", fs::read("/etc/hosts").is_ok());
    say("reads /sys", fs::read_dir("/sys/class").is_ok());
    let null = File::options().write(true).open("/dev/null");
    say(
        "writes to a device",
        null.is_ok_and(|mut f| f.write_all(b"x").is_ok()),
    );
    say(
        "resolves names on a thread",
        on_thread(|| "localhost:1".to_socket_addrs().is_ok()),
    );
    say("binds UDP", UdpSocket::bind("127.0.0.1:0").is_ok());
    say(
        "reads another's memory",
        fs::read("/proc/1/environ").is_ok(),
    );
    let again = User::named("root").is_ok() || user.become_for_good().is_ok();
    say("changes users", again);
    // What only Landlock forbids.
    say("reads a file", fs::read(folder.join("secret")).is_ok());
    let secret = folder.join("secret");
    say(
        "reads a file on a thread",
        on_thread(move || fs::read(secret).is_ok()),
    );
    say("makes a file", File::create(folder.join("new")).is_ok());
    say(
        "removes a file",
        fs::remove_file(folder.join("secret")).is_ok(),
    );
    say(
        "starts a program",
        Command::new("/bin/true").status().is_ok(),
    );
    say("listens", TcpListener::bind("127.0.0.1:0").is_ok());
}

fn on_thread(work: impl FnOnce() -> bool + Send + 'static) -> bool {
    std::thread::spawn(work).join().expect("no panic")
}

#[test]
fn only_devices_names_and_the_network_are_left() {
    if !is_root() {
        return;
    }
    let folder = std::env::temp_dir().join(format!("sotto-confine-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("made");
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).expect("open to all");
    fs::write(folder.join("secret"), "x").expect("written");
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(FOLDER, &folder)
        .output()
        .expect("it starts");
    fs::remove_dir_all(&folder).expect("removed");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    let said = |answer: &str| -> Vec<String> {
        let line = |l: &str| {
            l.strip_prefix("* ")?
                .strip_suffix(answer)
                .map(str::to_owned)
        };
        text.lines().filter_map(line).collect()
    };
    let mut forbidden = vec!["reads another's memory", "changes users"];
    if landlock_abi() >= 6 {
        forbidden.extend([
            "reads a file",
            "reads a file on a thread",
            "makes a file",
            "removes a file",
            "starts a program",
            "listens",
        ]);
    } else {
        eprintln!("=== NOT TESTED: this kernel has not all of Landlock ===");
    }
    let no = said(": no");
    assert!(
        forbidden.iter().all(|f| no.iter().any(|n| n == f)),
        "{text}"
    );
    assert_eq!(
        said(": yes")[..5],
        [
            "reads /etc/hosts",
            "reads /sys",
            "writes to a device",
            "resolves names on a thread",
            "binds UDP"
        ]
    );
}

fn landlock_abi() -> i64 {
    // SAFETY: with the flag LANDLOCK_CREATE_RULESET_VERSION (1) the call only says its version.
    unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, 1) }
}

#[test]
fn a_user_that_is_no_help_is_refused() {
    for (name, why) in [
        ("root", "that is root"),
        ("no-such-user", "there is no such user"),
        ("a\0b", "not a name"),
    ] {
        let error = User::named(name).expect_err("refused").to_string();
        assert!(error.contains(why), "{error}");
    }
}
