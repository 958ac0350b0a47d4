//! The console as people and scripts use it: typed, pasted, wrapped, cut to pieces.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use sotto::intercom::console::{
    Command, Console, LULL, MAX_TEXT, Mode, NotUnderstood, OPEN_LULL, help, parse,
};
use zeroize::Zeroizing;

/// A console and what it gave.
struct Desk {
    console: Console,
    now: Instant,
    lines: Vec<String>,
    echo: Vec<u8>,
}

impl Desk {
    fn script() -> Self {
        Self::new(false)
    }

    fn person() -> Self {
        Self::new(true)
    }

    fn new(interactive: bool) -> Self {
        Self {
            console: Console::new(interactive),
            now: Instant::now(),
            lines: Vec::new(),
            echo: Vec::new(),
        }
    }

    fn feed(&mut self, data: impl AsRef<[u8]>) {
        self.console.feed(self.now, data.as_ref());
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(line) = self.console.poll_line() {
            assert!(!line.trim().is_empty());
            self.lines.push(line.to_string());
        }
        while let Some(echo) = self.console.poll_echo() {
            self.echo.extend(echo);
        }
    }

    fn say(&mut self, text: &str) {
        let bytes = self.console.say(text);
        self.echo.extend(bytes);
    }

    /// Lets time pass as a loop would that sleeps until each timeout.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.console.poll_timeout().filter(|d| *d <= until) {
            self.now = due.max(self.now);
            self.console.handle_timeout(self.now);
            self.drain();
            assert!(
                self.console.poll_timeout().is_none_or(|d| d > due),
                "a timeout stays due"
            );
        }
        self.now = until;
    }

    fn lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    fn echo(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.echo)).expect("UTF-8 out")
    }
}

fn v2(kind: char) -> String {
    let bytes: Vec<u8> = (0..110u8)
        .map(|i| if i == 0 { 110 } else { i ^ 0x5a })
        .collect();
    format!("sotto2{kind}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// About 17 000 characters.
fn v1() -> String {
    let data: Vec<String> = (0..3_570u32).map(|n| (n * 7 % 256).to_string()).collect();
    STANDARD.encode(format!(
        r#"{{"iv":[1,2,3,4,5,6,7,8,9,10,11,12],"data":[{}]}}"#,
        data.join(",")
    ))
}

/// As mail does, in quoted lines.
fn wrapped(code: &str, width: usize, prefix: &str, end: &str) -> String {
    code.as_bytes()
        .chunks(width)
        .map(|c| format!("{prefix}{}{end}", String::from_utf8_lossy(c)))
        .collect()
}

/// The text without what the code reader passes over.
fn squeezed(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && *c != '>')
        .collect()
}

// ---- the language ----

#[test]
fn every_row_of_the_table_is_understood() {
    let code = v2('o');
    let passphrase = |words: &str| Command::SetPassphrase(Zeroizing::new(words.to_owned()));
    for (line, command) in [
        ("help", Command::Help),
        ("passphrase correct horse", passphrase("correct horse")),
        ("passphrase", Command::MakePassphrase),
        ("call", Command::Call { v1: false }),
        ("call --v1", Command::Call { v1: true }),
        (&code, Command::Text(code.clone())),
        ("talk on", Command::Talk(true)),
        ("talk off", Command::Talk(false)),
        ("mode open", Command::Mode(Mode::Open)),
        ("mode ptt", Command::Mode(Mode::Ptt)),
        ("volume 0", Command::Volume(0)),
        ("volume 100", Command::Volume(100)),
        ("mute on", Command::Mute(true)),
        ("mute off", Command::Mute(false)),
        ("same", Command::Same),
        ("differ", Command::Differ),
        ("hang", Command::Hang),
        ("status", Command::Status),
        ("stats", Command::Stats),
        ("quit", Command::Quit),
    ] {
        assert_eq!(parse(line), Ok(Some(command.clone())), "{line}");
        let first = line.split(' ').next().unwrap_or(line);
        if command != Command::Text(code.clone()) {
            let loud = format!(" \t{}", line.replacen(first, &first.to_uppercase(), 1));
            assert_eq!(parse(&loud), Ok(Some(command)), "{loud}");
            assert!(help().contains(first), "help lacks {first}");
        }
    }
    for blank in ["", " ", "\t  "] {
        assert_eq!(parse(blank), Ok(None));
    }
}

#[test]
fn wrong_words_are_told_what_is_right() {
    for (line, told) in [
        ("volume 101", "volume takes 0 to 100."),
        ("volume", "volume takes 0 to 100."),
        ("volume loud", "volume takes 0 to 100."),
        ("volume -1", "volume takes 0 to 100."),
        ("talk", "talk takes on or off."),
        ("talk onoff", "talk takes on or off."),
        ("mute 1", "mute takes on or off."),
        ("mode both", "mode takes open or ptt."),
        ("call me when you have it", "call takes nothing or --v1."),
        ("hang up", "hang takes nothing behind it."),
        ("hello there", "Not a command and no code in it. Type help."),
        ("\u{202e}", "Not a command and no code in it. Type help."),
    ] {
        assert_eq!(parse(line).map_err(|e| e.to_string()), Err(told.to_owned()));
    }
}

#[test]
fn a_passphrase_keeps_its_spaces_and_capitals() {
    for (line, words) in [
        ("passphrase Two  Words ", "Two  Words "),
        ("PassPhrase  x", " x"),
        ("passphrase\ttab", "tab"),
        ("passphrase call", "call"),
    ] {
        let mut desk = Desk::script();
        desk.feed(format!("{line}\r\n"));
        let [got] = &desk.lines()[..] else {
            panic!("one line")
        };
        let command = Command::SetPassphrase(Zeroizing::new(words.to_owned()));
        assert_eq!(parse(got), Ok(Some(command)));
    }
    assert_eq!(parse("passphrase  \t"), Ok(Some(Command::MakePassphrase)));
}

#[test]
fn no_secret_is_in_the_debug_output() {
    let set = parse("passphrase secret").expect("a command");
    assert_eq!(format!("{set:?}"), "Some(SetPassphrase(..))");
}

#[test]
fn what_looks_like_a_code_goes_to_the_code_reader() {
    for text in [
        "sotto2oAAAA".to_owned(),
        "sotto2a!!!!".to_owned(),
        "eyJpdiI6WzEsMl0=".to_owned(),
        format!("* offer {}", v2('o')),
        format!("call me: {}", v2('o')),
        "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo0NTY3".to_owned(),
        "hello\nthere".to_owned(),
    ] {
        assert_eq!(parse(&text), Ok(Some(Command::Text(text.clone()))));
    }
}

// ---- lines ----

#[test]
fn each_kind_of_line_end_ends_a_line_once() {
    for end in ["\n", "\r", "\r\n"] {
        let mut desk = Desk::script();
        desk.feed(format!("status{end}{end}stats{end}"));
        assert_eq!(desk.lines(), ["status", "stats"], "{end:?}");
        assert_eq!(desk.echo(), "");
    }
    let mut desk = Desk::script();
    desk.feed("status\r");
    assert_eq!(desk.lines(), ["status"]);
    desk.feed("\nstats\r\n");
    assert_eq!(desk.lines(), ["stats"]);
}

#[test]
fn lines_can_be_edited() {
    for (typed, line) in [
        ("statx\x7fus", "status"),
        ("statx\x08us", "status"),
        ("garbage\x15hang", "hang"),
        ("mode open\x17ptt", "mode ptt"),
        ("mode open  \x17ptt", "mode ptt"),
        ("tatus\x1b[Hs", "status"),
        ("tatus\x01s\x05", "status"),
        ("sttus\x1b[D\x1b[D\x1b[Da", "status"),
        ("xstatus\x1b[H\x1b[3~", "status"),
        ("statusxy\x1b[D\x1b[D\x0b", "status"),
        ("stus\x02\x02at\x06\x1b[F", "status"),
        ("sta\x1b[A\x1b[B\x1bOPtus", "status"),
        ("\x7f\x7f\x17\x1b[D\x1b[C\x1b[3~status", "status"),
        ("nonsense\x03status", "status"),
    ] {
        for mut desk in [Desk::script(), Desk::person()] {
            desk.feed(format!("{typed}\r"));
            assert_eq!(desk.lines(), [line], "{typed:?}");
        }
    }
}

#[test]
fn erasing_takes_whole_characters_even_split_ones() {
    let mut desk = Desk::person();
    for byte in "passphrase gr\u{fc}\u{1f600}\u{4f60}".bytes() {
        desk.feed([byte]);
    }
    desk.feed("\x7f\x7fn\r");
    assert_eq!(desk.lines(), ["passphrase gr\u{fc}n"]);
}

#[test]
fn the_escape_key_alone_does_not_swallow_what_follows() {
    let mut desk = Desk::person();
    desk.feed("sta\x1b");
    desk.pass(LULL);
    desk.feed("tus\r");
    assert_eq!(desk.lines(), ["status"]);
}

// ---- echo ----

#[test]
fn a_person_gets_a_prompt_an_echo_and_bracketed_paste() {
    let mut desk = Desk::person();
    desk.say("* ready");
    assert_eq!(desk.echo(), "\x1b[?2004h* ready\r\nsotto> \x1b[K");
    desk.feed("sta");
    assert_eq!(desk.echo(), "sta");
    desk.say("* connecting");
    assert_eq!(desk.echo(), "\r\x1b[K* connecting\r\nsotto> sta\x1b[K");
    desk.feed("\x7f");
    assert_eq!(desk.echo(), "\rsotto> st\x1b[K");
    desk.feed("\x1b[D");
    assert_eq!(desk.echo(), "\rsotto> s\x1b7t\x1b[K\x1b8");
    desk.feed("\x1b[Dx\x03");
    assert_eq!(desk.echo(), "\rsotto> xst^C\x1b[K\r\nsotto> \x1b[K");
    assert_eq!(desk.console.farewell(), b"\r\x1b[K\x1b[?2004l");
    assert_eq!(desk.lines(), [""; 0]);
}

#[test]
fn the_answers_to_two_lines_at_once_stand_each_under_its_line() {
    let mut desk = Desk::person();
    desk.say("* ready");
    desk.echo();
    desk.console.feed(desk.now, b"status\rstats\rha");
    while let Some(line) = desk.console.poll_line() {
        desk.say(&format!("({})", *line));
    }
    desk.drain();
    assert_eq!(
        desk.echo(),
        "status\r\n(status)\r\nsotto> stats\x1b[K\r\n(stats)\r\nsotto> ha\x1b[K"
    );
}

#[test]
fn a_script_gets_nothing_but_lines() {
    let mut desk = Desk::script();
    desk.say("* ready");
    desk.feed("sta\x1b[Dtus\r\n");
    desk.say("* note a\tb\x1b[31m\r\n");
    assert_eq!(desk.echo(), "* ready\n* note ab[31m\n");
    assert_eq!(desk.console.farewell(), b"");
}

#[test]
fn a_long_paste_shows_its_beginning_and_its_length() {
    let code = v1();
    let mut desk = Desk::person();
    desk.say("* ready");
    desk.echo();
    desk.feed(&code);
    let start = &code[..36];
    assert_eq!(desk.echo(), format!("{start}\u{2026}"));
    desk.feed("\r");
    assert_eq!(
        desk.echo(),
        format!(" ({} characters)\r\nsotto> \x1b[K", code.len())
    );
    assert_eq!(desk.lines(), [code]);
}

#[test]
fn a_line_wider_than_the_row_scrolls_by_half_rows_and_ends_whole() {
    let line = format!("passphrase {}", "word ".repeat(20));
    let mut desk = Desk::person();
    desk.say("* ready");
    desk.echo();
    for byte in line.bytes() {
        desk.feed([byte]);
    }
    let echo = desk.echo();
    assert!(echo.len() < 3 * line.len(), "{}", echo.len());
    for row in echo.replace("\x1b[K", "").split('\r') {
        assert!(row.chars().count() < 80, "{row:?}");
    }
    desk.feed("\r");
    assert_eq!(
        desk.echo(),
        format!("\rsotto> {line}\x1b[K\r\nsotto> \x1b[K")
    );
}

#[test]
fn nothing_that_a_terminal_obeys_is_echoed() {
    let mut desk = Desk::person();
    desk.feed("a\u{9b}31m\u{202e}b\u{85}\tc");
    let echo = desk.echo();
    let shown = echo.rsplit("sotto> ").next().unwrap_or("");
    assert_eq!(shown, "a31m\u{fffd}b c\x1b[K");
}

// ---- codes ----

#[test]
fn a_code_on_one_line_is_handed_out_at_once() {
    for code in [v2('o'), v2('a'), v1()] {
        for line in [
            code.clone(),
            format!("  * offer {code}  "),
            format!("> {code}"),
        ] {
            let mut desk = Desk::script();
            desk.feed(format!("{line}\n"));
            assert_eq!(desk.lines(), [line]);
        }
    }
}

#[test]
fn a_code_wrapped_by_a_mail_client_is_one_text() {
    for code in [v2('o'), v1()] {
        for (width, prefix, end) in [
            (76, "", "\n"),
            (64, "> ", "\r\n"),
            (20, "> > ", "\r"),
            (72, "", "\n\n"),
        ] {
            let mut desk = Desk::script();
            desk.feed(wrapped(&code, width, prefix, end));
            let lines = desk.lines();
            assert_eq!(lines.len(), 1, "{width} {prefix:?} {end:?}");
            assert_eq!(squeezed(&lines[0]), code);
            desk.pass(Duration::from_secs(5));
            assert_eq!(desk.lines(), [""; 0]);
        }
    }
}

#[test]
fn the_text_around_a_code_is_neither_run_nor_refused() {
    let code = v2('a');
    let mut desk = Desk::script();
    desk.feed(format!(
        "Hi,\n\ncall me when you have it. Mine:\n{}\nhang on a minute\nTalk soon\nBob\n",
        wrapped(&code, 70, "> ", "\n")
    ));
    let lines = desk.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(squeezed(&lines[0]).ends_with(&code));
    desk.pass(Duration::from_secs(5));
    assert_eq!(desk.lines(), [""; 0]);
    desk.feed("talk soon\n");
    assert_eq!(desk.lines(), ["talk soon"]);
}

#[test]
fn a_command_ends_a_gathering_and_runs_after_it() {
    let half = &v1()[..500];
    let mut desk = Desk::script();
    desk.feed(format!("{half}\nstatus\n"));
    assert_eq!(desk.lines(), [half, "status"]);
    desk.feed("hello there\npassphrase x\n");
    assert_eq!(desk.lines(), ["hello there", "passphrase x"]);
}

#[test]
fn a_code_that_stays_cut_short_is_handed_out_after_a_second() {
    let half = &v1()[..500];
    let mut desk = Desk::script();
    desk.feed(format!("{half}\n"));
    desk.pass(OPEN_LULL - Duration::from_millis(1));
    assert_eq!(desk.lines(), [""; 0]);
    desk.feed(" \n");
    desk.pass(OPEN_LULL - Duration::from_millis(1));
    assert_eq!(desk.lines(), [""; 0]);
    desk.pass(Duration::from_millis(1));
    assert_eq!(desk.lines(), [half]);
    assert_eq!(desk.console.poll_timeout(), None);
}

#[test]
fn garbage_is_told_once_and_soon() {
    for garbage in [
        "hello there",
        "sotto2oAAAA",
        "sotto2a!!!!",
        "eyJpdiI6WzEsMl0=",
        "\u{202e}\0",
    ] {
        let mut desk = Desk::script();
        desk.feed(format!("{garbage}\n"));
        desk.pass(LULL);
        let lines = desk.lines();
        assert_eq!(lines, [garbage.trim_end_matches('\0')]);
        assert!(!matches!(parse(&lines[0]), Ok(None)));
    }
    let mut desk = Desk::script();
    desk.feed("one line\nanother line\na third\n");
    desk.pass(LULL);
    assert_eq!(desk.lines(), ["one line\nanother line\na third"]);
}

#[test]
fn a_command_with_a_wrong_argument_is_told_at_once() {
    let mut desk = Desk::script();
    desk.feed("volume 200\ntalk\n");
    let lines = desk.lines();
    assert_eq!(lines, ["volume 200", "talk"]);
    assert_eq!(
        parse(&lines[0]),
        Err(NotUnderstood::Arguments {
            command: "volume",
            takes: "0 to 100"
        })
    );
}

#[test]
fn a_command_right_after_a_code_runs() {
    let code = v2('o');
    let mut desk = Desk::script();
    desk.feed(format!("{code}\npassphrase one long one\n{code}\nhang\n"));
    assert_eq!(
        desk.lines(),
        [&code, "passphrase one long one", &code, "hang"]
    );
}

#[test]
fn two_codes_in_two_lines_are_two_texts() {
    let (offer, answer) = (v2('o'), v2('a'));
    let mut desk = Desk::script();
    desk.feed(format!("{offer}\n{answer}\n"));
    assert_eq!(desk.lines(), [offer, answer]);
}

// ---- bracketed paste ----

#[test]
fn a_bracketed_paste_with_a_code_is_one_text_that_runs_no_command() {
    let code = v2('o');
    let mail = format!("status\nHi\n{}\nhang\n", wrapped(&code, 60, "> ", "\r\n"));
    for mut desk in [Desk::person(), Desk::script()] {
        desk.feed(format!("\x1b[200~{mail}\x1b[201~"));
        let lines = desk.lines();
        assert_eq!(lines, [mail.replace("\r\n", "\n")]);
        assert!(matches!(parse(&lines[0]), Ok(Some(Command::Text(_)))));
        desk.pass(Duration::from_secs(5));
        assert_eq!(desk.lines(), [""; 0]);
    }
}

#[test]
fn a_bracketed_paste_without_a_line_end_waits_for_enter() {
    let code = v2('o');
    let mut desk = Desk::person();
    desk.feed(format!("\x1b[200~{code}\x1b[201~"));
    desk.pass(Duration::from_secs(60));
    assert_eq!(desk.lines(), [""; 0]);
    desk.feed("\r");
    assert_eq!(desk.lines(), [code]);
    desk.feed("passphrase \x1b[200~my words\x1b[201~ too\r");
    assert_eq!(desk.lines(), ["passphrase my words too"]);
    desk.feed("\x1b[200~a\rb\x1b[201~");
    assert!(desk.echo().contains("a\u{23ce}b"));
    desk.feed("\r");
    assert_eq!(desk.lines(), ["a\nb"]);
}

#[test]
fn pasted_commands_run_only_if_all_are_commands() {
    let mut desk = Desk::person();
    desk.feed("\x1b[200~passphrase a b\r\n\r\ncall\r\n\x1b[201~");
    assert_eq!(desk.lines(), ["passphrase a b", "call"]);
    desk.feed("\x1b[200~call\x1b[D\n\x1b[201~");
    assert_eq!(desk.lines(), ["call"]);
    desk.feed("\x1b[200~hang\nand something else\n\x1b[201~");
    assert_eq!(desk.lines(), ["hang\nand something else\n"]);
}

#[test]
fn a_paste_whose_end_is_lost_ends_by_itself_or_by_ctrl_c() {
    let mut desk = Desk::person();
    desk.feed("\x1b[200~status\n");
    desk.pass(OPEN_LULL);
    assert_eq!(desk.lines(), ["status"]);
    desk.feed("\x1b[200~stat\n\x03hang\r");
    assert_eq!(desk.lines(), ["hang"]);
}

// ---- bounds ----

#[test]
fn a_text_over_a_mebibyte_is_told_in_one_line_and_the_next_line_works() {
    let mut desk = Desk::script();
    desk.feed("x".repeat(MAX_TEXT + 5));
    desk.feed("\nstatus\n");
    desk.pass(OPEN_LULL);
    assert_eq!(desk.lines(), ["status"]);
    assert_eq!(
        desk.echo(),
        "! That was over 1 MiB in one piece, and the rest of it was not read. Paste only the code.\n"
    );
    let code = v2('o');
    desk.feed(format!("{code}{}\n", " ".repeat(MAX_TEXT)));
    assert_eq!(desk.lines()[0].trim(), code);
    assert!(desk.echo().starts_with("! "));
}

#[test]
fn many_lines_over_a_mebibyte_are_told_too() {
    let mut desk = Desk::script();
    let line = format!("{}\n", "w ".repeat(5_000));
    for _ in 0..300 {
        desk.feed(&line);
    }
    desk.pass(OPEN_LULL);
    let lines = desk.lines();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].len() <= MAX_TEXT);
    assert_eq!(desk.echo().matches('\n').count(), 1);
}

#[test]
fn a_flood_of_any_one_key_is_quick() {
    let started = Instant::now();
    let keys: [&[u8]; 12] = [
        b"a",
        b"\n",
        b"\x7f",
        b"\x01\x05",
        b"a\x01",
        b"a \x17",
        b"\x1b[D",
        b"\xff",
        b"sotto2o\n",
        b"eyJpdiI6W",
        b"\x1b[200~a\n\x1b[201~",
        b"a\x1b[D",
    ];
    for key in keys {
        for mut desk in [Desk::person(), Desk::script()] {
            let mut fed = 0;
            let many = key.repeat(4_096 / key.len());
            while fed < MAX_TEXT / 4 {
                desk.feed(&many);
                desk.lines.clear();
                fed += many.len();
            }
            assert!(desk.echo.len() <= 40 * fed, "{key:?}: {}", desk.echo.len());
        }
    }
    // Quadratic work would take minutes.
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn a_long_code_byte_by_byte_echoes_a_few_hundred_bytes() {
    let mut desk = Desk::person();
    for byte in v1().bytes() {
        desk.feed([byte]);
    }
    assert!(desk.echo.len() < 2_000, "{}", desk.echo.len());
}

/// `data` cut at the given places.
fn cut(data: &[u8], places: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut at: Vec<usize> = places.iter().map(|p| p.index(data.len() + 1)).collect();
    at.extend([0, data.len()]);
    at.sort_unstable();
    at.windows(2).map(|w| data[w[0]..w[1]].to_vec()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_paste_gives_the_same_text_however_it_is_cut(
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        person in any::<bool>(),
        end in prop::sample::select(vec!["\n", "\r", "\r\n"]),
    ) {
        let code = v1();
        let data = format!(
            "{code}{end}\x1b[200~Gr\u{fc}\u{df}e\r\n{code}\x1b[201~{end}passphrase \u{4f60}\u{1f600}{end}"
        );
        let mut desk = Desk::new(person);
        for piece in cut(data.as_bytes(), &places) {
            desk.feed(piece);
            desk.pass(Duration::from_millis(50));
        }
        let mail = format!("Gr\u{fc}\u{df}e\n{code}");
        prop_assert_eq!(desk.lines(), [&code, &mail, "passphrase \u{4f60}\u{1f600}"]);
    }

    #[test]
    fn any_bytes_in_any_pieces_are_survived(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                prop::sample::select(vec![
                    &b"\x1b[200~"[..], b"\x1b[201~", b"\x1b[", b"\x1b]", b"\r", b"\n", b"\x03", b"\x15",
                    b"\x17", b"\x7f", b"\x1b[D", b"\x1b[H", b"sotto2o", b"eyJpdiI6W", b"status\n", b"call ",
                    "\u{1f600}\u{4f60}".as_bytes(), &[b'x'; 600],
                ]).prop_map(<[u8]>::to_vec),
            ],
            0..60,
        ),
        person in any::<bool>(),
        pauses in prop::collection::vec(0u64..1_500, 60),
    ) {
        let mut desk = Desk::new(person);
        let mut fed = 0;
        for (piece, pause) in pieces.iter().zip(pauses) {
            fed += piece.len();
            desk.feed(piece);
            desk.say("* note");
            desk.pass(Duration::from_millis(pause));
        }
        desk.pass(Duration::from_secs(2));
        let given: usize = desk.lines.iter().map(String::len).sum();
        // A broken byte becomes a character of three.
        prop_assert!(given <= 3 * fed, "{} of {}", given, fed);
        prop_assert!(desk.echo.len() <= 40 * fed + 1_000 * (pieces.len() + 1));
        for line in &desk.lines {
            let _ = parse(line);
        }
    }

    #[test]
    fn any_line_is_parsed_without_a_panic(line in any::<String>()) {
        let _ = parse(&line);
        let _ = parse(&format!("passphrase{line}"));
        let _ = parse(&format!("volume {line}"));
    }
}
