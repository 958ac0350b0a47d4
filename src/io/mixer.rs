//! A sound card's own mixer, set when the card is opened: switches on, levels sensible, what would meddle off.
//!
//! The speaker's controls go to 0 dB where the card tells decibels (full scale, not amplified), else to 85 % of
//! their steps; the microphone's to 70 % of their steps, as what 0 dB means there differs from card to card. The owner's percents
//! are of a control's steps, as `amixer` counts them. A microphone that is mixed into the speaker (a side tone) is turned
//! off, and so is the card's automatic gain control: ours would work against it.

use alsa::Direction;
use alsa::mixer::{MilliBel, Mixer, Selem};
use alsa::{Error, Round};

/// Of the speaker, in a card that tells no decibels.
const SPEAKER_PERCENT: u8 = 85;
/// Of the microphone.
const MICROPHONE_PERCENT: u8 = 70;

/// Sets one direction of the card with that identifier; `percent`: the owner's level. A card may have no mixer.
///
/// # Errors
/// ALSA's own words.
pub fn set_up(card: &str, direction: Direction, percent: Option<u8>) -> Result<(), Error> {
    let mixer = Mixer::new(&format!("hw:CARD={card}"), false)?;
    let controls: Vec<(Role, Selem<'_>)> = mixer
        .iter()
        .filter_map(Selem::new)
        .map(|control| {
            (
                role(control.get_id().get_name().unwrap_or_default()),
                control,
            )
        })
        .collect();
    let wanted = match direction {
        Direction::Capture => Role::Microphone,
        Direction::Playback => Role::Speaker,
    };
    if direction == Direction::Capture {
        // First, as one switch may be for both directions.
        controls.iter().for_each(|(role, c)| quieten(*role, c));
    }
    let can = |c: &Selem<'_>| match direction {
        Direction::Capture => c.can_capture(),
        Direction::Playback => c.can_playback(),
    };
    let known = controls.iter().any(|(r, c)| has(*r, wanted) && can(c));
    for (role, control) in &controls {
        // Of a card with names of its own, whatever does that direction.
        if (has(*role, wanted) || (!known && *role == Role::Other)) && can(control) {
            let done = match direction {
                Direction::Capture => raise_microphone(control, percent),
                Direction::Playback => raise_speaker(control, percent),
            };
            if let Err(e) = done {
                log::debug!("{card}: {:?}: {e}", control.get_id().get_name());
            }
        }
    }
    Ok(())
}

fn quieten(role: Role, control: &Selem<'_>) {
    let done = match role {
        Role::Microphone if control.has_playback_switch() => control.set_playback_switch_all(0),
        Role::Microphone if control.has_playback_volume() => {
            control.set_playback_volume_all(control.get_playback_volume_range().0)
        }
        Role::AutomaticGain if control.has_capture_switch() => control.set_capture_switch_all(0),
        Role::AutomaticGain if control.has_playback_switch() => control.set_playback_switch_all(0),
        _ => Ok(()),
    };
    if let Err(e) = done {
        log::debug!("{:?}: {e}", control.get_id().get_name());
    }
}

fn raise_microphone(control: &Selem<'_>, percent: Option<u8>) -> Result<(), Error> {
    if control.has_capture_switch() {
        control.set_capture_switch_all(1)?;
    }
    if control.has_capture_volume() {
        let steps = control.get_capture_volume_range();
        let value = of_steps(steps, percent.unwrap_or(MICROPHONE_PERCENT));
        control.set_capture_volume_all(value)?;
    }
    Ok(())
}

fn raise_speaker(control: &Selem<'_>, percent: Option<u8>) -> Result<(), Error> {
    if control.has_playback_switch() {
        control.set_playback_switch_all(1)?;
    }
    if control.has_playback_volume() {
        let steps = control.get_playback_volume_range();
        let decibels = control.get_playback_db_range();
        match (percent, full_scale(decibels)) {
            (None, Some(level)) => control.set_playback_db_all(level, Round::Floor)?,
            (percent, _) => {
                let value = of_steps(steps, percent.unwrap_or(SPEAKER_PERCENT));
                control.set_playback_volume_all(value)?;
            }
        }
    }
    Ok(())
}

/// 0 dB or the most below it; `None` of a card that tells no decibels.
fn full_scale((least, most): (MilliBel, MilliBel)) -> Option<MilliBel> {
    (least < most).then(|| MilliBel(most.0.min(0).max(least.0)))
}

fn of_steps((least, most): (i64, i64), percent: u8) -> i64 {
    let steps = most.saturating_sub(least).max(0);
    least + (i128::from(steps) * i128::from(percent) / 100) as i64
}

/// What a control is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Speaker,
    Microphone,
    /// A headset's, or a codec's route that both directions may have.
    Both,
    AutomaticGain,
    /// What only changes the sound, or a name of the card's own.
    Other,
    /// Known to be none of our business.
    Leave,
}

fn has(role: Role, wanted: Role) -> bool {
    role == wanted || role == Role::Both
}

/// By the names that the kernel's drivers give (its `sound/designs/control-names`, the USB, HDA and WM8960 drivers).
fn role(name: &str) -> Role {
    match name.to_ascii_lowercase().as_str() {
        "master"
        | "pcm"
        | "speaker"
        | "headphone"
        | "headphones"
        | "front"
        | "line out"
        | "digital"
        | "analogue"
        | "playback"
        | "dac"
        | "left output mixer pcm"
        | "right output mixer pcm" => Role::Speaker,
        "mic" | "microphone" | "capture" | "internal mic" | "front mic" | "headset mic" | "adc"
        | "adc pcm" => Role::Microphone,
        "headset"
        | "left input mixer boost"
        | "right input mixer boost"
        | "left boost mixer linput1"
        | "right boost mixer rinput1" => Role::Both,
        "auto gain control" => Role::AutomaticGain,
        name if [
            "boost", "loopback", "bypass", "3d", "tone", "bass", "treble", "iec958", "beep",
            "auto", "line", "cd", "zc",
        ]
        .iter()
        .any(|word| name.contains(word)) =>
        {
            Role::Leave
        }
        _ => Role::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_known_by_their_names() {
        for (name, is) in [
            ("PCM", Role::Speaker),
            ("Speaker", Role::Speaker),
            ("Mic", Role::Microphone),
            ("Capture", Role::Microphone),
            ("Headset", Role::Both),
            ("Auto Gain Control", Role::AutomaticGain),
            ("Mic Boost", Role::Leave),
            ("Left Output Mixer Boost Bypass", Role::Leave),
            ("Speaker DC", Role::Other),
        ] {
            assert_eq!(role(name), is, "{name}");
        }
    }

    #[test]
    fn a_speaker_goes_to_full_scale_and_no_further() {
        let range = |least, most| full_scale((MilliBel(least), MilliBel(most)));
        assert_eq!(range(-10_239, 400), Some(MilliBel(0)));
        assert_eq!(range(-3_700, -200), Some(MilliBel(-200)));
        assert_eq!(range(200, 900), Some(MilliBel(200)));
        assert_eq!(range(0, 0), None);
    }

    #[test]
    fn percents_are_of_the_steps() {
        assert_eq!(of_steps((0, 35), 70), 24);
        assert_eq!(of_steps((-10, 10), 50), 0);
        assert_eq!(of_steps((0, 0), 100), 0);
        assert_eq!(of_steps((i64::MIN, i64::MAX), 100), -1);
    }
}
