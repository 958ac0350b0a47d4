//! The command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use sotto::config::{Board, BoardName, Config, MemoryPlace, Settings, Stick};
use sotto::intercom::screen;
use sotto::io::confine::User;
use sotto::io::{self, ConsolePath, picture};

/// A push-button voice intercom that needs no server.
///
/// Two ends exchange an encrypted offer code and an encrypted answer code by any means; then voice flows directly
/// between them. Type `help` on a console for its commands.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Be an intercom.
    Run {
        #[command(flatten)]
        setup: Setup,
        /// A console on standard input and output (`stdio`; turns the terminal's screen off), or on a tty.
        #[arg(long, value_name = "stdio|PATH")]
        console: Vec<ConsolePath>,
        /// Become this user for good once everything that takes root is open, with no access but to devices.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// A stick that carries codes: an image file, plugged in while it exists, or `usb`, whatever disk is plugged in.
        #[arg(long, value_name = "FILE|usb|none")]
        stick: Option<Stick>,
        /// A file to remember volume and mode in; made if it is not there. `none`: not even where the board says.
        #[arg(long, value_name = "FILE|none")]
        memory: Option<PathBuf>,
        /// What to tell on standard error: `off`, `error`, `warn`, `info`, `debug` (addresses, too).
        #[arg(long, value_name = "LEVEL", default_value = "off")]
        log: log::LevelFilter,
    },
    /// Play a rising tone and listen for it: says how late and how loud the speaker comes back, and what is wrong with it or
    /// the microphone. Fails if something is.
    Selftest(Setup),
    /// Say whether a board file is right.
    CheckBoard {
        /// The file.
        file: PathBuf,
    },
    /// Print the name of the board that the settings say, or else of the one that this runs on.
    Board {
        /// What the owner wants; mistakes are passed over.
        #[arg(long, value_name = "FILE")]
        settings: Option<PathBuf>,
    },
    /// Print a configuration of wpa_supplicant for the Wi-Fi of the settings, or nothing when they have none.
    Wifi {
        /// What the owner wants; mistakes are passed over.
        #[arg(long, value_name = "FILE")]
        settings: PathBuf,
    },
    /// Draw screens into one PNG file.
    Screens {
        /// The file to write.
        file: PathBuf,
        /// Which ones; without names, all.
        names: Vec<String>,
    },
}

/// What the intercom is made of, and what its owner wants.
#[derive(Args)]
struct Setup {
    /// What the box is made of; without it, what the settings say, or this computer (`host`). `auto`: what the
    /// settings say, or the box that this runs on.
    #[arg(long, value_name = "auto|NAME|FILE")]
    board: Option<String>,
    /// What its owner wants. A mistake in it ends the program on a computer, and is told and passed over on a
    /// board that cannot `quit`.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// One setting, over those of the file: `volume=50`, `stun=[]`, `sound.capture=wav:FILE?loop`.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run {
            setup,
            console,
            user,
            stick,
            memory,
            log,
        } => {
            // Ours only: what libraries tell may hold keys.
            env_logger::Builder::new()
                .filter_module("sotto", log)
                .init();
            run(&setup, &console, stick, memory, user.as_deref())
        }
        Command::Selftest(setup) => selftest(&setup),
        Command::CheckBoard { file } => Board::read(&file)
            .map(|board| println!("{}: a good board file for `{}`", file.display(), board.name))
            .map_err(Into::into),
        Command::Board { settings } => {
            let settings = settings.map(|path| Settings::read_lenient(&path).0);
            println!("{}", box_name(&settings.unwrap_or_default()).as_str());
            Ok(())
        }
        Command::Wifi { settings } => {
            if let Some(wifi) = Settings::read_lenient(&settings).0.wifi() {
                print!("{}", *wifi.wpa_supplicant());
            }
            Ok(())
        }
        Command::Screens { file, names } => write_screens(&file, &names),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sotto: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(
    setup: &Setup,
    consoles: &[ConsolePath],
    stick: Option<Stick>,
    memory: Option<PathBuf>,
    user: Option<&str>,
) -> Result<(), Box<dyn std::error::Error>> {
    let user = user.map(User::named).transpose()?;
    let mut config = setup.configure()?;
    config.stick = stick.unwrap_or(config.stick);
    config.memory = match memory {
        Some(path) if path == Path::new("none") => None,
        Some(path) => Some(MemoryPlace { path, create: true }),
        None => config.memory,
    };
    io::run(config, consoles, user.as_ref())?;
    Ok(())
}

/// As an intercom that does this and nothing else.
fn selftest(setup: &Setup) -> Result<(), Box<dyn std::error::Error>> {
    let config = setup.configure()?.for_sound_check();
    let outcome = io::run(config, &[], None)?.unwrap_or_default();
    for line in &outcome.said {
        println!("{line}");
    }
    match outcome.good {
        true => Ok(()),
        false => Err("the sound check found something wrong".into()),
    }
}

impl Setup {
    fn configure(&self) -> Result<Config, Box<dyn std::error::Error>> {
        let path = self.settings.as_deref();
        let (mut settings, problems) = path.map(Settings::read_lenient).unwrap_or_default();
        for argument in &self.set {
            settings = settings.or(Settings::from_argument(argument)?);
        }
        let board = match (self.board.as_deref(), settings.board()) {
            (Some("auto"), _) => Board::named_or_file(box_name(&settings).as_str()),
            (Some(other), _) => Board::named_or_file(other),
            (None, Some(name)) => Board::named_or_file(name.as_str()),
            (None, None) => Board::named_or_file("host"),
        }?;
        // Whoever started it on a computer can put it right and start it again.
        if let Some(path) = path
            && board.quit
            && !problems.is_empty()
        {
            Settings::read(path)?;
        }
        Ok(settings.on(board, &problems))
    }
}

fn box_name(settings: &Settings) -> BoardName {
    settings.board().unwrap_or_else(BoardName::detected)
}

fn write_screens(file: &Path, names: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let all = screen::examples();
    let known = |name: &str| all.iter().any(|(n, _)| *n == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let known: Vec<_> = all.iter().map(|(name, _)| *name).collect();
        return Err(format!(
            "there is no screen `{unknown}`; there are {}",
            known.join(", ")
        )
        .into());
    }
    let drawn: Vec<_> = all
        .iter()
        .filter(|(name, _)| names.is_empty() || names.iter().any(|n| n == name))
        .map(|(name, view)| (*name, screen::drawn(view)))
        .collect();
    std::fs::write(file, picture::sheet(&drawn, 3))
        .map_err(|e| format!("{}: {e}", file.display()).into())
}
