//! The display, from a view to the pixels of the glass: every screen, both chips, both sizes, both ways up, on a bus that fails.

#![allow(missing_docs)]

#[path = "oled/glass.rs"]
mod glass;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use glass::{Bus, Chip, WIDTH};
use sotto::config::{Controller, Oled, OledSize};
use sotto::intercom::screen::{BRIGHT, Framebuffer, Glow, Rest, View, drawn, examples, window};
use sotto::io::panel::display::Display;
use sotto::io::picture;

const FAST: u32 = 400_000;
const ADDRESS: u8 = 0x3c;

struct World {
    config: Oled,
    chip: Rc<RefCell<Chip>>,
    display: Display<Bus>,
    now: Instant,
    notes: Vec<String>,
    /// Bits of the longest turn.
    longest: u32,
}

impl World {
    fn new(controller: Controller, size: OledSize, upside_down: bool, hertz: u32) -> Self {
        let config = Oled {
            bus: 1,
            address: ADDRESS,
            controller,
            size,
            upside_down,
        };
        let chip = Rc::new(RefCell::new(Chip::new(controller, size, ADDRESS)));
        let bus = Bus(chip.clone());
        let now = Instant::now();
        Self {
            display: Display::new(now, &config, Box::new(move |_| Ok((bus.clone(), hertz)))),
            config,
            chip,
            now,
            notes: Vec::new(),
            longest: 0,
        }
    }

    fn all(hertz: u32) -> Vec<Self> {
        let mut all = Vec::new();
        for controller in [Controller::Ssd1306, Controller::Sh1106] {
            for size in [OledSize::Tall, OledSize::Short] {
                for upside_down in [false, true] {
                    all.push(Self::new(controller, size, upside_down, hertz));
                }
            }
        }
        all
    }

    /// One turn of the loop.
    fn turn(&mut self) {
        self.chip.borrow_mut().take_bits();
        self.notes.extend(self.display.send(self.now));
        self.longest = self.longest.max(self.chip.borrow_mut().take_bits());
    }

    /// Turns until nothing is left to do, waiting where a try is due later; how many.
    fn settle(&mut self) -> usize {
        for turns in 0..2_000 {
            match self.display.due(self.now) {
                Some(at) => self.now = self.now.max(at),
                None => return turns,
            }
            self.turn();
        }
        panic!("the display is never done");
    }

    fn show(&mut self, view: &View) -> usize {
        self.show_picture(view, &drawn(view), Glow::Bright)
    }

    fn show_picture(&mut self, view: &View, picture: &Framebuffer, glow: Glow) -> usize {
        self.display.draw(self.now, view, picture, glow);
        self.settle()
    }

    fn rows(&self) -> usize {
        match self.config.size {
            OledSize::Tall => 64,
            OledSize::Short => 32,
        }
    }

    /// Where the glass differs from the picture, as its owner sees it.
    fn differences(&self, picture: &Framebuffer) -> usize {
        let (chip, rows) = (self.chip.borrow(), self.rows());
        let mut wrong = 0;
        for y in 0..rows {
            for x in 0..WIDTH {
                let (gx, gy) = match self.config.upside_down {
                    false => (x, y),
                    true => (WIDTH - 1 - x, rows - 1 - y),
                };
                wrong += usize::from(chip.is_lit(gx, gy) != picture.is_lit(x, y));
            }
        }
        wrong
    }

    fn expected(&self, view: &View) -> Framebuffer {
        match self.config.size {
            OledSize::Tall => drawn(view),
            OledSize::Short => window::look(&drawn(view), Duration::ZERO),
        }
    }
}

/// Microseconds of bits on a bus.
fn micros(bits: u32, hertz: u32) -> u32 {
    (u64::from(bits) * 1_000_000 / u64::from(hertz)) as u32
}

#[test]
fn every_screen_is_on_the_glass_pixel_by_pixel() {
    for mut world in World::all(FAST) {
        for (name, view) in examples() {
            // A screen of another kind between two of the same: the window of a short display begins at the top.
            world.show(&View::Start);
            world.show(&view);
            let expected = world.expected(&view);
            assert_eq!(
                world.differences(&expected),
                0,
                "{name} on {:?}",
                world.config
            );
        }
        assert_eq!(world.notes, Vec::<String>::new());
    }
}

#[test]
fn no_turn_spends_more_than_4_ms_on_a_display_at_400_khz() {
    for mut world in World::all(FAST) {
        for (_, view) in examples() {
            world.show(&view);
            world.show_picture(&view, &drawn(&view), Glow::Dim);
        }
        let all = inverse(&drawn(&View::Ready));
        world.show_picture(&View::Ready, &all, Glow::Bright);
        let longest = micros(world.longest, FAST);
        println!("{:?}: {longest} µs", world.config);
        assert!(longest <= 4_000, "{longest} µs on {:?}", world.config);
        // And it is not the test that is slow: a whole page goes at once.
        assert!(longest >= 3_000, "{longest} µs on {:?}", world.config);
    }
}

#[test]
fn on_a_bus_of_100_khz_pieces_are_smaller_and_a_turn_as_short() {
    for mut world in World::all(100_000) {
        // Its start is one piece on any bus: 7 ms on this one, once when the display comes.
        world.turn();
        let start = micros(std::mem::take(&mut world.longest), 100_000);
        assert!(start <= 7_000, "{start} µs on {:?}", world.config);
        for (name, view) in examples() {
            world.show(&View::Start);
            world.show(&view);
            assert_eq!(world.differences(&world.expected(&view)), 0, "{name}");
        }
        let longest = micros(world.longest, 100_000);
        assert!(longest <= 4_000, "{longest} µs on {:?}", world.config);
    }
}

#[test]
fn only_what_changed_is_sent() {
    let mut world = World::new(Controller::Ssd1306, OledSize::Tall, false, FAST);
    let call = examples()
        .into_iter()
        .find(|(name, _)| *name == "call-secure")
        .map(|(_, view)| view)
        .expect("there is such a screen");
    // Start, eight pages, brightness.
    assert_eq!(world.show(&call), 10);
    assert_eq!(world.show(&call), 0);
    let View::InCall(mut later) = call else {
        panic!("it is a call")
    };
    later.duration += Duration::from_secs(1);
    // The digit of the seconds is in the two pages of the headline.
    assert_eq!(world.show(&View::InCall(later.clone())), 2);
    let before = world.chip.borrow().writes;
    later.duration += Duration::from_secs(1);
    world.longest = 0;
    world.show(&View::InCall(later));
    assert_eq!(world.chip.borrow().writes - before, 6);
    assert!(micros(world.longest, FAST) < 500, "{} bits", world.longest);
}

#[test]
fn a_display_is_dark_until_it_has_a_whole_picture() {
    for mut world in World::all(FAST) {
        world
            .display
            .draw(world.now, &View::Ready, &drawn(&View::Ready), Glow::Bright);
        while world.display.due(world.now).is_some() {
            assert!(!world.chip.borrow().is_on());
            world.turn();
        }
        assert!(world.chip.borrow().is_on());
    }
}

#[test]
fn a_display_that_was_switched_off_is_dark() {
    let mut world = World::new(Controller::Ssd1306, OledSize::Tall, false, FAST);
    world.show(&View::Ready);
    world.display.off();
    assert!(!world.chip.borrow().is_on());
}

#[test]
fn a_dimmed_display_shows_the_same_with_less_light() {
    let mut world = World::new(Controller::Sh1106, OledSize::Tall, false, FAST);
    let (view, picture) = (View::Ready, drawn(&View::Ready));
    world.show(&view);
    let bright = world.chip.borrow().contrast;
    assert_eq!(world.show_picture(&view, &picture, Glow::Dim), 1);
    assert!(world.chip.borrow().contrast < bright);
    assert_eq!(world.differences(&picture), 0);
    assert_eq!(world.show_picture(&view, &picture, Glow::Bright), 1);
    assert_eq!(world.chip.borrow().contrast, bright);
}

#[test]
fn a_display_that_does_not_answer_at_any_one_transfer_is_told_once_and_shows_all_when_it_is_back() {
    for controller in [Controller::Ssd1306, Controller::Sh1106] {
        let writes = {
            let mut world = World::new(controller, OledSize::Tall, false, FAST);
            world.show(&View::Ready);
            world.show(&View::Preparing);
            world.chip.borrow().writes
        };
        assert!(writes > 40, "{writes}");
        for failing in 0..writes {
            let mut world = World::new(controller, OledSize::Tall, false, FAST);
            world.chip.borrow_mut().failing = failing..failing + 1;
            world.show(&View::Ready);
            world.show(&View::Preparing);
            assert_eq!(world.differences(&drawn(&View::Preparing)), 0, "{failing}");
            let [gone, back] = &world.notes[..] else {
                panic!("{failing}: {:?}", world.notes)
            };
            assert!(gone.starts_with("the display at 0x3c on /dev/i2c-1 does not work ("));
            assert!(gone.contains("no acknowledgement"), "{gone}");
            assert_eq!(back, "the display at 0x3c on /dev/i2c-1 works again");
            assert!(micros(world.longest, FAST) <= 4_000);
        }
    }
}

#[test]
fn a_display_that_lost_its_power_is_started_anew() {
    for mut world in World::all(FAST) {
        world.show(&View::Ready);
        // Unplugged for some seconds: three tries meet nothing.
        let writes = world.chip.borrow().writes;
        world.chip.borrow_mut().failing = writes..writes + 3;
        world.chip.borrow_mut().lose_power();
        let before = world.now;
        world.show(&View::Preparing);
        let view = View::Preparing;
        assert_eq!(
            world.differences(&world.expected(&view)),
            0,
            "{:?}",
            world.config
        );
        assert!(world.now - before >= Duration::from_secs(3));
        assert_eq!(world.notes.len(), 2, "{:?}", world.notes);
    }
}

#[test]
fn a_display_at_another_address_costs_one_line_and_hardly_any_time() {
    let mut world = World::new(Controller::Ssd1306, OledSize::Tall, false, FAST);
    world.chip.borrow_mut().failing = 0..usize::MAX;
    world
        .display
        .draw(world.now, &View::Ready, &drawn(&View::Ready), Glow::Bright);
    let start = world.now;
    while world.now < start + Duration::from_secs(3_600) {
        world.now = world
            .display
            .due(world.now)
            .expect("another try")
            .max(world.now);
        world.turn();
    }
    assert_eq!(world.notes.len(), 1);
    assert!(
        world.chip.borrow().writes < 130,
        "{}",
        world.chip.borrow().writes
    );
    assert!(world.longest < 100);
}

#[test]
fn a_short_display_looks_at_every_row_in_turn_and_begins_again_with_a_new_screen() {
    // Each row is as many pixels long as its number says.
    let mut stairs = Framebuffer::new();
    for y in 0..64 {
        (0..y).for_each(|x| stairs.set(x, y, true));
    }
    let row = |part: &Framebuffer, y| (0..WIDTH).filter(|&x| part.is_lit(x, y)).count();
    let start = Instant::now();
    let mut window = window::Window::new(start);
    let mut shown = [0; 64];
    let mut tops = Vec::new();
    for seconds in [0, 3, 5, 8] {
        let now = start + Duration::from_secs(seconds);
        let part = window.shown(now, &View::Ready, &stairs);
        (0..32).for_each(|y| shown[row(&part, y)] += 1);
        assert!((32..64).all(|y| row(&part, y) == 0));
        tops.push(row(&part, 0));
    }
    assert_eq!(tops, [0, 20, 32, 0]);
    assert!(shown.iter().all(|&times| times > 0));
    let now = start + Duration::from_secs(11);
    assert_eq!(row(&window.shown(now, &View::Ready, &stairs), 0), 20);
    assert_eq!(row(&window.shown(now, &View::Preparing, &stairs), 0), 0);
}

#[test]
fn the_display_dims_after_minutes_of_nothing_but_never_in_a_call() {
    let now = Instant::now();
    let mut rest = Rest::new(now);
    let almost = now + BRIGHT - Duration::from_millis(1);
    assert_eq!(rest.glow(almost, false), Glow::Bright);
    assert_eq!(rest.glow(now + BRIGHT, false), Glow::Dim);
    assert_eq!(rest.glow(now + BRIGHT, true), Glow::Bright);
    rest.wake(now + BRIGHT);
    assert_eq!(rest.glow(now + BRIGHT, false), Glow::Bright);
}

/// `SOTTO_BLESS=1 cargo test --test oled` draws them anew: then look at them.
#[test]
fn a_short_display_looks_at_every_screen_as_it_did() {
    let looks: Vec<(String, Framebuffer)> = examples()
        .into_iter()
        .filter(|(name, _)| ["ready", "call-compare", "error"].contains(name))
        .flat_map(|(name, view)| {
            [("top", 0), ("middle", 3), ("end", 5)].map(|(what, seconds)| {
                let shown = Duration::from_secs(seconds);
                (
                    format!("{name}, {what}"),
                    window::look(&drawn(&view), shown),
                )
            })
        })
        .collect();
    let named: Vec<_> = looks.iter().map(|(n, l)| (n.as_str(), l.clone())).collect();
    let now = picture::sheet(&named, 2);
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oled/short.png");
    if std::env::var_os("SOTTO_BLESS").is_some() {
        std::fs::write(golden, &now).expect("tests/oled is writable");
    }
    assert!(
        std::fs::read(golden).is_ok_and(|then| then == now),
        "it differs from tests/oled/short.png; if that is meant, SOTTO_BLESS=1 and look at it"
    );
}

fn inverse(picture: &Framebuffer) -> Framebuffer {
    let mut out = Framebuffer::new();
    for y in 0..64 {
        for x in 0..WIDTH {
            out.set(x, y, !picture.is_lit(x, y));
        }
    }
    out
}
