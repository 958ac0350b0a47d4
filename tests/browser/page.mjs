// call.html against itself: two Chromiums, each with its own tone for a microphone. `node page.mjs [WORD…]` runs the cases with a WORD in their name.

import { createSocket } from "node:dgram";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { readFileSync } from "node:fs";
import { codecCases } from "./codec.mjs";
import { PASSPHRASE, PageEnd, check, codec, equal, launch, run, scratch, sleep, writeTone } from "./support.mjs";

const [LOW, HIGH] = [600, 950];
const folder = scratch();
const [A, B] = await Promise.all([launch(writeTone(join(folder, "a.wav"), LOW)), launch(writeTone(join(folder, "b.wav"), HIGH))]);
const open = (...passphrases) => Promise.all([PageEnd.open(A, passphrases[0]), PageEnd.open(B, passphrases[1] ?? passphrases[0])]);

async function connect(a, b, version) {
  const answer = await b.answer(await a.offer(version));
  const before = Date.now();
  await a.paste(answer);
  await Promise.all([a.reach("connected"), b.reach("connected")]);
  check("connected", true, `${Date.now() - before} ms after the answer was entered`);
}

async function closeBoth(a, b) {
  await a.close("offerer");
  await b.close("answerer");
}

const cases = {
  ...codecCases,

  async "a v2 call, from the offer to goodbye"() {
    const [a, b] = await open();
    await connect(a, b, 2);
    const words = [await a.words(), await b.words()];
    equal("words are the same at both ends", words[0], words[1]);
    await Promise.all([a.hears(HIGH, "offerer"), b.hears(LOW, "answerer")]);
    check("their meter moves", Number(await a.page.locator("#their-meter").getAttribute("aria-valuenow")) > 10);
    check("own meter moves", Number(await a.page.locator("#own-meter").getAttribute("aria-valuenow")) > 10);

    await a.press("They are the same");
    await a.reach("secure");
    equal("the page says so only after its user did", [await a.text("state"), await b.text("state")], ["Secure", "Connected"]);

    await a.press("Mute me");
    await sleep(400);
    check("a muted microphone is not heard", (await b.hear(LOW)).dBFS < -70);
    equal("the button says so", await a.page.locator("#mute").getAttribute("aria-pressed"), "true");

    check("time goes on", /^0:0[3-9]|0:1\d$/.test(await a.text("elapsed")), await a.text("elapsed"));
    await a.press("Hang up");
    await Promise.all([a.reach("ended"), b.reach("ended")]);
    check("own hang-up is named", (await a.text("ended-reason")).startsWith("You hung up."));
    check("theirs is", (await b.text("ended-reason")).startsWith("They hung up."));
    equal("the microphone is let go", await a.page.evaluate(() => document.querySelector("audio").srcObject), null);
    await closeBoth(a, b);
  },

  async "a second call on the same pages, ended by the answerer because the words differ"() {
    const [a, b] = await open();
    for (const round of [1, 2]) {
      await connect(a, b, 2);
      await b.words();
      await b.press("They differ");
      await Promise.all([a.reach("ended"), b.reach("ended")]);
      check(`round ${round}: the reason is named`, (await b.text("ended-reason")).startsWith("The words differ"));
      await a.press("New call");
      await b.press("New call");
    }
    await closeBoth(a, b);
  },

  async "a v1 call"() {
    const [a, b] = await open("Pass Word 1!");
    await connect(a, b, 1);
    await Promise.all([a.hears(HIGH, "offerer"), b.hears(LOW, "answerer")]);
    equal("the page says that there are no words", await a.text("words-title"), "No words to compare");
    await b.press("Hang up");
    await a.reach("ended");
    check("hang-up is seen without a message", (await a.text("ended-reason")).startsWith("They hung up."));
    await closeBoth(a, b);
  },

  async "v1 codes are what the original page makes and reads"() {
    const [a] = await open("x y");
    const [code] = [await a.offer(1)];
    const { iv, data, ...rest } = JSON.parse(atob(code));
    equal("two lists and nothing else", [iv.length, Array.isArray(data), rest], [12, true, {}]);
    const sdp = await a.page.evaluate(async ({ iv, data }) => {
      const utf8 = text => new TextEncoder().encode(text), { subtle } = crypto;
      const base = await subtle.importKey("raw", utf8("x y"), "PBKDF2", false, ["deriveKey"]);
      const key = await subtle.deriveKey({ name: "PBKDF2", salt: utf8("static_salt_for_simplicity_v1"), iterations: 100000, hash: "SHA-256" }, base, { name: "AES-GCM", length: 256 }, false, ["decrypt"]);
      return JSON.parse(new TextDecoder().decode(await subtle.decrypt({ name: "AES-GCM", iv: Uint8Array.from(iv) }, key, Uint8Array.from(data))));
    }, { iv, data });
    equal("an offer of audio and data", [sdp.type, [...sdp.sdp.matchAll(/^m=(\w+)/gm)].map(m => m[1])], ["offer", ["audio", "application"]]);
    check("with candidates", /^a=candidate:.* typ host/m.test(sdp.sdp));
    await a.close("offerer");
  },

  async "what is wrong with a code is said, and the offer goes on waiting"() {
    const [a, b] = await open(), stranger = await PageEnd.open(B, "another passphrase");
    const offer = await a.offer(2);
    check("at most 220 characters", offer.length <= 220, `${offer.length}`);
    const says = async (what, end, text, start) => { const said = await end.refusal(text); check(what, said.startsWith(start), said); };
    await says("own offer", a, offer, "This is your own code.");
    await says("garbage", a, "Hi! How are you?", "There is no code in this text.");
    await says("nothing", a, "", "There is no code in this text.");
    await says("an offer cut short", b, offer.slice(0, -9), "This code is damaged or cut short.");
    await says("another passphrase", stranger, offer, "The passphrase does not fit this code.");
    check("the passphrase field is marked", await stranger.page.locator("#passphrase[aria-invalid=true]").count() === 1);
    await says("an answer without an offer", b, `sotto2a${offer.slice(7)}`, "This code is damaged");
    const answer = await b.answer(`> ${offer.slice(0, 70)}\n> ${offer.slice(70)}\n\nCall me!`);
    await b.press("Cancel");
    await says("own answer", b, answer, "This is your own code.");
    await says("an answer, but no offer", stranger, answer, "This is an answer, but no offer of yours is waiting");
    const other = await b.offer(2);
    await says("their offer while ours waits", a, other, "This is their offer, and your own is waiting.");
    await b.press("Cancel");
    await stranger.page.locator("#passphrase").fill("correct horse battery staple");
    const foreign = await stranger.answer(other);
    await says("an answer to another call", a, foreign, "This answer belongs to another call.");
    await says("an answer cut short", a, answer.slice(0, 90), "This code is damaged or cut short.");
    await says("a v1 code to a v2 offer", a, btoa(JSON.stringify({ iv: Array(12).fill(1), data: Array(40).fill(2) })), "The passphrase does not fit this code.");
    await a.reach("offering");
    equal("the offer is still there", await a.code(), offer);
    await a.paste(await b.answer(offer));
    await Promise.all([a.reach("connected"), b.reach("connected")]);
    check("and still connects", true);
    await stranger.page.close();
    await closeBoth(a, b);
  },

  async "what keeps a call from starting is said, with what to do"() {
    const a = await PageEnd.open(A, "");
    await a.press("Make an offer");
    check("no passphrase", (await a.text("problem")).startsWith("Enter the passphrase first"));
    await a.press("Make one for us");
    equal("a made passphrase has seven words", (await a.page.locator("#passphrase").inputValue()).split(" ").length, 7);
    await a.page.locator("#passphrase").fill("short");
    check("a weak one is called weak", (await a.text("passphrase-note")).startsWith("Weak"));
    await a.page.evaluate(() => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("", "NotAllowedError"); }; });
    await a.press("Make an offer");
    await a.page.waitForFunction(() => document.getElementById("problem").textContent);
    check("no microphone", (await a.text("problem")).startsWith("The microphone is not allowed."));
    equal("back where it was", await a.state(), "start");
    await a.page.addInitScript(() => Object.defineProperty(globalThis, "isSecureContext", { value: false }));
    await a.page.reload();
    check("not a secure context", (await a.text("problem")).includes("Save call.html on this computer"));
    check("nothing can be started then", await a.page.locator("#offer").isDisabled());
    await a.close("page");
  },

  async "nobody waits for a silent STUN server, and unticked it is not asked"() {
    const silent = createSocket("udp4");
    await new Promise(resolve => silent.bind(0, "0.0.0.0", resolve));
    let asked = 0;
    silent.on("message", () => { asked += 1; });
    const address = Object.values(networkInterfaces()).flat().find(i => i.family === "IPv4" && !i.internal)?.address ?? "127.0.0.1";
    const a = await PageEnd.open(A);
    await a.page.evaluate(url => {
      globalThis.configured = [];
      globalThis.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(c) { configured.push(c.iceServers); super({ ...c, iceServers: c.iceServers.map(() => ({ urls: url })) }); }
      };
    }, `stun:${address}:${silent.address().port}`);
    await a.offer(2);
    equal("unticked: no server", [await a.page.evaluate(() => configured.pop()), asked], [[], 0]);
    await a.press("Cancel");
    await a.page.locator("#stun").check();
    const before = Date.now();
    await a.offer(2);
    check("ticked: the code is there after two seconds or so", Date.now() - before < 3_500, `${Date.now() - before} ms`);
    equal("the server is the one that the page names", await a.page.evaluate(() => configured.pop()), [{ urls: "stun:stun.l.google.com:19302" }]);
    check("it was asked", asked > 0, `${asked} requests`);
    silent.close();
    await a.close("page");
  },

  async "codes are copied, saved and read from files"() {
    const [a, b] = await open();
    const offer = await a.offer(2);
    await A.grantPermissions(["clipboard-read", "clipboard-write"]);
    await a.press("Copy");
    await a.page.waitForFunction(() => document.getElementById("copied").textContent === "Copied.");
    equal("copied", await a.page.evaluate(() => navigator.clipboard.readText()), offer);
    const [download] = await Promise.all([a.page.waitForEvent("download"), a.press("Save as offer.txt")]);
    equal("saved as", download.suggestedFilename(), "offer.txt");
    const file = join(folder, "offer.txt");
    await download.saveAs(file);
    equal("saved", readFileSync(file, "utf8"), `${offer}\n`);
    await b.page.locator("#file").setInputFiles(file);
    await b.reach("answering");
    check("read from the file", (await b.code()).startsWith("sotto2a"));
    await closeBoth(a, b);
  },

  async "a lost peer is looked for, and the call goes on when it is back"() {
    const [a, b] = await open();
    await connect(a, b, 2);
    const words = await a.words();
    await B.asleep(async () => {
      await a.reach("lost");
      check("the page says so", (await a.text("state")).startsWith("Lost them."));
    });
    await a.reach("connected");
    await a.hears(HIGH, "offerer");
    equal("the same words are there", await a.page.locator("#words li").allTextContents(), words);
    await closeBoth(a, b);
  },

  async "it can be used by keyboard and screen reader, on a narrow screen"() {
    const [a, b] = await open();
    const narrow = { width: 320, height: 640 };
    await a.page.setViewportSize(narrow);
    const look = async (end, state, order) => {
      const wide = await end.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      check(`${state}: fits 320 px`, wide <= 0, wide > 0 ? `${wide} px too wide` : "");
      equal(`${state}: every control has a name`, await unnamed(end), []);
      equal(`${state}: tab order`, await tabOrder(end), order);
    };
    await look(a, "start", ["passphrase", "show", "make-passphrase", "version-2", "offer", "code-in", "use", "file", "stun"]);
    await a.page.locator("#offer").focus();
    await a.page.keyboard.press("Enter");
    await a.reach("offering");
    equal("focus goes to what is new", await a.page.evaluate(() => document.activeElement.id), "out-title");
    await look(a, "offering", ["code-out", "copy", "save", "code-in", "use", "file", "cancel"]);
    await a.paste(await b.answer(await a.code()));
    await Promise.all([a.reach("connected"), b.reach("connected")]);
    await a.words();
    equal("focus goes to the words", await a.page.evaluate(() => document.activeElement.id), "words-title");
    await look(a, "connected", ["same", "differ", "volume", "mute", "hang-up"]);
    equal("the state is announced", await a.page.locator("[role=status]#state").textContent(), "Connected");
    await a.press("Hang up");
    await a.reach("ended");
    await look(a, "ended", ["new-call"]);
    await closeBoth(a, b);
  },
};

// Too long to wait for every time.
if (process.env.SLOW) {
  // The browser gives a DTLS handshake up after some four minutes.
  for (const version of [2, 1]) cases[`an answer carried for five minutes still connects, v${version}`] = async () => {
    const [a, b] = await open();
    const answer = await b.answer(await a.offer(version));
    await sleep(300_000);
    equal("both wait", [await a.state(), await b.state()], ["offering", "answering"]);
    await a.paste(answer);
    await Promise.all([a.reach("connected"), b.reach("connected")]);
    await Promise.all([a.hears(HIGH, "offerer"), b.hears(LOW, "answerer")]);
    if (version === 2) equal("words are the same at both ends", await a.words(), await b.words());
    await closeBoth(a, b);
  };

  cases["while an answer waits, the offerer's address is checked at least every 15 s"] = async () => {
    const offerer = createSocket("udp4"), came = [];
    await new Promise(resolve => offerer.bind(0, "0.0.0.0", resolve));
    offerer.on("message", () => came.push(Date.now()));
    const address = Object.values(networkInterfaces()).flat().find(i => i.family === "IPv4" && !i.internal).address;
    const salt = codec.random(16), master = await codec.v2.master(PASSPHRASE, salt);
    const candidates = [{ kind: "host", address: Uint8Array.from(address.split("."), Number), port: offerer.address().port }];
    const { text } = await codec.v2.sealOffer(master, salt, codec.random(4), { fingerprint: codec.random(32), browser: null, candidates });
    const a = await PageEnd.open(A);
    await a.answer(text);
    await sleep(90_000);
    const gaps = [...came, Date.now()].map((at, i, all) => at - (all[i - 1] ?? at));
    check("no longer gap", came.length > 0 && Math.max(...gaps) < 15_000, `${came.length} checks in 90 s, longest gap ${Math.max(...gaps)} ms`);
    equal("the page still waits", await a.state(), "answering");
    offerer.close();
    await a.close("page");
  };
}

/** Controls that a screen reader has no name for, as the browser's accessibility tree has it. */
async function unnamed(end) {
  const session = await end.page.context().newCDPSession(end.page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  const controls = ["button", "textbox", "checkbox", "radio", "slider", "meter", "timer", "list"];
  return nodes.filter(n => !n.ignored && controls.includes(n.role?.value) && !n.name?.value).map(n => n.role.value);
}

/** The ids that Tab goes through, from the top of the page. */
async function tabOrder(end) {
  await end.page.evaluate(() => { document.activeElement.blur(); document.body.tabIndex = -1; document.body.focus(); });
  const ids = [];
  for (let i = 0; i < 20; i++) {
    await end.page.keyboard.press("Tab");
    const id = await end.page.evaluate(() => document.activeElement.id);
    if (!id || ids.includes(id)) break;
    ids.push(id);
  }
  return ids;
}

await run(cases);
