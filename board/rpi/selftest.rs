//! A Raspberry Pi's pins and I2C bus, as sotto sees them. Run it as root on the machine, with sotto stopped.
//!
//! Without arguments: drives each button's pin from a second process and shows what sotto's own driver reads on it, then
//! the LED the other way round, then what it finds on the display's bus. Do not press a button meanwhile.
//!
//! `drive PIN low|high MS` drives one pin (BCM number) for a while, as a finger would; `read PIN` reads one.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rppal::gpio::{Gpio, Level};
use sotto::config::{Board, Buttons};
use sotto::io::panel::{Panel, gpio};

type Failure = Box<dyn std::error::Error>;

/// How long a pin is driven: longer than it takes to look at it.
const DRIVE_MS: u64 = 500;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        [] => check(),
        ["drive", pin, level, ms] => drive(pin, level, ms),
        ["read", pin] => read(pin),
        _ => Err("usage: pins | pins drive PIN low|high MS | pins read PIN".into()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("pins: {e}");
            ExitCode::FAILURE
        }
    }
}

fn check() -> Result<bool, Failure> {
    let board = Board::named("rpi").ok_or("there is no board rpi")?;
    println!("model: {}", rppal::system::DeviceInfo::new()?.model());
    let pins = board.buttons.gpio.as_ref().ok_or("no pins")?;
    let buttons = gpio::Buttons::open(pins)?;
    let mut right = true;
    for (i, (name, pin)) in ["TALK", "NEXT", "BACK"]
        .into_iter()
        .zip(pins.pins())
        .enumerate()
    {
        for level in ["high", "low", "high"] {
            let mut driver = driven(pin, level)?;
            let levels = buttons.levels()?;
            let is_down = [levels.talk, levels.next, levels.back][i];
            driver.wait()?;
            let verdict = verdict(is_down == (level == "low"), &mut right);
            println!(
                "{name} (BCM {pin}) driven {level}: {}: {verdict}",
                if is_down { "down" } else { "up" }
            );
        }
    }
    drop(buttons);
    if let Some(config) = &board.led {
        let mut led = gpio::Led::open(config)?;
        for lit in [true, false] {
            led.light(lit)?;
            let seen = itself(&["read", &config.pin.to_string()])?.wait_with_output()?;
            let seen = String::from_utf8_lossy(&seen.stdout).trim().to_owned();
            let verdict = verdict((seen == "high") == lit, &mut right);
            println!(
                "LED (BCM {}) {}: its pin is {seen}: {verdict}",
                config.pin,
                if lit { "lit" } else { "dark" }
            );
        }
    }
    let poll = mio::Poll::new()?;
    let (now, none) = (Instant::now(), Buttons::default());
    let mut panel = Panel::open(
        now,
        poll.registry(),
        mio::Token(0),
        &none,
        None,
        &board.screen,
    );
    panel.send(now);
    match panel.poll_note() {
        Some(note) => println!("{note}"),
        None => println!("the display answers"),
    }
    println!(
        "{}",
        if right {
            "all pins are right"
        } else {
            "a pin is WRONG"
        }
    );
    Ok(right)
}

fn verdict(is_right: bool, all: &mut bool) -> &'static str {
    *all &= is_right;
    if is_right { "right" } else { "WRONG" }
}

/// A second process that drives a pin by now.
fn driven(pin: u32, level: &str) -> Result<Child, Failure> {
    let mut child = itself(&["drive", &pin.to_string(), level, &DRIVE_MS.to_string()])?;
    let said = child.stdout.take().ok_or("no output")?;
    BufReader::new(said).read_line(&mut String::new())?;
    Ok(child)
}

/// rppal gives a pin once a process, so the other side of a pin is another process.
fn itself(arguments: &[&str]) -> Result<Child, Failure> {
    Ok(Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()?)
}

fn drive(pin: &str, level: &str, ms: &str) -> Result<bool, Failure> {
    let level = match level {
        "low" => Level::Low,
        "high" => Level::High,
        _ => return Err("a level is low or high".into()),
    };
    let pin = Gpio::new()?.get(pin.parse()?)?;
    let _output = match level {
        Level::Low => pin.into_output_low(),
        Level::High => pin.into_output_high(),
    };
    println!("driven");
    std::thread::sleep(Duration::from_millis(ms.parse()?));
    Ok(true)
}

fn read(pin: &str) -> Result<bool, Failure> {
    let level = Gpio::new()?.get(pin.parse()?)?.read();
    println!("{}", if level == Level::High { "high" } else { "low" });
    Ok(true)
}
