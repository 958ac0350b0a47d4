//! Whole calls over virtual time: what each end says, sends and plays, exactly.

#![allow(missing_docs)]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use support::{A, B, Kind, World, listen};

fn stranger() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 99], 4_000))
}

/// Lines without the ones whose content is random, by their beginnings.
fn starts(lines: &[String]) -> Vec<&str> {
    lines
        .iter()
        .map(|l| {
            ["* offer", "* answer", "* words", "* connected"]
                .into_iter()
                .find(|s| l.starts_with(s))
                .unwrap_or(l)
        })
        .collect()
}

#[test]
fn a_call_connects_shows_the_same_words_and_carries_voice_both_ways() {
    let mut w = World::new();
    w.ends[A].tone = Some(440.0);
    w.ends[B].tone = Some(1_000.0);
    w.connect("call");
    w.run_ms(3_000);
    assert_eq!(
        starts(&w.ends[A].lines),
        [
            "* ready",
            "* offer",
            "* connecting",
            "* connected",
            "* words",
            "* hears you"
        ]
    );
    assert_eq!(
        starts(&w.ends[B].lines),
        [
            "* ready",
            "* answer",
            "* connecting",
            "* connected",
            "* words",
            "* hears you"
        ]
    );
    assert_eq!(w.heard_line(A, "* words"), w.heard_line(B, "* words"));
    for (end, tone) in [(A, 1_000.0), (B, 440.0)] {
        let (level, frequency) = listen(&w.ends[end]);
        assert!(level > -20.0, "end {end} hears {level} dBFS");
        assert!(
            (frequency - tone).abs() < tone * 0.03,
            "end {end} hears {frequency} Hz"
        );
    }
    // Nothing goes anywhere but to the peer.
    for (end, peer) in [(A, B), (B, A)] {
        let peer = w.ends[peer].socket;
        let kinds: Vec<Kind> = w.ends[end].sent.keys().map(|k| k.0).collect();
        assert!(w.ends[end].sent.keys().all(|k| k.1 == peer));
        assert_eq!(kinds, [Kind::Stun, Kind::Dtls, Kind::Rtp, Kind::Rtcp]);
    }
}

#[test]
fn a_v1_call_connects_without_words_and_says_so() {
    let mut w = World::new();
    w.ends[A].tone = Some(440.0);
    w.connect("call --v1");
    w.run_ms(3_000);
    assert_eq!(
        starts(&w.ends[A].lines),
        [
            "* ready",
            "* note v1 codes are weak: their salt never changes, so use a long passphrase and a v2 code where you can",
            "* offer",
            "* connecting",
            "* connected",
            "* note this is a v1 call: there are no words to compare",
            "* hears you"
        ]
    );
    let (level, frequency) = listen(&w.ends[B]);
    assert!(level > -20.0 && (frequency - 440.0).abs() < 14.0);
}

#[test]
fn a_wrong_passphrase_is_named_and_loses_nothing() {
    let mut w = World::with_passphrases(Some("one long passphrase"), Some("another passphrase"));
    w.say(A, "call");
    w.run_ms(10);
    let offer = w.heard_line(A, "* offer").expect("an offer");
    w.lines(B);
    w.say(B, &offer);
    w.run_ms(10);
    let said = w.lines(B);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("! ") && said[0].to_lowercase().contains("passphrase"),
        "{said:?}"
    );
    w.say(B, "passphrase one long passphrase");
    w.say(B, &offer);
    w.run_ms(10);
    assert!(w.heard_line(B, "* answer").is_some());
}

#[test]
fn an_answer_to_another_call_is_named_as_such_and_the_offer_still_waits() {
    let mut w = World::new();
    let (_, old_answer) = w.offer_and_answer("call");
    w.say(A, "hang");
    w.say(B, "hang");
    let (_, answer) = w.offer_and_answer("call");
    w.lines(A);
    w.say(A, &old_answer);
    let said = w.lines(A);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("! ") && said[0].contains("another call"),
        "{said:?}"
    );
    w.say(A, &answer);
    w.run_ms(1_500);
    assert!(w.heard_line(A, "* connected").is_some());
}

#[test]
fn the_own_offer_pasted_back_is_named_and_still_waits() {
    let mut w = World::new();
    for call in ["call", "call --v1"] {
        let (offer, answer) = w.offer_and_answer(call);
        w.lines(A);
        w.say(A, &offer);
        let said = w.lines(A);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].starts_with("! ") && said[0].contains("own"),
            "{said:?}"
        );
        w.say(A, &answer);
        w.run_ms(1_500);
        assert!(w.heard_line(A, "* connected").is_some());
        w.say(A, "hang");
        w.run_ms(3_000);
        w.lines(A);
    }
}

#[test]
fn garbage_gets_one_line_and_changes_nothing() {
    let mut w = World::new();
    let (_, answer) = w.offer_and_answer("call");
    w.lines(A);
    for garbage in [
        "hello there",
        "sotto2oAAAA",
        "sotto2a!!!!",
        "eyJpdiI6WzEsMl0=",
        "\u{202e}\u{0}",
    ] {
        w.say(A, garbage);
        w.run_ms(3_000);
        let said = w.lines(A);
        assert_eq!(said.len(), 1, "{garbage:?}: {said:?}");
        assert!(said[0].starts_with("! "), "{garbage:?}: {said:?}");
    }
    w.say(A, &answer);
    w.run_ms(1_500);
    assert!(w.heard_line(A, "* connected").is_some());
}

#[test]
fn the_same_offer_read_twice_gets_the_same_answer() {
    let mut w = World::new();
    let (offer, answer) = w.offer_and_answer("call");
    w.lines(B);
    w.say(B, &offer);
    assert_eq!(w.lines(B), [format!("* answer {answer}")]);
}

#[test]
fn an_offer_while_our_own_waits_is_refused_and_ours_kept() {
    let mut w = World::new();
    let (_, answer) = w.offer_and_answer("call");
    let mut other = World::new();
    other.say(A, "passphrase correct horse battery staple");
    other.say(B, "call");
    other.run_ms(10);
    let theirs = other.heard_line(B, "* offer").expect("an offer");
    w.lines(A);
    w.say(A, &theirs);
    w.run_ms(10);
    assert_eq!(
        w.lines(A),
        [
            "! This is their offer, and your own offer is waiting. Hold BACK, or type hang, to forget yours; then enter theirs again."
        ]
    );
    w.say(A, &answer);
    w.run_ms(1_500);
    assert!(w.heard_line(A, "* connected").is_some());
}

#[test]
fn loss_reordering_and_duplicates_do_not_keep_a_call_from_connecting() {
    let mut w = over_a_bad_wire(0.2);
    w.ends[A].tone = Some(440.0);
    w.run_ms(15_000);
    w.assert_connected();
    let (level, frequency) = listen(&w.ends[B]);
    assert!(level > -25.0, "{level}");
    assert!((frequency - 440.0).abs() < 30.0, "{frequency}");
}

#[test]
fn voice_that_gets_lost_in_a_call_is_made_good_with_copies() {
    for call in ["call", "call --v1"] {
        let mut w = World::new();
        w.connect(call);
        for end in [A, B] {
            w.ends[end].tone = Some(440.0);
        }
        w.wire.loss = 0.2;
        w.run_ms(15_000);
        for end in [A, B] {
            let before = playout(&mut w, end);
            w.run_ms(10_000);
            let after = playout(&mut w, end);
            let more = |name: &str| after[name].as_u64().unwrap() - before[name].as_u64().unwrap();
            let (lost, recovered) = (more("lost"), more("recovered"));
            assert!(lost > 60, "{call} {end}: {after}");
            assert!(recovered * 100 >= lost * 90, "{call} {end}: {after}");
            assert_eq!(more("invalid"), 0);
        }
    }
}

/// The jitter buffer's counters.
fn playout(w: &mut World, end: usize) -> serde_json::Value {
    w.lines(end);
    w.say(end, "stats");
    let lines = w.lines(end);
    let stats: serde_json::Value = serde_json::from_str(lines.last().unwrap()).unwrap();
    stats["playout"].clone()
}

#[test]
fn the_words_come_soon_over_a_wire_that_loses_three_packets_in_ten() {
    for seed in 0..12 {
        let mut w = World::new();
        w.seed = seed;
        let (_, answer) = w.offer_and_answer("call");
        w.wire.loss = 0.3;
        w.say(A, &answer);
        w.run_ms(20_000);
        let words = w.heard_line(A, "* words");
        assert!(words.is_some(), "{seed}: {:?}", w.ends[A].lines);
        assert_eq!(words, w.heard_line(B, "* words"));
    }
}

#[test]
fn the_words_come_over_a_wire_that_loses_every_tenth_packet() {
    let mut w = over_a_bad_wire(0.1);
    w.run_ms(58_000);
    assert!(
        w.heard_line(A, "* words").is_some(),
        "{:?}",
        w.ends[A].lines
    );
    assert_eq!(w.heard_line(A, "* words"), w.heard_line(B, "* words"));
}

#[test]
fn what_sets_up_a_call_goes_out_four_times_and_nothing_else_does() {
    let mut w = World::new();
    w.connect("call");
    let dtls = |w: &World| -> usize {
        let sent = w.ends[A].sent.iter();
        sent.filter(|((kind, _), _)| *kind == Kind::Dtls)
            .map(|(_, n)| n)
            .sum()
    };
    let set_up = dtls(&w);
    assert!(set_up % 4 == 0 && (20..80).contains(&set_up), "{set_up}");
    w.run_ms(20_000);
    assert!(dtls(&w) - set_up <= 8, "{}", dtls(&w));
}

/// A call that begins over a wire which loses, repeats and reorders.
fn over_a_bad_wire(loss: f64) -> World {
    let mut w = World::new();
    w.wire.loss = loss;
    w.wire.duplicate = 0.2;
    w.wire.jitter = Duration::from_millis(40);
    let (_, answer) = w.offer_and_answer("call");
    w.say(A, &answer);
    w
}

#[test]
fn an_answer_carried_for_23_hours_still_connects_in_both_dialects_and_roles() {
    for call in ["call", "call --v1"] {
        let mut w = World::new();
        let (_, answer) = w.offer_and_answer(call);
        w.run(Duration::from_secs(23 * 3600));
        let peer = w.ends[A].socket;
        // One check every 15 s from the one socket to the one candidate, after a burst of four.
        assert_eq!(
            w.ends[B]
                .sent
                .iter()
                .map(|(k, n)| (*k, *n))
                .collect::<Vec<_>>(),
            [((Kind::Stun, peer), 23 * 240 + 4)]
        );
        assert!(w.ends[A].sent.is_empty());
        w.say(A, &answer);
        w.run_ms(1_500);
        assert!(w.heard_line(A, "* connected").is_some(), "{call}");
        assert!(w.heard_line(B, "* connected").is_some(), "{call}");
    }
}

#[test]
fn after_24_hours_both_ends_forget() {
    let mut w = World::new();
    w.offer_and_answer("call");
    w.run(Duration::from_secs(24 * 3600 + 1));
    assert_eq!(
        w.ends[A].lines.last().unwrap(),
        "* ended nobody answered in 24 hours"
    );
    assert_eq!(
        w.ends[B].lines.last().unwrap(),
        "* ended they did not connect in 24 hours"
    );
    assert!(!w.ends[A].network && !w.ends[B].network);
}

#[test]
fn silence_for_40_seconds_is_told_and_healed() {
    let mut w = World::new();
    w.ends[A].tone = Some(440.0);
    w.connect("call");
    w.run_ms(2_000);
    w.lines(A);
    w.lines(B);
    w.wire.cut = true;
    w.run(Duration::from_secs(40));
    for end in [A, B] {
        assert_eq!(
            w.lines(end),
            ["* note lost them; trying to reach them again for 60 s"]
        );
    }
    w.wire.cut = false;
    w.run(Duration::from_secs(8));
    for end in [A, B] {
        assert_eq!(w.lines(end), ["* note they are back"]);
    }
    let (level, frequency) = listen(&w.ends[B]);
    assert!(
        level > -20.0 && (frequency - 440.0).abs() < 14.0,
        "{level} dBFS {frequency} Hz"
    );
}

#[test]
fn silence_that_stays_ends_the_call_after_75_seconds() {
    let mut w = World::new();
    w.connect("call");
    w.run_ms(2_000);
    w.lines(A);
    w.wire.cut = true;
    w.run(Duration::from_secs(70));
    assert_eq!(w.lines(A).len(), 1);
    w.run(Duration::from_secs(15));
    assert_eq!(
        w.lines(A),
        ["* ended lost them: nothing comes from the other end any more"]
    );
}

#[test]
fn either_end_can_hang_up_and_both_hear_why() {
    for (call, hanger) in [("call", A), ("call", B), ("call --v1", A), ("call --v1", B)] {
        let mut w = World::new();
        w.connect(call);
        w.run_ms(1_000);
        w.lines(A);
        w.lines(B);
        w.say(hanger, "hang");
        w.run_ms(4_000);
        assert_eq!(w.lines(hanger), ["* ended you hung up"], "{call} {hanger}");
        assert_eq!(
            w.lines(1 - hanger),
            ["* ended they hung up"],
            "{call} {hanger}"
        );
        assert!(
            !w.ends[A].network && !w.ends[B].network,
            "sockets stay open"
        );
        assert!(!w.ends[A].sound && !w.ends[B].sound, "sound stays on");
    }
}

#[test]
fn a_hang_up_gets_through_a_bad_wire() {
    let mut w = World::new();
    w.connect("call");
    w.run_ms(1_000);
    w.wire.loss = 0.3;
    w.say(A, "hang");
    w.run_ms(4_000);
    assert_eq!(w.ends[B].lines.last().unwrap(), "* ended they hung up");
}

#[test]
fn a_second_call_follows_the_first() {
    let mut w = World::new();
    for _ in 0..3 {
        w.connect("call");
        w.say(B, "hang");
        w.run_ms(4_000);
        w.lines(A);
        w.lines(B);
    }
}

#[test]
fn what_a_stranger_sends_while_we_wait_changes_nothing() {
    let mut w = World::new();
    let (_, answer) = w.offer_and_answer("call");
    let sent_before: usize = w.ends[B].sent.values().sum();
    let lines_before = w.ends[B].lines.len();
    for packet in hostile_packets() {
        w.inject(A, stranger(), &packet);
        w.inject(B, stranger(), &packet);
    }
    assert_eq!(w.ends[B].lines.len(), lines_before);
    assert_eq!(
        w.ends[B].sent.values().sum::<usize>(),
        sent_before,
        "a stranger got an answer"
    );
    w.say(A, &answer);
    w.run_ms(1_500);
    assert!(w.heard_line(A, "* connected").is_some());
}

#[test]
fn what_a_stranger_sends_during_the_handshake_and_the_call_changes_nothing() {
    let mut w = World::new();
    w.ends[A].tone = Some(440.0);
    let (_, answer) = w.offer_and_answer("call");
    w.say(A, &answer);
    for _ in 0..100 {
        w.run_ms(10);
        for packet in hostile_packets() {
            w.inject(A, stranger(), &packet);
            w.inject(B, stranger(), &packet);
        }
    }
    w.run_ms(2_000);
    assert!(w.heard_line(A, "* connected").is_some());
    assert!(w.ends[A].sent.keys().all(|k| k.1 != stranger()));
    assert!(w.ends[B].sent.keys().all(|k| k.1 != stranger()));
    let (level, frequency) = listen(&w.ends[B]);
    assert!(level > -20.0 && (frequency - 440.0).abs() < 14.0);
    assert!(!w.ends[A].lines.iter().any(|l| l.starts_with("* ended")));
}

#[test]
fn a_check_that_was_overheard_and_replayed_from_everywhere_is_answered_to_a_few_and_ends_nothing() {
    let mut w = World::new();
    w.ends[A].tone = Some(440.0);
    w.connect("call");
    w.run_ms(1_000);
    let overheard = w.ends[A].stun.clone();
    for n in 0..2_000u16 {
        let source = SocketAddr::from(([10, 1, (n >> 8) as u8, n as u8], 4_000));
        w.inject(B, source, &overheard);
    }
    w.run(Duration::from_secs(30));
    let peer = w.ends[A].socket;
    let strangers = w.ends[B].sent.keys().filter(|k| k.1 != peer).count();
    assert!(strangers <= 64, "{strangers} strangers were sent something");
    assert!(!w.ends[B].lines.iter().any(|l| l.starts_with("* ended")));
    let (level, frequency) = listen(&w.ends[B]);
    assert!(
        level > -20.0 && (frequency - 440.0).abs() < 14.0,
        "{level} dBFS {frequency} Hz"
    );
}

#[test]
fn a_call_begun_right_after_hanging_up_still_says_goodbye_first() {
    let mut w = World::new();
    w.connect("call");
    w.run_ms(1_000);
    w.lines(B);
    w.say(A, "hang");
    w.say(A, "call");
    w.run_ms(3_000);
    assert_eq!(w.lines(B), ["* ended they hung up"]);
    assert!(w.heard_line(A, "* offer").is_some());
}

#[test]
fn an_answer_entered_before_the_answerer_is_back_on_line_connects_when_it_is() {
    let mut w = World::new();
    let (_, answer) = w.offer_and_answer("call");
    w.wire.cut = true;
    w.say(A, &answer);
    w.run(Duration::from_secs(45));
    assert!(w.heard_line(A, "* connected").is_none());
    w.wire.cut = false;
    w.run(Duration::from_secs(10));
    assert!(
        w.heard_line(A, "* connected").is_some(),
        "{:?}",
        w.ends[A].lines
    );
    assert!(
        w.heard_line(B, "* connected").is_some(),
        "{:?}",
        w.ends[B].lines
    );
}

#[test]
fn malformed_packets_from_the_peers_own_address_do_not_end_the_call() {
    let mut w = World::new();
    w.ends[A].tone = Some(440.0);
    w.connect("call");
    let peer = w.ends[A].socket;
    for packet in hostile_packets() {
        w.inject(B, peer, &packet);
    }
    w.run_ms(2_000);
    assert!(
        !w.ends[B].lines.iter().any(|l| l.starts_with("* ended")),
        "{:?}",
        w.ends[B].lines
    );
    let (level, _) = listen(&w.ends[B]);
    assert!(level > -20.0);
}

/// A ClientHello, a fatal alert, RTP, RTCP, STUN without and with a wrong integrity, and nonsense.
fn hostile_packets() -> Vec<Vec<u8>> {
    let mut client_hello = vec![
        22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 54, 1, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0, 42, 0xFE,
        0xFD,
    ];
    client_hello.extend([7; 32]);
    client_hello.extend([0, 0, 0, 2, 0xC0, 0x2B, 1, 0]);
    let alert = vec![21, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];
    let close = vec![21, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0];
    let mut rtp = vec![0x80, 111, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9];
    rtp.extend([0x55; 60]);
    let mut rtcp = vec![0x80, 203, 0, 1, 0, 0, 0, 9];
    rtcp.extend([0x55; 40]);
    let stun = [&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42][..], &[9; 12]].concat();
    let mut packets = vec![
        client_hello,
        alert,
        close,
        rtp,
        rtcp,
        stun,
        vec![],
        vec![0],
        vec![0xFF; 1_500],
        vec![22; 1_500],
        vec![0x80; 1_500],
    ];
    for n in 0..64u8 {
        packets.push(
            (0..=n)
                .map(|i| i.wrapping_mul(37).wrapping_add(n))
                .collect(),
        );
    }
    packets
}

#[test]
fn push_to_talk_sends_only_while_the_button_is_down_and_150_ms_after() {
    let mut w = World::new();
    w.ends[A].tone = Some(440.0);
    w.say(A, "mode ptt");
    w.connect("call");
    w.run_ms(2_000);
    assert!(listen(&w.ends[B]).0 < -60.0, "a closed microphone is heard");
    w.say(A, "talk on");
    w.run_ms(2_000);
    assert!(listen(&w.ends[B]).0 > -20.0);
    w.say(A, "talk off");
    w.run_ms(2_000);
    assert!(listen(&w.ends[B]).0 < -60.0);
}

#[test]
fn mute_and_volume_do_what_they_say() {
    let mut w = World::new();
    w.ends[A].tone = Some(440.0);
    w.connect("call");
    w.run_ms(2_000);
    w.say(B, "volume 0");
    w.run_ms(1_500);
    assert!(listen(&w.ends[B]).0 < -90.0);
    w.say(B, "volume 100");
    w.say(A, "mute on");
    w.run_ms(2_000);
    assert!(listen(&w.ends[B]).0 < -60.0);
    w.say(A, "mute off");
    w.run_ms(2_000);
    assert!(listen(&w.ends[B]).0 > -20.0);
}

#[test]
fn the_owner_says_whether_the_words_are_the_same() {
    let mut w = World::new();
    w.connect("call");
    w.say(A, "same");
    w.say(A, "status");
    let status = w.ends[A].lines.last().unwrap().clone();
    assert!(
        status.contains(r#""secure":true"#) && status.contains(r#""state":"in call""#),
        "{status}"
    );
    w.say(A, "stats");
    let stats: serde_json::Value = serde_json::from_str(w.ends[A].lines.last().unwrap()).unwrap();
    let quality = &stats["quality"];
    assert_eq!(
        (&quality["bars"], &quality["r"]),
        (&4.into(), &93.2.into()),
        "{quality}"
    );
    assert_eq!(
        (&quality["concealed"], &quality["id"]),
        (&0.0.into(), &0.0.into()),
        "{quality}"
    );
    assert!(
        (57.0..=100.0).contains(&quality["delay_ms"].as_f64().unwrap()),
        "{quality}"
    );
    w.say(B, "differ");
    w.run_ms(4_000);
    assert_eq!(
        w.ends[B].lines.last().unwrap(),
        "* ended the words differ: somebody may be between you; agree on a new passphrase, in person if you can"
    );
    assert_eq!(w.ends[A].lines.last().unwrap(), "* ended they hung up");
}

#[test]
fn without_a_passphrase_the_intercom_asks_for_one() {
    let mut w = World::with_passphrases(None, None);
    w.lines(A);
    w.say(A, "call");
    assert_eq!(
        w.lines(A),
        [
            "! Set the passphrase first: enter the words you agreed on or make new ones, with the buttons, or type passphrase."
        ]
    );
    w.say(A, "passphrase");
    let made = w.lines(A);
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].split(' ').count(), 2 + 7, "{made:?}");
    w.say(A, "call");
    w.run_ms(10);
    assert!(w.heard_line(A, "* offer").is_some());
}

#[test]
fn a_peer_that_moves_to_another_address_is_followed() {
    let mut w = World::new();
    w.ends[A].tone = Some(440.0);
    w.connect("call");
    w.run_ms(2_000);
    let moved = SocketAddr::from(([10, 0, 0, 77], 6_000));
    w.ends[A].socket = moved;
    w.lines(A);
    w.input(A, sotto::intercom::Input::Sockets(&[moved]));
    assert_eq!(
        w.lines(A),
        ["* note our address changed: finding the other end again"]
    );
    w.run(Duration::from_secs(20));
    let (level, frequency) = listen(&w.ends[B]);
    assert!(
        level > -20.0 && (frequency - 440.0).abs() < 14.0,
        "{level} dBFS {frequency} Hz"
    );
    assert!(!w.ends[B].lines.iter().any(|l| l.starts_with("* ended")));
}

#[test]
fn who_speaks_to_a_hands_free_end_does_not_hear_himself() {
    let level = |mut w: World| {
        w.ends[A].hiss = true;
        w.ends[B].echo = Some(11);
        w.connect("call");
        w.run(Duration::from_secs(6));
        let (said, back) = (listen(&w.ends[B]).0, listen(&w.ends[A]).0);
        assert!(said > -40.0, "{said} dBFS");
        back - said
    };
    let (with, without) = (level(World::hands_free()), level(World::new()));
    assert!(
        without > -36.0 && with < without - 35.0,
        "{with} {without} dBFS"
    );
}
