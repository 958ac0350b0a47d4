// The real program against call.html: who offers, v1 and v2, voice both ways. SOTTO names the binary, BOARD its board file.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { PASSPHRASE, PageEnd, ROOT, analyse, check, equal, launch, onEnd, readWav, run, scratch, sleep, writeTone } from "./support.mjs";

const SOTTO = process.env.SOTTO ?? join(ROOT, "target", "debug", "sotto");
const BOARD = process.env.BOARD ?? join(ROOT, "board", "host", "board.toml");
const [DEVICE_TONE, PAGE_TONE] = [600, 950];
const folder = scratch();
const microphone = writeTone(join(folder, "device.wav"), DEVICE_TONE);
const context = await launch(writeTone(join(folder, "page.wav"), PAGE_TONE));

/** One sotto process, driven over its console. */
class Device {
  static #count = 0;
  #lines = []; #waiting = null;

  static async start() {
    const device = new Device();
    device.ear = join(folder, `ear-${Device.#count++}.wav`);
    const set = ["stun=[]", `sound.capture=wav:${microphone}?loop`, `sound.playback=wav:${device.ear}`];
    device.process = spawn(SOTTO, ["run", "--board", BOARD, "--console", "stdio", ...set.flatMap(s => ["--set", s])], { stdio: ["pipe", "pipe", "inherit"] });
    device.exited = new Promise(resolve => device.process.on("exit", resolve));
    device.process.on("error", error => { console.log(`${SOTTO}: ${error.message}`); device.#take(null); });
    device.process.stdin.on("error", () => {});
    onEnd(() => device.process.kill());
    createInterface({ input: device.process.stdout }).on("line", line => device.#take(line)).on("close", () => device.#take(null));
    await device.hear("* ready");
    device.say(`passphrase ${PASSPHRASE}`);
    device.say("mode open");
    device.say("volume 100");
    return device;
  }

  say(line) { this.process.stdin.write(`${line}\n`); }

  /** The rest of the next line that begins so; `! ` before it is an error, unless it is what is waited for. */
  async hear(start, ms = 20_000) {
    const until = Date.now() + ms;
    for (;;) {
      while (this.#lines.length) {
        const line = this.#lines.shift();
        if (line === null) throw new Error(`sotto ended before ${start}`);
        if (line.startsWith(start)) return line.slice(start.length).trim();
        if (line.startsWith("! ")) throw new Error(`sotto: ${line}`);
      }
      if (Date.now() >= until) throw new Error(`no line from sotto that begins with ${start}`);
      await Promise.race([new Promise(resolve => { this.#waiting = resolve; }), sleep(until - Date.now())]);
    }
  }

  #take(line) {
    this.#lines.push(line);
    this.#waiting?.();
  }

  /** Checks that the newest seconds of what came out of its speaker are this tone. */
  hears(frequency) {
    const { samples, rate } = readWav(this.ear);
    const { dBFS, share } = analyse(samples.subarray(-3 * rate), rate, frequency);
    check(`the device plays ${frequency} Hz`, dBFS > -40 && share > 0.5, `${dBFS.toFixed(1)} dBFS, ${(100 * share).toFixed(0)} % of it there`);
  }

  async quit() {
    this.say("quit");
    equal("sotto's exit status", await Promise.race([this.exited, sleep(5_000)]), 0);
  }
}

/** One call: codes, voice, words, goodbye. `carry`: ms that the answer is on its way; `hangsUp`: "device" or "page". */
async function call({ offers, version, hangsUp, carry = 0 }) {
  const [device, page] = await Promise.all([Device.start(), PageEnd.open(context)]);
  let answer, before;
  if (offers === "device") {
    device.say(version === 1 ? "call --v1" : "call");
    const offer = await device.hear("* offer");
    if (version === 2) check("the device's offer fits an SMS", offer.length <= 160, `${offer.length} characters`);
    answer = await page.answer(offer);
    await sleep(carry);
    equal("the page waits", await page.state(), "answering");
    before = Date.now();
    device.say(answer);
  } else {
    const offer = await page.offer(version);
    device.say(offer);
    answer = await device.hear("* answer");
    if (version === 2) check("the device's answer fits an SMS", answer.length <= 160, `${answer.length} characters`);
    await sleep(carry);
    equal("the page waits", await page.state(), "offering");
    before = Date.now();
    await page.paste(answer);
  }
  await Promise.all([device.hear("* connected"), page.reach("connected")]);
  check("connected", true, `${Date.now() - before} ms after the answer was entered`);

  if (version === 2) equal("words are the same at both ends", (await page.words()).join(" "), await device.hear("* words", 12_000));
  else equal("the page says that there are no words", await page.text("words-title"), "No words to compare");
  await page.hears(DEVICE_TONE, "the page");
  await device.hear("* hears you");
  check("the device knows that it is heard", true);
  device.hears(PAGE_TONE);

  if (hangsUp === "device") {
    device.say("hang");
    await page.reach("ended");
    check("the page says who hung up", (await page.text("ended-reason")).startsWith("They hung up."), await page.text("ended-reason"));
  } else {
    await page.press("Hang up");
  }
  check("the device says that it is over", true, await device.hear("* ended", 10_000));
  await page.close("page");
  await device.quit();
}

const cases = {
  "the page offers, v2, the device hangs up": () => call({ offers: "page", version: 2, hangsUp: "device" }),
  "the device offers, v2, the page hangs up": () => call({ offers: "device", version: 2, hangsUp: "page" }),
  "the page offers, v1, the page hangs up": () => call({ offers: "page", version: 1, hangsUp: "page" }),
  "the device offers, v1, the device hangs up": () => call({ offers: "device", version: 1, hangsUp: "device" }),
  // The browser calls its connection failed 15 s after its own answer.
  "the device offers, and the page's answer takes 20 s": () => call({ offers: "device", version: 2, hangsUp: "device", carry: 20_000 }),

  async "a wrong passphrase and another call are named by either"() {
    const [device, page, other] = [await Device.start(), await PageEnd.open(context), await PageEnd.open(context, "something else")];
    const offer = await page.offer(2);
    device.say(await other.offer(2));
    check("the device refuses another passphrase", true, await device.hear("! "));
    await page.press("Cancel");
    await other.press("Cancel");
    device.say("call");
    const theirs = await device.hear("* offer");
    const said = await other.refusal(theirs);
    check("the page refuses another passphrase", said.startsWith("The passphrase does not fit"), said);
    device.say("hang");
    await device.hear("* ended");
    device.say(offer);
    const answer = await device.hear("* answer");
    await page.offer(2);
    const stale = await page.refusal(answer);
    check("the page refuses an answer to another call", stale.startsWith("This answer belongs to another call."), stale);
    await other.page.close();
    await page.close("page");
    await device.quit();
  },
};

if (process.env.SLOW) for (const offers of ["page", "device"]) for (const version of [2, 1])
  cases[`the ${offers} offers, v${version}, and the answer takes three minutes`] = () => call({ offers, version, hangsUp: "device", carry: 180_000 });

await run(cases);
