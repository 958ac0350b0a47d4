// The pure part of call.html, run by Node as it stands in the page: against the vectors of tests/vectors, and on bad input.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, WORDS, check, codec, equal, run } from "./support.mjs";

const VECTORS = process.env.VECTORS ?? join(ROOT, "tests", "vectors");
const vectors = name => JSON.parse(readFileSync(join(VECTORS, name), "utf8"));
const bytes = hex => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = data => Buffer.from(data).toString("hex");

/** A vector's contents as the codec has them: it reads addresses from candidate lines, so these go through one. */
function contents({ fingerprint, browser, candidates }) {
  const lines = candidates.map((c, i) => `a=candidate:1 1 udp ${1000 - i} ${c.address} ${c.port} typ ${c.type === "host" ? "host" : "srflx"}`);
  const block = browser && { ufrag: browser.ufrag, pwd: browser.pwd, opusPt: browser.opus_pt, redPt: browser.red_pt ?? 0, midExt: browser.mid_ext };
  return { fingerprint: bytes(fingerprint), browser: block, candidates: codec.parseCandidates(lines.join("\r\n")) };
}
const plain = c => JSON.stringify({ f: hex(c.fingerprint), b: c.browser ?? null, c: c.candidates.map(x => [x.kind, hex(x.address), x.port]) });

async function reason(promise) {
  try { await promise; return "nothing"; } catch (error) { return error.reason ?? error.message; }
}

async function example() {
  const salt = codec.random(16), master = await codec.v2.master("one two", salt);
  const inside = { fingerprint: codec.random(32), browser: null, candidates: [{ kind: "host", address: Uint8Array.of(10, 0, 0, 1), port: 40000 }] };
  return { master, inside, offer: await codec.v2.sealOffer(master, salt, codec.random(4), inside) };
}

/** The cases; page.mjs runs them too. */
export const codecCases = {
  async "v2 codes are those of the vectors, bit for bit"() {
    for (const v of vectors("v2.json")) {
      equal(`${v.name}: passphrase normalised`, codec.normalise(v.passphrase), v.normalised);
      const [offer] = await codec.find(v.offer.code), [answer] = await codec.find(v.answer.code);
      const master = await codec.v2.master(v.passphrase, bytes(v.offer.salt));
      const inOffer = contents(v.offer.contents), inAnswer = contents(v.answer.contents);
      equal(`${v.name}: offer opens`, plain(await codec.v2.openOffer(master, offer)), plain(inOffer));
      equal(`${v.name}: answer opens`, plain(await codec.v2.openAnswer(master, offer, answer)), plain(inAnswer));
      equal(`${v.name}: offer sealed`, (await codec.v2.sealOffer(master, bytes(v.offer.salt), bytes(v.call_id), inOffer)).text, v.offer.code);
      equal(`${v.name}: answer sealed`, (await codec.v2.sealAnswer(master, offer, bytes(v.answer.salt), inAnswer)).text, v.answer.code);
      equal(`${v.name}: offerer's credentials`, await codec.v2.credentials(master, "offer"), v.derived.offerer);
      equal(`${v.name}: answerer's credentials`, await codec.v2.credentials(master, "answer", codec.v2.salt(answer)), v.derived.answerer);
    }
  },

  async "v1 codes are those of the vectors"() {
    for (const v of vectors("v1.json")) {
      const key = await codec.v1.key(v.passphrase), [code] = await codec.find(v.code);
      equal(`${v.type} opens`, await codec.v1.open(key, code), { kind: v.type, sdp: v.sdp });
      equal(`${v.type} sealed`, await codec.v1.seal(key, v.type, v.sdp, bytes(v.iv)), v.code);
    }
  },

  async "words and commitments are those of the vectors"() {
    for (const { offerer: o, answerer: a, indices } of vectors("words.json").comparisons) {
      const [of, af, on, an] = [o.fingerprint, a.fingerprint, o.nonce, a.nonce].map(bytes);
      equal("offerer commits", hex(await codec.commitment("offerer", of, af, on)), o.commitment);
      equal("answerer commits", hex(await codec.commitment("answerer", af, of, an)), a.commitment);
      equal("words", await codec.wordIndices(of, af, on, an), indices);
    }
    equal("the list", [WORDS.length, WORDS[0], WORDS[2047], new Set(WORDS).size], [2048, "abandon", "zoo", 2048]);
  },

  async "a code is found in any text around it"() {
    const { offer } = await example(), { text } = offer;
    const key = await codec.v1.key("x"), long = await codec.v1.seal(key, "offer", "v=0\r\n".repeat(400));
    const around = {
      "words around it": c => `Here is my sotto2offer:\n\n  "${c}" see you`,
      "a quoted mail, wrapped": c => `> ${c.match(/.{1,60}/g).join("\r\n> ")}\r\n> --\r\n> me`,
      "quoted-printable": c => c.match(/.{1,75}/g).join("=\r\n"),
      "words glued to it": c => `code${c}over`,
      "zero-width spaces": c => c.replace(/(.{20})/g, "$1\u200b"),
    };
    for (const [name, wrap] of Object.entries(around)) {
      equal(`v2: ${name}`, (await codec.find(wrap(text))).map(c => c.text), [text]);
      equal(`v1: ${name}`, (await codec.find(wrap(long))).map(c => c.text), [long]);
    }
    equal("two codes", (await codec.find(`${text} ${long}`)).length, 2);
  },

  async "what is wrong with a text is named"() {
    const { master, inside, offer } = await example();
    equal("nothing there", await reason(codec.find("Good morning")), "none");
    equal("an empty text", await reason(codec.find("")), "none");
    equal("cut short", await reason(codec.find(offer.text.slice(0, -1))), "damaged");
    equal("cut after its prefix", await reason(codec.find("sotto2o")), "damaged");
    equal("a v1 code cut short", await reason(codec.find((await codec.v1.seal(await codec.v1.key("x"), "offer", "v=0")).slice(0, -20))), "damaged");
    equal("too long", await reason(codec.find("a".repeat((1 << 20) + 1))), "too-long");
    equal("another passphrase", await reason(codec.v2.master("two one", codec.v2.salt(offer)).then(m => codec.v2.openOffer(m, offer))), "passphrase");
    const other = await codec.v2.sealOffer(master, codec.v2.salt(offer), codec.random(4), inside);
    equal("another call", await reason(codec.v2.sealAnswer(master, other, codec.random(16), inside).then(a => codec.v2.openAnswer(master, offer, a))), "other-call");
    const newer = await sealPlain(master, offer, codec.concat(2, inside.fingerprint));
    equal("an unknown flag", await reason(codec.v2.openOffer(master, newer)), "newer");
    const odd = await sealPlain(master, offer, codec.concat(0, inside.fingerprint, 5, new Uint8Array(7)));
    equal("an odd address", await reason(codec.v2.openOffer(master, odd)), "malformed");
    const strange = await sealPlain(master, offer, codec.concat(0, inside.fingerprint, 7 << 5 | 4, new Uint8Array(6), 4, 1, 2, 3, 4, 0, 9));
    equal("a candidate of a kind to come is skipped", (await codec.v2.openOffer(master, strange)).candidates.map(c => c.port), [9]);
  },

  async "no flipped bit ever opens"() {
    const { master, offer } = await example();
    let opened = 0;
    const bits = offer.bytes.length * 8, flip = i => offer.bytes.map((byte, at) => at === i >> 3 ? byte ^ 1 << (i & 7) : byte);
    const open = bytes => reason(codec.v2.openOffer(master, { ...offer, bytes }));
    // With the check as it was, the reader sees the damage, but for one in 65 536, which the tag does not fit; as with the check made anew.
    for (let i = 0; i < bits; i++) if (await reason(codec.find(`sotto2o${Buffer.from(flip(i)).toString("base64url")}`)) === "nothing" && await open(flip(i)) !== "passphrase") opened += 1;
    for (let i = 8; i < bits - 16; i++) if (await rechecked(flip(i)).then(open) !== "passphrase") opened += 1;
    equal("flips that open", opened, 0);
  },

  async "a hostile text takes no more than linear time"() {
    const started = Date.now();
    for (const piece of ["sotto2o", "eyJpdiI6", "sotto2o_", "eyJpdiI6W10=", "=\n", " "]) await reason(codec.find(piece.repeat(Math.floor((1 << 20) / piece.length))));
    check("six texts of 1 MiB", Date.now() - started < 3_000, `${Date.now() - started} ms`);
  },

  async "candidates are chosen: the best of each kind first, and never more than 220 characters"() {
    const sdp = [
      "a=candidate:1 1 udp 2122260223 192.168.1.5 50000 typ host generation 0", "a=candidate:2 1 udp 2122194687 10.0.0.5 50001 typ host",
      "a=candidate:3 1 udp 2122131711 2001:db8::5 50002 typ host", "a=candidate:4 1 udp 1686052607 203.0.113.9 61000 typ srflx raddr 192.168.1.5 rport 50000",
      "a=candidate:5 1 tcp 1518280447 192.168.1.5 9 typ host tcptype active", "a=candidate:6 1 udp 2122260223 0b2f.local 50003 typ host",
      "a=candidate:7 1 udp 2122260223 fe80::1 50004 typ host", "a=candidate:8 1 udp 2122260223 169.254.1.1 50005 typ host", "a=candidate:9 1 udp 2122000000 2001:db8::6 50006 typ host",
    ].join("\r\n");
    const browser = { ufrag: "a".repeat(8), pwd: "b".repeat(32), opusPt: 111, redPt: 63, midExt: 4 };
    const all = codec.parseCandidates(sdp), chosen = codec.chooseCandidates(all, browser);
    equal("read", all.map(c => c.port), [50000, 50001, 50002, 61000, 50006]);
    equal("chosen", chosen.map(c => c.port), [50000, 50002, 61000, 50001]);
    const master = await codec.v2.master("x", codec.random(16));
    const { text } = await codec.v2.sealOffer(master, codec.random(16), codec.random(4), { fingerprint: codec.random(32), browser, candidates: chosen });
    check("fits", text.length <= 220, `${text.length} characters`);
  },

  async "the words need both ends' honest parts"() {
    const [f, g] = [codec.random(32), codec.random(32)];
    const pair = async () => [await codec.Words.begin("offerer", f, g), await codec.Words.begin("answerer", g, f)];
    const refused = async promise => (await reason(promise)) !== "nothing";
    {
      const [o, a] = await pair();
      const { reply: fromA } = await a.handle(o.first()), { reply: fromO } = await o.handle(a.first());
      const [x, y] = [await o.handle(fromA), await a.handle(fromO)];
      equal("both ends see the same", x.indices, y.indices);
      check("a second reveal is refused", await refused(o.handle(fromA)));
    }
    { const [o] = await pair(); check("a reflected commitment is refused", await refused(o.handle(o.first()))); }
    { const [o, a] = await pair(); await o.handle(a.first()); check("a second commitment is refused", await refused(o.handle(a.first()))); }
    { const [o] = await pair(); check("a reveal before a commitment is refused", await refused(o.handle(codec.concat(2, codec.random(32))))); }
    { const [o, a] = await pair(); await o.handle(a.first()); check("another reveal is refused", await refused(o.handle(codec.concat(2, codec.random(32))))); }
    { const [o] = await pair(); equal("a message to come is passed over", await o.handle(Uint8Array.of(9, 1)), {}); }
    { const [o] = await pair(); equal("an empty message is passed over", await o.handle(new Uint8Array(0)), {}); }
  },
};

/** Seals any plain text as this offer's: what only another implementation would make. */
async function sealPlain(master, offer, text) {
  const { subtle } = globalThis.crypto, one = (label, n) => subtle.sign("HMAC", master, codec.concat(label, 1)).then(b => new Uint8Array(b).slice(0, n));
  const head = codec.concat(39 + text.length, offer.bytes.subarray(1, 21));
  const key = await subtle.importKey("raw", await one("sotto2 offer key", 32), "AES-GCM", false, ["encrypt"]);
  const sealed = await subtle.encrypt({ name: "AES-GCM", iv: await one("sotto2 offer nonce", 12), additionalData: codec.concat("sotto2o", head) }, key, text);
  return { ...offer, bytes: await rechecked(codec.concat(head, new Uint8Array(sealed), 0, 0)) };
}

async function rechecked(data) {
  const body = data.subarray(0, -2);
  return codec.concat(body, (await codec.sha256(codec.concat("sotto2o", body))).subarray(0, 2));
}

if (process.argv[1] === import.meta.filename) {
  check("the vectors are there", existsSync(join(VECTORS, "v2.json")), VECTORS);
  await run(codecCases);
}
