//! The command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use sotto::config::{Board, Config, Settings, Stick};
use sotto::intercom::screen;
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
        /// What the box is made of; without it, this computer (board/host/board.toml).
        #[arg(long, value_name = "FILE")]
        board: Option<PathBuf>,
        /// What its owner wants.
        #[arg(long, value_name = "FILE")]
        settings: Option<PathBuf>,
        /// One setting, over those of the file: `volume=50`, `stun=[]`, `sound.capture=wav:FILE?loop`.
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// A console on standard input and output (`stdio`; turns the terminal's screen off), or on a tty.
        #[arg(long, value_name = "stdio|PATH")]
        console: Vec<ConsolePath>,
        /// A stick that carries codes: an image file, plugged in while it exists, or `usb`, whatever disk is plugged in.
        #[arg(long, value_name = "FILE|usb|none")]
        stick: Option<Stick>,
        /// What to tell on standard error: `off`, `error`, `warn`, `info`, `debug` (addresses, too).
        #[arg(long, value_name = "LEVEL", default_value = "off")]
        log: log::LevelFilter,
    },
    /// Say whether a board file is right.
    CheckBoard {
        /// The file.
        file: PathBuf,
    },
    /// Draw screens into one PNG file.
    Screens {
        /// The file to write.
        file: PathBuf,
        /// Which ones; without names, all.
        names: Vec<String>,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run {
            board,
            settings,
            set,
            console,
            stick,
            log,
        } => {
            // Ours only: what libraries tell may hold keys.
            env_logger::Builder::new()
                .filter_module("sotto", log)
                .init();
            configure(board.as_deref(), settings.as_deref(), &set).and_then(|mut config| {
                config.stick = stick.unwrap_or(config.stick);
                Ok(io::run(config, &console)?)
            })
        }
        Command::CheckBoard { file } => Board::read(&file)
            .map(|board| println!("{}: a good board file for `{}`", file.display(), board.name))
            .map_err(Into::into),
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

fn configure(
    board: Option<&Path>,
    settings: Option<&Path>,
    set: &[String],
) -> Result<Config, Box<dyn std::error::Error>> {
    let board = board.map_or_else(Board::host, Board::read)?;
    let mut all = match settings {
        Some(path) => Settings::read(path)?,
        None => Settings::default(),
    };
    for argument in set {
        all = all.or(Settings::from_argument(argument)?);
    }
    Ok(all.on(board))
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
