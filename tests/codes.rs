//! Codes from outside: vectors of an independent implementation, and properties of any text and any contents.

use std::net::SocketAddr;

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sotto::intercom::code::seal::{
    IceCredentials, Master, V1_ITERATIONS, V1_SALT, V2_ITERATIONS, derive,
};
use sotto::intercom::code::v1;
use sotto::intercom::code::v2::{self, Browser, Candidate, CandidateKind, Contents};
use sotto::intercom::code::{Code, CodeError, Kind, find};
use sotto::intercom::passphrase::Passphrase;
use sotto::intercom::session::Role;
use sotto::intercom::verify::{Message, Verify};

// ---- vectors, made by tests/vectors/generate.py ----

fn vectors(name: &str) -> Value {
    let path = format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    let hex = text(value);
    assert_eq!(hex.len(), 2 * N);
    std::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
}

fn small(value: &Value) -> u8 {
    u8::try_from(value.as_u64().unwrap()).unwrap()
}

fn ice(value: &Value) -> IceCredentials {
    IceCredentials {
        ufrag: text(&value["ufrag"]).into(),
        pwd: text(&value["pwd"]).into(),
    }
}

fn contents(value: &Value) -> Contents {
    let browser = &value["browser"];
    let candidates = value["candidates"].as_array().unwrap();
    Contents {
        fingerprint: bytes(&value["fingerprint"]),
        browser: (!browser.is_null()).then(|| Browser {
            ice: ice(browser),
            opus_pt: small(&browser["opus_pt"]),
            red_pt: (!browser["red_pt"].is_null()).then(|| small(&browser["red_pt"])),
            mid_ext: small(&browser["mid_ext"]),
        }),
        candidates: candidates
            .iter()
            .map(|c| Candidate {
                kind: match text(&c["type"]) {
                    "host" => CandidateKind::Host,
                    _ => CandidateKind::ServerReflexive,
                },
                addr: SocketAddr::new(
                    text(&c["address"]).parse().unwrap(),
                    u16::try_from(c["port"].as_u64().unwrap()).unwrap(),
                ),
            })
            .collect(),
    }
}

/// The one code of a text.
fn only(text: &str) -> Code {
    let search = find(text);
    assert_eq!((search.codes.len(), search.damaged), (1, None), "{text}");
    search.codes[0].clone()
}

fn only_v2(text: &str) -> v2::Sealed {
    match only(text) {
        Code::V2(sealed) => sealed,
        Code::V1(_) => panic!("a v1 code: {text}"),
    }
}

#[test]
fn v2_codes_are_the_very_characters_of_the_vectors_and_open() {
    for call in vectors("v2.json").as_array().unwrap() {
        let name = text(&call["name"]);
        let (offer, answer) = (&call["offer"], &call["answer"]);
        let (salt, answer_salt) = (bytes(&offer["salt"]), bytes(&answer["salt"]));

        let passphrase = Passphrase::new(text(&call["passphrase"])).unwrap();
        assert_eq!(
            *passphrase.normalised(),
            text(&call["normalised"]),
            "{name}"
        );
        let key: [u8; 32] = bytes(&call["master"]);
        let master = derive(&passphrase.normalised(), &salt, V2_ITERATIONS);
        assert!(master == Master::from(key), "{name}: another master");
        assert_eq!(master.offer_credentials(), ice(&call["derived"]["offerer"]));

        let offered = contents(&offer["contents"]);
        let (sealed, offer_keys) = master.seal_offer(salt, bytes(&call["call_id"]), &offered);
        assert_eq!(sealed.to_string(), text(&offer["code"]), "{name}");

        let read = only_v2(text(&offer["code"]));
        assert_eq!((read.kind(), read.salt()), (Kind::Offer, salt));
        let (opened, answer_keys) = Master::from(key).open_offer(&read).ok().unwrap();
        assert_eq!(opened, offered, "{name}");
        assert_eq!(answer_keys.offerer_credentials(&opened), ice(&offer["ice"]));
        let derived = answer_keys.credentials(answer_salt);
        assert_eq!(derived, ice(&call["derived"]["answerer"]), "{name}");

        let answered = contents(&answer["contents"]);
        let sealed = answer_keys.seal(answer_salt, &answered);
        assert_eq!(sealed.to_string(), text(&answer["code"]), "{name}");
        let opened = offer_keys.open_answer(&only_v2(text(&answer["code"])));
        assert_eq!(opened, Ok((answered, ice(&answer["ice"]))), "{name}");
    }
}

#[test]
fn v2_plain_texts_are_the_very_bytes_of_the_vectors() {
    for call in vectors("v2.json").as_array().unwrap() {
        for end in [&call["offer"], &call["answer"]] {
            let contents = contents(&end["contents"]);
            let plain: String = contents.emit().iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(plain, text(&end["plain"]));
        }
    }
}

#[test]
fn v1_codes_are_the_very_characters_of_the_vectors_and_open() {
    for code in vectors("v1.json").as_array().unwrap() {
        let passphrase = Passphrase::new(text(&code["passphrase"])).unwrap();
        let master = derive(passphrase.exact(), V1_SALT, V1_ITERATIONS);
        assert!(master == Master::from(bytes::<32>(&code["master"])));
        let description = v1::Description {
            kind: match text(&code["type"]) {
                "offer" => Kind::Offer,
                _ => Kind::Answer,
            },
            sdp: text(&code["sdp"]).into(),
        };
        let sealed = v1::seal(&master, bytes(&code["iv"]), &description);
        assert_eq!(sealed.to_string(), text(&code["code"]));
        assert_eq!(only(text(&code["code"])), Code::V1(sealed.clone()));
        let opened = v1::open(&master, &sealed).unwrap();
        assert_eq!(
            (opened.kind, opened.sdp),
            (description.kind, description.sdp)
        );
    }
}

fn words(indices: &Value) -> Vec<&'static str> {
    let list = bip39::Language::English.word_list();
    let indices = indices.as_array().unwrap().iter();
    indices
        .map(|i| list[i.as_u64().unwrap() as usize])
        .collect()
}

#[test]
fn commitments_and_words_are_those_of_the_vectors() {
    for vector in vectors("words.json")["comparisons"].as_array().unwrap() {
        let (o, a) = (&vector["offerer"], &vector["answerer"]);
        let (o_print, a_print) = (bytes(&o["fingerprint"]), bytes(&a["fingerprint"]));
        let (o_nonce, a_nonce) = (bytes(&o["nonce"]), bytes(&a["nonce"]));
        let mut offerer = Verify::new(Role::Offerer, o_print, a_print, o_nonce);
        let mut answerer = Verify::new(Role::Answerer, a_print, o_print, a_nonce);
        assert_eq!(offerer.first(), Message::Commit(bytes(&o["commitment"])));
        assert_eq!(answerer.first(), Message::Commit(bytes(&a["commitment"])));
        assert_eq!(
            offerer.handle(answerer.first()),
            Ok(Some(Message::Reveal(o_nonce)))
        );
        assert_eq!(
            answerer.handle(offerer.first()),
            Ok(Some(Message::Reveal(a_nonce)))
        );
        assert_eq!(offerer.handle(Message::Reveal(a_nonce)), Ok(None));
        assert_eq!(answerer.handle(Message::Reveal(o_nonce)), Ok(None));
        assert_eq!(offerer.words().unwrap().to_vec(), words(&vector["indices"]));
        assert_eq!(answerer.words(), offerer.words());
    }
}

#[test]
fn made_passphrases_are_those_of_the_vectors() {
    for vector in vectors("words.json")["passphrases"].as_array().unwrap() {
        let made = Passphrase::make(bytes(&vector["random"]));
        assert_eq!(made.exact(), words(&vector["indices"]).join(" "));
    }
}

// ---- sizes ----

const SALT: [u8; 16] = [0x5A; 16];

fn master() -> Master {
    Master::from([0xA5; 32])
}

fn of_candidates(candidates: &[&str]) -> Contents {
    Contents {
        fingerprint: [0xFF; 32],
        browser: None,
        candidates: candidates
            .iter()
            .map(|c| Candidate {
                kind: CandidateKind::ServerReflexive,
                addr: c.parse().unwrap(),
            })
            .collect(),
    }
}

/// An offer with these contents, and the answer to it with the same.
fn offer_and_answer(contents: &Contents) -> (v2::Sealed, v2::Sealed) {
    let (offer, _) = master().seal_offer(SALT, [9; 4], contents);
    let (read, keys) = master().open_offer(&offer).ok().unwrap();
    assert_eq!(read, *contents);
    let answer = keys.seal([6; 16], contents);
    (offer, answer)
}

#[test]
fn a_devices_code_with_five_ipv4_or_two_ipv4_and_one_ipv6_candidates_fits_one_sms() {
    let five = [
        "10.0.0.1:1",
        "10.0.0.2:2",
        "10.0.0.3:3",
        "10.0.0.4:4",
        "255.0.0.5:65535",
    ];
    let three = ["10.0.0.1:1", "[2001:db8::ffff]:65535", "10.0.0.3:3"];
    for (candidates, length) in [(&five[..], 150), (&three[..], 147)] {
        let (offer, answer) = offer_and_answer(&of_candidates(candidates));
        for code in [offer, answer] {
            let text = code.to_string();
            assert_eq!(text.len(), length);
            assert!(text.len() <= v2::DEVICE_CHARS);
            assert_eq!(only_v2(&text), code);
        }
    }
}

// ---- linear time ----

#[test]
fn a_mebibyte_of_beginnings_is_searched_and_holds_no_code() {
    // Each is quadratic work for a reader that starts over at every beginning and reads as far as it can; the unit
    // tests of `code` count the work.
    let object = r#"{"iv":[1,2,3],"#;
    for unit in [
        "sotto2o",
        "sotto2a\u{200B} ",
        "s o t t o 2 o \r\n",
        "sotto2o__________",
        "eyJ",
        "eyJpdiI6W",
        "e",
        "ey Jpd",
        "eyJpdiI6WzEs",
        "MSwxLDEs",
        "ewog",
        "> > ",
        &BASE64_STANDARD.encode(object),
    ] {
        let text = unit.repeat((1 << 20) / unit.len());
        assert_eq!(find(&text).codes.len(), 0, "{unit:?}");
    }
    let long = format!("eyJpdiI6WzEs{}", "MSwxLDEs".repeat(130_000));
    assert_eq!(find(&long).damaged, Some(CodeError::Damaged));
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
    // 33 + 2 * 19 = 71 bytes of plain text: these always fit.
    prop::collection::vec(
        (kind, addr).prop_map(|(kind, addr)| Candidate { kind, addr }),
        0..=2,
    )
}

fn any_contents() -> impl Strategy<Value = Contents> {
    let browser = (
        "[A-Za-z0-9+/]{4,8}",
        "[A-Za-z0-9+/]{22,32}",
        0u8..128,
        0u8..128,
        1u8..=14,
    );
    let browser = browser.prop_map(|(ufrag, pwd, opus_pt, red_pt, mid_ext)| Browser {
        ice: IceCredentials { ufrag, pwd },
        opus_pt,
        red_pt: (red_pt != 0).then_some(red_pt),
        mid_ext,
    });
    (any::<[u8; 32]>(), prop::option::of(browser), candidates()).prop_map(
        |(fingerprint, browser, candidates)| Contents {
            fingerprint,
            browser,
            candidates: candidates.into_iter().collect(),
        },
    )
}

/// What carriers put between two characters.
const FILLERS: [&str; 9] = [
    "", " ", "\n", "\r\n", "\r\n> ", "\n> > ", "\u{200B}", "\u{A0}", "\t",
];

fn mangled(text: &str, seeds: &[u8]) -> String {
    let fillers = seeds
        .iter()
        .cycle()
        .map(|s| FILLERS[usize::from(*s) % FILLERS.len()]);
    text.chars()
        .zip(fillers)
        .flat_map(|(c, filler)| [c.to_string(), filler.into()])
        .collect()
}

/// The code of these bytes, its check made right.
fn rechecked(prefix: &str, mut code: Vec<u8>) -> String {
    let body = code.len() - 2;
    let hash = Sha256::new()
        .chain_update(prefix)
        .chain_update(&code[..body])
        .finalize();
    code[body..].copy_from_slice(&hash[..2]);
    format!("{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(code))
}

fn opens(text: &str, offer_keys: &v2::OfferKeys) -> bool {
    find(text).codes.iter().any(|code| match code {
        Code::V2(sealed) if sealed.kind() == Kind::Offer => master().open_offer(sealed).is_ok(),
        Code::V2(sealed) => offer_keys.open_answer(sealed).is_ok(),
        Code::V1(_) => false,
    })
}

#[test]
fn a_single_flipped_bit_never_opens_with_the_check_as_it_was_or_made_anew() {
    let contents = of_candidates(&["10.0.0.1:1", "[2001:db8::ffff]:65535", "10.0.0.3:3"]);
    let (offer, answer) = offer_and_answer(&contents);
    let (_, keys) = master().seal_offer(SALT, [9; 4], &contents);
    for (prefix, code) in [
        ("sotto2o", offer.to_string()),
        ("sotto2a", answer.to_string()),
    ] {
        assert!(opens(&code, &keys));
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&code[7..]).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let text = format!("{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(&flipped));
            assert!(!opens(&text, &keys), "bit {bit}");
            if bit < (bytes.len() - 2) * 8 {
                assert!(!opens(&rechecked(prefix, flipped), &keys), "bit {bit}");
            }
        }
        // The characters themselves; text follows, so that one which became a space does not just cut the code short.
        for bit in 0..code.len() * 8 {
            let mut flipped = code.clone().into_bytes();
            flipped[bit / 8] ^= 1 << (bit % 8);
            flipped.extend(b" and more text after it");
            assert!(
                !opens(&String::from_utf8_lossy(&flipped), &keys),
                "bit {bit} of the text"
            );
        }
        let other = if prefix == "sotto2o" {
            "sotto2a"
        } else {
            "sotto2o"
        };
        assert!(
            !opens(&rechecked(other, bytes), &keys),
            "{prefix} opens as {other}"
        );
    }
}

proptest! {
    #[test]
    fn any_text_is_searched_without_panic(text in "\\PC*", bytes: Vec<u8>) {
        find(&text);
        find(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_pieces_of_codes_are_searched_without_panic(
        pieces in prop::collection::vec(
            prop_oneof![
                Just("sotto2o".to_owned()), Just("sotto2a".to_owned()), Just("sotto".to_owned()),
                Just("eyJpdiI6W".to_owned()), Just("eyJkYXRhIjpb".to_owned()), Just("zEsMl0s".to_owned()),
                Just("> \u{200B}".to_owned()), Just("=".to_owned()), Just("é".to_owned()),
                "[A-Za-z0-9_-]{0,200}", "[\\[\\]{}:,\"ivdat0-9 ]{0,40}".prop_map(|s| BASE64_STANDARD.encode(s)),
            ],
            0..40,
        ),
    ) {
        let search = find(&pieces.concat());
        prop_assert!(search.codes.len() <= 4);
    }

    #[test]
    fn any_plain_text_is_parsed_without_panic_and_what_is_read_reads_back(mut plain: Vec<u8>, flags in 0u8..4) {
        if let Some(first) = plain.first_mut() {
            *first = flags;
        }
        if let Ok(contents) = Contents::parse(&plain)
            && contents.browser.is_none()
        {
            let again = Contents::parse(&contents.emit()).unwrap();
            prop_assert_eq!(again.fingerprint, contents.fingerprint);
            prop_assert!(again.candidates.iter().all(|c| contents.candidates.contains(c)));
        }
    }

    #[test]
    fn any_message_of_the_channel_is_parsed_without_panic_and_reads_back(data: Vec<u8>) {
        if let Some(message) = Message::parse(&data) {
            prop_assert_eq!(message.emit(), data);
        }
    }

    #[test]
    fn what_v2_seals_opens_out_of_mangled_text(
        offered in any_contents(), answered in any_contents(),
        salt: [u8; 16], answer_salt: [u8; 16], call_id: [u8; 4],
        seeds in prop::collection::vec(any::<u8>(), 1..50),
        before in "[a-z ,.>:\r\n]{0,80}", after in "\\PC{0,80}",
    ) {
        let (offer, offer_keys) = master().seal_offer(salt, call_id, &offered);
        let text = format!("{before}\n> {}{after}", mangled(&offer.to_string(), &seeds));
        let codes = find(&text).codes;
        prop_assert_eq!(codes.first(), Some(&Code::V2(offer.clone())));
        let most = offered.browser.as_ref().map_or(v2::DEVICE_CHARS, |_| v2::BROWSER_CHARS);
        prop_assert!(offer.to_string().len() <= most);
        let (read, answer_keys) = master().open_offer(&offer).ok().unwrap();
        prop_assert_eq!(&read, &offered);

        let credentials = answer_keys.credentials(answer_salt);
        let answer = answer_keys.seal(answer_salt, &answered);
        let text = format!("{before}{}{after}", mangled(&answer.to_string(), &seeds));
        let codes = find(&text).codes;
        prop_assert_eq!(codes.first(), Some(&Code::V2(answer.clone())));
        let ice = answered.browser.as_ref().map_or(credentials, |b| b.ice.clone());
        prop_assert_eq!(offer_keys.open_answer(&answer), Ok((answered, ice)));
    }

    #[test]
    fn what_v1_seals_opens_out_of_mangled_text(
        sdp in "\\PC{0,400}", iv: [u8; 12],
        seeds in prop::collection::vec(any::<u8>(), 1..50),
        before in "[a-z ,.>:\r\n]{0,80}", after in "\\PC{0,80}",
    ) {
        let description = v1::Description { kind: Kind::Offer, sdp };
        let sealed = v1::seal(&master(), iv, &description);
        let text = format!("{before}{}{after}", mangled(&sealed.to_string(), &seeds));
        let codes = find(&text).codes;
        prop_assert_eq!(codes.first(), Some(&Code::V1(sealed.clone())));
        prop_assert_eq!(v1::open(&master(), &sealed), Ok(description));
    }
}
