// What the browser tests share: Chromium with a tone for a microphone, call.html driven as its user would, tones made and recognised.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const HERE = dirname(fileURLToPath(import.meta.url));
export const ROOT = join(HERE, "..", "..");
export const PAGE_FILE = join(ROOT, "image", "stick", "call.html");
const PAGE_URL = pathToFileURL(PAGE_FILE).href;
export const PASSPHRASE = "correct horse battery staple";
export const RATE = 48_000;

// ---- results -----------------------------------------------------------------------------------------------------------

let failures = 0;
const closers = [];

/** Says what holds; remembers what does not. */
export function check(what, holds, found = "") {
  console.log(`${holds ? "ok    " : "FAILED"} ${what}${found !== "" ? ` (${found})` : ""}`);
  if (!holds) failures += 1;
}

/** Checks two values that JSON can say; shows them only where they differ. */
export function equal(what, found, expected) {
  const [f, e] = [found, expected].map(value => JSON.stringify(value) ?? "nothing");
  check(what, f === e, f === e ? "" : `found ${f.slice(0, 300)}, expected ${e.slice(0, 300)}`);
}

/** To be called when the test is over, the last first. */
export const onEnd = close => closers.push(close);

/** Runs the cases one after the other; one that throws fails alone. The exit status is 0 only if everything held. */
export async function run(cases) {
  const only = process.argv.slice(2);
  for (const [name, body] of Object.entries(cases)) {
    if (only.length && !only.some(word => name.includes(word))) continue;
    const started = Date.now();
    console.log(`# ${name}`);
    try {
      await within(process.env.SLOW ? 400_000 : 60_000, body(), name);
    } catch (error) {
      check(name, false, error.message.split("\n")[0]);
    }
    console.log(`#   ${((Date.now() - started) / 1000).toFixed(1)} s`);
  }
  for (const close of closers.reverse()) await Promise.resolve().then(close).catch(() => {});
  console.log(failures ? `${failures} failed` : "all passed");
  process.exit(failures ? 1 : 0);
}

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

export async function within(ms, promise, what) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`not within ${ms / 1000} s: ${what}`)), ms); });
  try { return await Promise.race([promise, late]); } finally { clearTimeout(timer); }
}

/** A folder that goes when the test is over. */
export function scratch() {
  const folder = mkdtempSync(join(tmpdir(), "sotto-browser-"));
  onEnd(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

// ---- the codec of the page ---------------------------------------------------------------------------------------------

const html = readFileSync(PAGE_FILE, "utf8");
const script = id => new RegExp(`<script[^>]* id="${id}"[^>]*>([\\s\\S]*?)</script>`).exec(html)[1];

/** The page's pure part, as the page has it. */
export const codec = new Function(`${script("codec")}\nreturn sotto;`)();
export const WORDS = script("word-list").trim().split(/\s+/);

// ---- tones -------------------------------------------------------------------------------------------------------------

/** Writes a WAV file, mono, 16 bit: bursts of a tone, for noise suppressors take a steady one away. */
export function writeTone(path, frequency, seconds = 8) {
  const n = seconds * RATE, wav = Buffer.alloc(44 + 2 * n);
  wav.write("RIFF", 0); wav.writeUInt32LE(36 + 2 * n, 4); wav.write("WAVEfmt ", 8); wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20); wav.writeUInt16LE(1, 22); wav.writeUInt32LE(RATE, 24); wav.writeUInt32LE(2 * RATE, 28);
  wav.writeUInt16LE(2, 32); wav.writeUInt16LE(16, 34); wav.write("data", 36); wav.writeUInt32LE(2 * n, 40);
  for (let i = 0; i < n; i++) {
    const t = i / RATE, burst = (t % 0.4) / 0.25;
    const envelope = burst < 1 ? Math.sin(Math.PI * burst) ** 0.5 : 0;
    wav.writeInt16LE(Math.round(0.45 * 32767 * envelope * Math.sin(2 * Math.PI * frequency * t)), 44 + 2 * i);
  }
  writeFileSync(path, wav);
  return path;
}

/** The samples of a 16-bit WAV file, mixed to mono, and their rate; a file still being written is read as far as it goes. */
export function readWav(path) {
  const b = readFileSync(path);
  let at = 12, channels = 1, rate = RATE;
  while (at + 8 <= b.length) {
    const id = b.toString("latin1", at, at + 4), size = b.readUInt32LE(at + 4);
    if (id === "fmt ") { channels = b.readUInt16LE(at + 10); rate = b.readUInt32LE(at + 12); }
    if (id === "data") {
      const end = size === 0 || size >= 0x7fffffff ? b.length : Math.min(b.length, at + 8 + size);
      const samples = new Float64Array(Math.floor((end - at - 8) / 2 / channels));
      for (let i = 0; i < samples.length; i++) for (let c = 0; c < channels; c++) samples[i] += b.readInt16LE(at + 8 + 2 * (i * channels + c)) / 32768 / channels;
      return { samples, rate };
    }
    at += 8 + size + (size & 1);
  }
  return { samples: new Float64Array(0), rate };
}

/** { dBFS, share }: the loudest half second's level, and which share of its energy lies within 25 Hz or so of `frequency` (Goertzel). */
export function analyse(samples, rate, frequency) {
  const n = Math.floor(rate / 2), block = Math.floor(rate / 20);
  let best = { power: 0, at: 0 };
  for (let at = 0; at + n <= samples.length; at += block) {
    let power = 0;
    for (let i = at; i < at + n; i++) power += samples[i] ** 2;
    if (power > best.power) best = { power, at };
  }
  let tone = 0, all = 1e-12;
  for (let at = best.at; at + block <= best.at + n; at += block) {
    let s1 = 0, s2 = 0, energy = 0;
    const k = 2 * Math.cos(2 * Math.PI * frequency / rate);
    for (let i = at; i < at + block && i < samples.length; i++) {
      // Hann window: or a burst's edges leak everywhere.
      const x = samples[i] * (0.5 - 0.5 * Math.cos(2 * Math.PI * (i - at) / block));
      [s1, s2] = [x + k * s1 - s2, s1];
      energy += x * x;
    }
    // Power of a windowed sine at its own bin, as a share of its energy: 2/3 of N/2.
    tone += (s1 * s1 + s2 * s2 - k * s1 * s2) / block * 3;
    all += energy;
  }
  return { dBFS: 10 * Math.log10(best.power / n + 1e-12), share: Math.min(1, tone / all) };
}

// ---- call.html ---------------------------------------------------------------------------------------------------------

/** One Chromium with its own microphone: a file that it plays again and again, or the sound card's. */
export async function launch(microphone, executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium") {
  const file = microphone ? ["--use-fake-device-for-media-stream", `--use-file-for-fake-audio-capture=${microphone}`] : [];
  const server = await chromium.launchServer({
    executablePath,
    headless: true,
    // Muted, Chromium renders no remote audio at all.
    ignoreDefaultArgs: ["--mute-audio"],
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--use-fake-ui-for-media-stream", ...file],
  });
  onEnd(() => server.kill());
  const browser = await chromium.connect(server.wsEndpoint());
  const context = await browser.newContext({ acceptDownloads: true });
  const signal = name => process.kill(-server.process().pid, name);
  /** Stops the whole browser as a computer that sleeps does, for as long as `body` takes. */
  context.asleep = async body => {
    signal("SIGSTOP");
    try { await body(); } finally { signal("SIGCONT"); }
  };
  return context;
}

/** call.html in a tab, driven through what its user sees. */
export class PageEnd {
  /** Opens the page with a passphrase, and no STUN: these tests need no network. */
  static async open(context, passphrase = PASSPHRASE) {
    const end = new PageEnd();
    end.page = await context.newPage();
    end.requests = [];
    end.complaints = [];
    end.page.on("request", request => end.requests.push(request.url()));
    end.page.on("pageerror", error => end.complaints.push(error.message));
    end.page.on("console", message => { if (["error", "warning"].includes(message.type())) end.complaints.push(message.text()); });
    await end.page.goto(PAGE_URL);
    if (passphrase) await end.page.locator("#passphrase").fill(passphrase);
    await end.page.getByLabel("Ask stun.l.google.com").uncheck();
    return end;
  }

  press(name) { return this.page.getByRole("button", { name, exact: true }).click(); }
  text(id) { return this.page.locator(`#${id}`).textContent(); }
  state() { return this.page.evaluate(() => document.body.dataset.state); }
  code() { return this.page.locator("#code-out").inputValue(); }

  async reach(...states) {
    try {
      await this.page.waitForFunction(wanted => wanted.includes(document.body.dataset.state), states, { timeout: 20_000, polling: 50 });
    } catch {
      throw new Error(`the page is ${await this.state()}, not ${states.join(" or ")}; it says: ${await this.text("state")} ${await this.text("problem")} ${await this.text("ended-reason")}`);
    }
  }

  /** Makes an offer; gives its text. */
  async offer(version) {
    await this.page.locator(`#version-${version}`).check();
    await this.press("Make an offer");
    await this.reach("offering");
    return this.code();
  }

  async paste(text) {
    await this.page.locator("#code-in").fill(text);
    await this.press("Use this code");
  }

  /** Answers an offer; gives the answer's text. */
  async answer(offer) {
    await this.paste(offer);
    await this.reach("answering");
    return this.code();
  }

  /** Pastes what is no good, and gives what the page says to it. */
  async refusal(text) {
    await this.page.evaluate(() => { document.getElementById("problem").textContent = ""; });
    await this.paste(text);
    await this.page.waitForFunction(() => document.getElementById("problem").textContent !== "", null, { timeout: 10_000 });
    return this.text("problem");
  }

  async words() {
    await this.page.locator("#words li").nth(2).waitFor({ timeout: 12_000 });
    return this.page.locator("#words li").allTextContents();
  }

  /** { peak, dBFS, share } of what the page plays of the other end, over a second and a half; `share` is of the energy near `frequency`. */
  hear(frequency) {
    return this.page.evaluate(async wanted => {
      const context = new AudioContext(), analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
      const source = context.createMediaStreamSource(document.querySelector("audio").srcObject);
      source.connect(analyser);
      const bins = new Float32Array(analyser.frequencyBinCount), held = new Float64Array(bins.length), samples = new Float32Array(8192);
      let loudest = 0;
      for (let i = 0; i < 15; i++) {
        await new Promise(resolve => setTimeout(resolve, 100));
        analyser.getFloatFrequencyData(bins);
        analyser.getFloatTimeDomainData(samples);
        bins.forEach((dB, k) => { held[k] += 10 ** (dB / 10); });
        loudest = Math.max(loudest, samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
      }
      source.disconnect();
      await context.close();
      const width = context.sampleRate / 8192, all = held.reduce((a, b) => a + b, 0);
      const near = held.reduce((sum, p, k) => Math.abs(k * width - wanted) < 30 ? sum + p : sum, 0);
      return { peak: held.indexOf(Math.max(...held)) * width, dBFS: 10 * Math.log10(loudest + 1e-12), share: near / (all + 1e-30) };
    }, frequency);
  }

  /** Checks that the page plays this tone. */
  async hears(frequency, who) {
    const heard = await this.hear(frequency);
    check(`${who} hears ${frequency} Hz`, heard.dBFS > -40 && heard.share > 0.5, `${heard.dBFS.toFixed(1)} dBFS, ${(100 * heard.share).toFixed(0)} % of it there, peak at ${heard.peak.toFixed(0)} Hz`);
  }

  /** Checks that the page loaded itself and nothing else, and that nothing in it went wrong; then closes the tab. */
  async close(who) {
    equal(`${who} requested only its own file`, this.requests.filter(url => url !== PAGE_URL && !/^(data|blob):/.test(url)), []);
    equal(`${who} logged no error`, this.complaints, []);
    await this.page.close();
  }
}
