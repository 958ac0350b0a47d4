//! `status` and `stats`: one line of JSON each, and the quality bars.

use serde_json::json;

use super::Intercom;
use super::call::Phase;
use super::console::Mode;
use super::talk::Talk;

/// What is counted from start to end, over all calls.
#[derive(Default)]
pub struct Counters {
    /// UDP datagrams that came in, whoever sent them.
    pub datagrams_received: u64,
    /// UDP datagrams sent.
    pub datagrams_sent: u64,
    /// Times that the microphone's buffer ran over.
    pub capture_xruns: u64,
    /// Times that the speaker's buffer ran dry.
    pub playback_xruns: u64,
}

/// The line of `status`: where things stand now.
///
/// `state`, `peer` and `path` (addresses, in a call), `words`, `secure`, `rtt_ms`, `loss` (share of ours that the
/// peer misses, 0 to 1), `jitter_ms` (at the peer), `sent_dbfs` and `heard_dbfs` (-96 to 0), `hears_you`, `mode`,
/// `muted`, `volume`, `uptime` (s).
pub fn status(i: &Intercom) -> String {
    let state = match i.call.phase() {
        Phase::Idle if i.call.has_passphrase() => "ready",
        Phase::Idle => "no passphrase",
        Phase::Preparing => "preparing",
        Phase::OfferWaiting(..) => "offer waiting",
        Phase::AnswerWaiting(..) => "answer waiting",
        Phase::Connecting(_) => "connecting",
        Phase::InCall => "in call",
    };
    let talk = i.call.talk();
    let report = talk.and_then(|t| t.report(i.now));
    let path = talk.and_then(Talk::path);
    json!({
        "state": state,
        "peer": path.map(|p| p.1.to_string()),
        "path": path.map(|p| format!("{} -> {}", p.0, p.1)),
        "words": talk.and_then(Talk::words),
        "secure": talk.is_some_and(Talk::is_secure),
        "rtt_ms": report.and_then(|r| r.rtt).map(|r| r.as_millis() as u64),
        "loss": report.map(|r| f64::from((r.loss * 1000.0).round()) / 1000.0),
        "jitter_ms": report.map(|r| r.jitter_ms),
        "sent_dbfs": talk.map(|t| t.capture().level_dbfs()),
        "heard_dbfs": talk.map(|t| t.playout().level_dbfs()),
        "hears_you": talk.is_some_and(|t| t.hears_us(i.now)),
        "mode": if i.setup.mode == Mode::Open { "open" } else { "ptt" },
        "muted": i.owner.muted,
        "volume": i.setup.volume,
        "uptime": (i.now - i.started).as_secs(),
    })
    .to_string()
}

/// The line of `stats`: counters since start, over all calls.
///
/// `datagrams_received`, `datagrams_sent` (UDP); `packets_sent` (voice); `capture_xruns`, `playback_xruns` (the sound
/// card's buffers ran over, ran dry); `playout`: the jitter buffer's, as [`crate::voice::playout::PlayoutStats`] documents them;
/// `quality`: `null` outside a call, else how well we hear the peer now, by the E-model of [`crate::voice::quality`]: `r` (rating, 0 to
/// 93.2), `mos` (1 to 4.41), `delay_ms` (mouth to ear: half the round trip, the jitter buffer, packet, codec and sound cards), `id` and
/// `ie_eff` (what delay and concealment take off `r`), `concealed` (share of the last 3 s of voice that was made up, 0 to 1; what
/// was repaired is no part of it), `burst` (how much longer than by chance its gaps are), `bars` (0 to 4, as on the screen).
pub fn stats(i: &Intercom) -> String {
    let (packets_sent, playout) = i.call.totals();
    let tenths = |x: f64| (x * 10.0).round() / 10.0;
    let quality = i.call.talk().map(|talk| {
        let rating = talk.rating(i.now);
        json!({
            "r": tenths(rating.r),
            "mos": (rating.mos * 100.0).round() / 100.0,
            "delay_ms": rating.delay_ms.round(),
            "id": tenths(rating.id),
            "ie_eff": tenths(rating.ie_eff),
            "concealed": (f64::from(talk.playout().concealed()) * 1000.0).round() / 1000.0,
            "burst": tenths(talk.playout().burst_ratio().into()),
            "bars": talk.bars(),
        })
    });
    json!({
        "datagrams_received": i.counters.datagrams_received,
        "datagrams_sent": i.counters.datagrams_sent,
        "packets_sent": packets_sent,
        "capture_xruns": i.counters.capture_xruns,
        "playback_xruns": i.counters.playback_xruns,
        "playout": playout,
        "quality": quality,
    })
    .to_string()
}
