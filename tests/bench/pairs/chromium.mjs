#!/usr/bin/env node
// Two Chromiums hold one call on call.html, each in its namespace with its own sound card. Run by lab.py.

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launch, PageEnd } from "../../browser/support.mjs";

const folder = mkdtempSync(join(tmpdir(), "chromium-pair-"));

/** A Chromium on one host of the lab. */
function start(side) {
  const command = join(folder, side);
  const { [`LAB_NS_${side}`]: namespace, [`PULSE_${side}`]: pulse } = process.env;
  writeFileSync(command, `#!/bin/sh\nPULSE_SERVER=${pulse} exec ip netns exec ${namespace} /usr/bin/chromium "$@"\n`);
  chmodSync(command, 0o755);
  return launch(null, command);
}

const contexts = await Promise.all(["A", "B"].map(start));
const [a, b] = await Promise.all(contexts.map(context => PageEnd.open(context)));
const answer = await b.answer(await a.offer(2));
const entered = Date.now();
await a.paste(answer);
await Promise.all([a.reach("connected"), b.reach("connected")]);
console.log(`READY connect_ms=${Date.now() - entered}`);

process.stdin.resume();
await new Promise(resolve => process.stdin.once("end", resolve));
await Promise.allSettled(contexts.map(context => context.browser().close()));
rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
process.exit(0);
