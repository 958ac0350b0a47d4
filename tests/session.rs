//! Session descriptions as SDP: what browsers write, what is echoed to them, and properties of any text.

use std::net::SocketAddr;

use proptest::prelude::*;
use sotto::intercom::code::seal::IceCredentials;
use sotto::intercom::code::v2::{Candidate, CandidateKind};
use sotto::intercom::session::{Description, Media, Setup};

const TRANSPORT: &str = "a=ice-ufrag:ufra\r\na=ice-pwd:0123456789abcdefghijkl\r\na=fingerprint:sha-256 F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1:F1\r\n";
const OPUS: &str = "a=rtpmap:63 red/48000/2\r\na=rtpmap:111 opus/48000/2\r\n";
const AUDIO: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\na=mid:0\r\n";
const DATA: &str = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n";

fn read(parts: &[&str]) -> Result<Description, String> {
    Description::from_sdp(&format!("v=0\r\n{}", parts.concat()))
}

fn audio() -> Media {
    Media::Audio("0".into())
}

fn video(mid: Option<&str>) -> Media {
    Media::Rejected {
        kind: "video".into(),
        protocol: "UDP/TLS/RTP/SAVPF".into(),
        format: "96".into(),
        mid: mid.map(Into::into),
    }
}

#[test]
fn video_rejected_or_not_is_answered_rejected_at_its_place_and_outside_the_bundle() {
    for port in [0, 9] {
        let m = format!("m=video {port} UDP/TLS/RTP/SAVPF 96 97\r\na=mid:1\r\n");
        let read = read(&[AUDIO, TRANSPORT, OPUS, &m, TRANSPORT, DATA, TRANSPORT]).unwrap();
        let data = Media::Data("2".into());
        assert_eq!(read.media, [audio(), video(Some("1")), data]);
        assert!(read.has_data());
        let sdp = read.to_sdp(1);
        assert!(sdp.contains("\r\na=group:BUNDLE 0 2\r\n"), "{sdp}");
        let m = "\r\nm=video 0 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\na=mid:1\r\nm=application 9 ";
        assert!(sdp.contains(m), "{sdp}");
    }
}

#[test]
fn a_rejected_m_line_without_a_mid_is_given_none() {
    let m = "m=video 0 UDP/TLS/RTP/SAVPF 96\r\n";
    let read = read(&[m, AUDIO, TRANSPORT, OPUS]).unwrap();
    assert_eq!(read.media, [video(None), audio()]);
    assert_eq!(read.to_sdp(1).matches("a=mid:").count(), 1);
}

#[test]
fn a_rejected_data_channel_is_none() {
    let m = "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\n";
    let read = read(&[AUDIO, TRANSPORT, OPUS, m]).unwrap();
    assert!(!read.has_data());
    assert_eq!(read.audio_mid(), Some("0"));
}

#[test]
fn port_0_is_no_rejection_where_it_only_means_bundled() {
    let m = "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\na=bundle-only\r\na=mid:1\r\n";
    let read = read(&[AUDIO, TRANSPORT, OPUS, m]).unwrap();
    assert_eq!(read.media, [audio(), Media::Data("1".into())]);
}

#[test]
fn declined_voice_too_many_m_lines_and_unreadable_ones_are_errors_in_the_owners_words() {
    let declined = "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\n";
    let video = "m=video 0 UDP/TLS/RTP/SAVPF 96\r\n";
    let long = format!("m={} 9 UDP 1\r\n", "x".repeat(33));
    let too_much = "This code asks for more than sotto can answer; make a new one at the other end, for voice only.";
    let unreadable =
        "This code describes a session that sotto cannot read; make a new one at the other end.";
    for (m, error) in [
        (
            declined,
            "The other end declined voice in this code; let it use its microphone there, then make a new one.",
        ),
        (
            "",
            "The session in this code has no audio; make a new one at the other end.",
        ),
        (
            &AUDIO.repeat(2),
            "This code asks for audio twice, and sotto does it once.",
        ),
        (&video.repeat(9), too_much),
        (&long, unreadable),
        ("m=vi;deo 9 UDP 1\r\n", unreadable),
        ("m=video 70000 UDP 1\r\n", unreadable),
        ("m=video 9 UDP\r\n", unreadable),
    ] {
        assert_eq!(read(&[m, TRANSPORT, OPUS]), Err(error.into()), "{m}");
    }
}

#[test]
fn the_transport_is_that_of_the_first_m_line_in_the_bundle() {
    let other = TRANSPORT
        .replace("ufra", "othe")
        .replace("0123", "other")
        .replace("F1", "F2");
    let near = "a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\n";
    let far = "a=candidate:1 1 udp 1 192.0.2.2 5000 typ host\r\n";
    let video = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n";
    let read = read(&[
        video, &other, far, AUDIO, TRANSPORT, OPUS, near, DATA, &other, far,
    ])
    .unwrap();
    assert_eq!(read.ice.ufrag, "ufra");
    assert_eq!(read.ice.pwd, "0123456789abcdefghijkl");
    assert_eq!(read.fingerprint, [0xF1; 32]);
    let addresses: Vec<String> = read.candidates.iter().map(|c| c.addr.to_string()).collect();
    assert_eq!(addresses, ["192.0.2.1:5000"]);
}

#[test]
fn candidates_that_nobody_can_send_to_are_left_out() {
    let candidates: String = [
        "169.254.1.1 5000",
        "fe80::1 5000",
        "224.0.0.1 5000",
        "255.255.255.255 5000",
        "0.0.0.0 9",
        "192.0.2.1 0",
        "name.local 5000",
        "192.0.2.1 5000",
    ]
    .iter()
    .map(|address| format!("a=candidate:1 1 udp 1 {address} typ host\r\n"))
    .collect();
    let read = read(&[AUDIO, TRANSPORT, OPUS, &candidates]).unwrap();
    let addresses: Vec<String> = read.candidates.iter().map(|c| c.addr.to_string()).collect();
    assert_eq!(addresses, ["192.0.2.1:5000"]);
}

// ---- properties ----

fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let addr = prop_oneof![
        (1u8..=126, any::<[u8; 3]>(), 1u16..)
            .prop_map(|(a, [b, c, d], port)| SocketAddr::from(([a, b, c, d], port))),
        (any::<[u16; 7]>(), 1u16..).prop_map(|(r, port)| {
            SocketAddr::from(([0x2001, r[0], r[1], r[2], r[3], r[4], r[5], r[6]], port))
        }),
    ];
    let kind = prop_oneof![
        Just(CandidateKind::Host),
        Just(CandidateKind::ServerReflexive)
    ];
    let candidate = (kind, addr).prop_map(|(kind, addr)| Candidate { kind, addr });
    prop::collection::vec(candidate, 0..=30).prop_map(|mut all| {
        all.sort_by_key(|c| c.addr);
        all.dedup_by_key(|c| c.addr);
        all
    })
}

fn media() -> impl Strategy<Value = Vec<Media>> {
    let mid = "[!-~]{1,16}";
    let kind = prop_oneof!["audio", "application", "video", "[a-z]{1,32}"];
    let rejected = (
        kind,
        "[A-Z/]{1,32}",
        "[a-z0-9*-]{1,32}",
        prop::option::of(mid),
    )
        .prop_map(|(kind, protocol, format, mid)| Media::Rejected {
            kind,
            protocol,
            format,
            mid,
        });
    (
        mid,
        prop::option::of(mid),
        prop::collection::vec(rejected, 0..=6),
    )
        .prop_flat_map(|(audio, data, mut all)| {
            all.push(Media::Audio(audio));
            all.extend(data.map(Media::Data));
            Just(all).prop_shuffle()
        })
}

fn descriptions() -> impl Strategy<Value = Description> {
    let setup = prop_oneof![
        Just(Setup::ActPass),
        Just(Setup::Active),
        Just(Setup::Passive)
    ];
    let ice = ("[A-Za-z0-9+/]{4,256}", "[A-Za-z0-9+/]{22,256}")
        .prop_map(|(ufrag, pwd)| IceCredentials { ufrag, pwd });
    (
        (ice, any::<[u8; 32]>(), setup, media()),
        (
            0u8..128,
            prop::option::of(1u8..128),
            prop::option::of(1u8..=14),
        ),
        (any::<Option<u32>>(), candidates()),
    )
        .prop_map(
            |((ice, fingerprint, setup, media), (opus_pt, red_pt, mid_ext), (ssrc, candidates))| {
                Description {
                    ice,
                    fingerprint,
                    setup,
                    media,
                    opus_pt,
                    red_pt: red_pt.filter(|red| *red != opus_pt),
                    is_browser: true,
                    mid_ext,
                    ssrc,
                    candidates,
                }
            },
        )
}

/// Lines as SDP has them, in any order and with any ends.
fn nearly_sdp() -> impl Strategy<Value = String> {
    let begin = prop::sample::select(vec![
        "m=audio 9 UDP 1",
        "m=audio 0",
        "m=application ",
        "m=",
        "a=mid:",
        "a=candidate:1 1 udp 1 ",
        "a=candidate:1 1 udp 1 192.0.2.1 5000 typ host",
        "a=fingerprint:sha-256 ",
        "a=setup:",
        "a=extmap:",
        "a=rtpmap:111 opus/48000/2",
        "a=rtpmap:63 red/48000/2",
        "a=fmtp:63 111/111",
        "a=fmtp:",
        "a=rtpmap:",
        "a=ssrc:",
        "a=bundle-only",
        "a=",
        TRANSPORT,
        "",
    ]);
    let line = (begin, ".{0,20}").prop_map(|(begin, end)| format!("{begin}{end}\r\n"));
    prop::collection::vec(line, 0..30).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = Description::from_sdp(&text);
    }

    #[test]
    fn nothing_like_sdp_panics_and_what_is_read_can_be_written_and_read(text in nearly_sdp()) {
        if let Ok(read) = Description::from_sdp(&text) {
            prop_assert_eq!(Description::from_sdp(&read.to_sdp(1)), Ok(read));
        }
    }

    #[test]
    fn a_description_is_the_same_after_it_was_written_and_read(description in descriptions()) {
        prop_assert_eq!(Description::from_sdp(&description.to_sdp(1)), Ok(description));
    }
}
