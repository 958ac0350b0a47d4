#!/usr/bin/env python3
"""Writes the test vectors of the codes, from the tables alone: nothing here is shared with the Rust code.

    generate.py            writes v1.json, v2.json and words.json beside itself
    generate.py --check    makes them anew and fails if the files differ

Needs the Python package "cryptography" (Debian: python3-cryptography).
"""

import base64
import hashlib
import hmac
import ipaddress
import json
import pathlib
import sys
import unicodedata

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HERE = pathlib.Path(__file__).resolve().parent
V1_SALT = b"static_salt_for_simplicity_v1"
V1_ITERATIONS = 100_000
V2_ITERATIONS = 600_000


def filled(label, length):
    """Fixed bytes that look like random ones."""
    return hashlib.shake_256(b"sotto test vectors: " + label.encode()).digest(length)


# ---- passphrases ----


def normalised(passphrase):
    return " ".join(unicodedata.normalize("NFKC", passphrase).replace("\ufeff", " ").lower().split())


def words_of(bits, count):
    """The first count groups of 11 bits."""
    number = int.from_bytes(bits, "big")
    total = 8 * len(bits)
    return [(number >> (total - 11 * (i + 1))) & 0x7FF for i in range(count)]


# ---- v2 ----


def master_of(passphrase, salt):
    text = normalised(passphrase).encode()
    return hashlib.pbkdf2_hmac("sha256", text, salt, V2_ITERATIONS, 32)


def expand(master, label, x, length):
    return hmac.new(master, label.encode() + x + b"\x01", hashlib.sha256).digest()[:length]


def offerer_credentials(master):
    ufrag = base64.b64encode(expand(master, "sotto2 offer ufrag", b"", 6)).decode()
    pwd = base64.b64encode(expand(master, "sotto2 offer pwd", b"", 18)).decode()
    return {"ufrag": ufrag, "pwd": pwd}


def answerer_credentials(master, salt):
    ufrag = base64.b64encode(expand(master, "sotto2 answer ufrag", salt, 6)).decode()
    pwd = base64.b64encode(expand(master, "sotto2 answer pwd", ufrag.encode(), 18)).decode()
    return {"ufrag": ufrag, "pwd": pwd}


def plain_of(contents):
    browser = contents["browser"]
    plain = bytes([1 if browser else 0]) + bytes.fromhex(contents["fingerprint"])
    if browser:
        for text in (browser["ufrag"], browser["pwd"]):
            plain += bytes([len(text)]) + text.encode()
        plain += bytes([browser["opus_pt"], browser["red_pt"] or 0, browser["mid_ext"]])
    for candidate in contents["candidates"]:
        address = ipaddress.ip_address(candidate["address"]).packed
        kind = {"host": 0, "server-reflexive": 1}[candidate["type"]]
        plain += bytes([kind << 5 | len(address)]) + address + candidate["port"].to_bytes(2, "big")
    return plain


def seal(kind, master, salt, call_id, offer, contents):
    """One code: its bytes, and its text."""
    prefix = b"sotto2" + kind[:1].encode()
    x = salt if kind == "answer" else b""
    key = expand(master, f"sotto2 {kind} key", x, 32)
    nonce = expand(master, f"sotto2 {kind} nonce", x, 12)
    plain = plain_of(contents)
    head = bytes([1 + 16 + 4 + len(plain) + 16 + 2]) + salt + call_id
    aad = prefix + head + (hashlib.sha256(offer).digest() if kind == "answer" else b"")
    code = head + AESGCM(key).encrypt(nonce, plain, aad)
    code += hashlib.sha256(prefix + code).digest()[:2]
    text = prefix.decode() + base64.urlsafe_b64encode(code).decode().rstrip("=")
    return code, text, plain


def contents_of(label, candidates, browser=None):
    return {
        "fingerprint": filled(label + " fingerprint", 32).hex(),
        "browser": browser,
        "candidates": [{"type": t, "address": a, "port": p} for t, a, p in candidates],
    }


V4_5 = [
    ("host", "192.168.1.23", 40001),
    ("server-reflexive", "203.0.113.77", 61234),
    ("host", "10.0.0.5", 40002),
    ("host", "172.16.33.2", 40003),
    ("host", "100.64.0.9", 65535),
]
V4_2_V6_1 = [
    ("host", "192.168.1.24", 5000),
    ("server-reflexive", "198.51.100.3", 5001),
    ("host", "2001:db8:85a3::8a2e:370:7334", 5002),
]
CHROMIUM = {"ufrag": "aB+/", "pwd": "abcdefghijklmnopqrstuv+/", "opus_pt": 111, "red_pt": 63, "mid_ext": 4}
FIREFOX = {"ufrag": "0a1b2c3d", "pwd": "0123456789abcdef0123456789abcdef", "opus_pt": 109, "red_pt": None, "mid_ext": 3}

CALLS = [
    ("two devices", "correct horse battery staple", contents_of("a", V4_5), contents_of("b", V4_2_V6_1)),
    ("a browser calls a device", "  Correct\u00a0HORSE \n ﬁsh Äπς ", contents_of("c", V4_5, CHROMIUM), contents_of("d", V4_5)),
    ("a device calls a browser", "x", contents_of("e", V4_2_V6_1), contents_of("f", V4_2_V6_1, FIREFOX)),
    ("nobody knows where they are", "a passphrase of some length", contents_of("g", []), contents_of("h", [])),
]


def v2_call(name, passphrase, offer, answer):
    offer_salt = filled(name + " offer salt", 16)
    answer_salt = filled(name + " answer salt", 16)
    call_id = filled(name + " call id", 4)
    master = master_of(passphrase, offer_salt)
    offer_bytes, offer_text, offer_plain = seal("offer", master, offer_salt, call_id, None, offer)
    _, answer_text, answer_plain = seal("answer", master, answer_salt, call_id, offer_bytes, answer)

    def own(contents, derived):
        browser = contents["browser"]
        return {"ufrag": browser["ufrag"], "pwd": browser["pwd"]} if browser else derived

    return {
        "name": name,
        "passphrase": passphrase,
        "normalised": normalised(passphrase),
        "iterations": V2_ITERATIONS,
        "call_id": call_id.hex(),
        "master": master.hex(),
        "derived": {
            "offerer": offerer_credentials(master),
            "answerer": answerer_credentials(master, answer_salt),
        },
        "offer": {
            "salt": offer_salt.hex(),
            "contents": offer,
            "plain": offer_plain.hex(),
            "ice": own(offer, offerer_credentials(master)),
            "code": offer_text,
        },
        "answer": {
            "salt": answer_salt.hex(),
            "contents": answer,
            "plain": answer_plain.hex(),
            "ice": own(answer, answerer_credentials(master, answer_salt)),
            "code": answer_text,
        },
    }


# ---- v1 ----

SDP = (
    "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:aB+/\r\na=ice-pwd:abcdefghijklmnopqrstuv+/\r\n"
    'a=mid:0\r\na=x-test:"quoted" back\\slash tab\there é 音 \U0001f50a\r\n'
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\na=sctp-port:5000\r\n"
)


def compact(value):
    """As JSON.stringify writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def v1_code(kind, passphrase):
    key = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), V1_SALT, V1_ITERATIONS, 32)
    iv = filled("v1 " + kind, 12)
    data = AESGCM(key).encrypt(iv, compact({"type": kind, "sdp": SDP}).encode(), None)
    code = base64.b64encode(compact({"iv": list(iv), "data": list(data)}).encode()).decode()
    return {
        "passphrase": passphrase,
        "iterations": V1_ITERATIONS,
        "salt": V1_SALT.hex(),
        "master": key.hex(),
        "iv": iv.hex(),
        "type": kind,
        "sdp": SDP,
        "code": code,
    }


# ---- words ----


def words_vector(name):
    fingerprints = {role: filled(f"{name} {role} fingerprint", 32) for role in ("offerer", "answerer")}
    nonces = {role: filled(f"{name} {role} nonce", 32) for role in ("offerer", "answerer")}

    def commitment(role, peer):
        text = b"sotto2 commit" + role[:1].encode() + fingerprints[role] + fingerprints[peer] + nonces[role]
        return hashlib.sha256(text).hexdigest()

    text = b"sotto2 words" + fingerprints["offerer"] + fingerprints["answerer"] + nonces["offerer"] + nonces["answerer"]
    return {
        "offerer": {
            "fingerprint": fingerprints["offerer"].hex(),
            "nonce": nonces["offerer"].hex(),
            "commitment": commitment("offerer", "answerer"),
        },
        "answerer": {
            "fingerprint": fingerprints["answerer"].hex(),
            "nonce": nonces["answerer"].hex(),
            "commitment": commitment("answerer", "offerer"),
        },
        "indices": words_of(hashlib.sha256(text).digest(), 3),
    }


def made_passphrase(name):
    random = filled(name, 10)
    return {"random": random.hex(), "indices": words_of(random, 7)}


def main():
    files = {
        "v1.json": [v1_code("offer", "pass Wörd "), v1_code("answer", "pass Wörd ")],
        "v2.json": [v2_call(*call) for call in CALLS],
        "words.json": {
            "comparisons": [words_vector(f"words {i}") for i in range(4)],
            "passphrases": [made_passphrase(f"passphrase {i}") for i in range(4)],
        },
    }
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(__doc__)
    for name, value in files.items():
        text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
        path = HERE / name
        if not check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is not what generate.py makes; run generate.py and look at the difference")
    print("the vectors are as they should be" if check else "written")


if __name__ == "__main__":
    main()
