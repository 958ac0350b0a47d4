//! Codes v2: a whole call offer in one SMS (160 characters).
//!
//! ```text
//! text    sotto2<kind><base64url without padding of bytes>       kind: o = offer, a = answer
//! bytes   0        length, of all bytes
//!         1..17    salt; in an answer 16 random bytes of its own
//!         17..21   call id; random in the offer, repeated in the answer
//!         21..n-18 AES-256-GCM ciphertext
//!         n-18..n-2 tag
//!         n-2..n   check: first 2 bytes of SHA-256("sotto2<kind>" ‖ bytes 0..n-2)
//!
//! master            = PBKDF2-HMAC-SHA256(normalised passphrase, the offer's salt, 600 000, 32 bytes)
//! expand(label, x)  = HMAC-SHA256(master, label ‖ x ‖ 0x01), cut to the length needed
//! s                 = the answer's bytes 1..17
//!
//!              key (32)                         nonce (12)
//! offer        expand("sotto2 offer key", "")   expand("sotto2 offer nonce", "")
//! answer       expand("sotto2 answer key", s)   expand("sotto2 answer nonce", s)
//!
//!              ufrag: standard base64 of 6 bytes    pwd: standard base64 of 18 bytes
//! offerer      expand("sotto2 offer ufrag", "")     expand("sotto2 offer pwd", "")
//! answerer     expand("sotto2 answer ufrag", s)     expand("sotto2 answer pwd", the answerer's 8 ufrag characters)
//!
//! AAD     "sotto2<kind>" ‖ bytes 0..21; in an answer ‖ SHA-256(all bytes of the offer, its check included)
//!
//! plain text
//!         flags 1            bit 0: a browser's block follows the fingerprint; any other bit: made by a newer sotto
//!         fingerprint 32     SHA-256 of the DTLS certificate
//!         [browser's block]  ufrag length 1, ufrag, pwd length 1, pwd,
//!                            Opus payload type 1, RED payload type 1 (0: none), MID extension id 1
//!         candidates         to the end, best first: type/length 1, address 4 or 16, port 2 big-endian
//!                            type/length: bits 0-4 address length (4 or 16), bits 5-7 type (0 host, 1 server-reflexive)
//! ```
//!
//! In a browser's block the lengths are ufrag 4–32, pwd 22–64; the credentials replace the derived ones for that end only.
//! A candidate of an unknown type is skipped; an address length other than 4 or 16 makes the code malformed.
