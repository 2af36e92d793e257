import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pino } from "pino";
import { lastWordIn } from "../../agent/machine/last-word.ts";
import type { LastWord } from "../../agent/ports.ts";
import { runAgent } from "../../agent/run.ts";
import { broken, fails, lost, room, type Scene } from "./run-room.ts";

/** What is kept to be said at each moment of a run: one entry for each word that follows another. */
async function keptWords(scene: Scene) {
  const words: (LastWord | undefined)[] = [];
  const all = room({
    ...scene,
    change: (ports, own) => ({
      ...scene.change?.(ports, own),
      keepLastWord: (word) => void words.push(word),
    }),
  });
  await runAgent(all.ports);
  return words;
}

test("what is to be said of an agent that ends without a word names the order, where it was and what the disk is", async () => {
  const words = await keptWords({});
  for (const word of words) {
    if (word === undefined) continue;
    assert.deepEqual([word.url, word.token], ["http://10.77.0.1:8440/agent/v1/hosts/7/reports", "t"]);
    assert.equal(word.report.deployId, "12");
  }
  const told = words.flatMap((word) => (word?.report.state === "failed" ? [word.report.detail] : []));
  assert.match(told[0] ?? "", /in the state "waiting"\. The disk was not touched/);
  assert(
    told.some((detail) => /in the state "erasing"\. The disk is erased and holds nothing that boots/.test(detail)),
  );
  assert(told.some((detail) => /in the state "receiving"\. The disk is partly written/.test(detail)));
  assert.match(told.at(-1) ?? "", /in the state "rebooting"\. The disk holds the complete image/);
  assert.equal(words.at(-1), undefined, "the server has heard the last word");
});

test("without an order nothing is kept; a failure that nobody hears is kept as it is", async () => {
  const none = await keptWords({ orders: [{ kind: "boot-disk", reason: "nothing to do" }] });
  assert(none.every((word) => word === undefined));
  const unheard = await keptWords({
    change: () => ({ verify: fails }),
    answer: ({ state }) => (state === "failed" ? lost() : { proceed: true, reason: "" }),
  });
  assert.equal(unheard.at(-1)?.report.fault?.code, broken.code);
});

test("it lies in files that root alone reads, and goes when there is nothing to be said", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-last-word-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const folder = join(directory, "last-word");
  const keep = lastWordIn(folder, pino({ level: "silent" }));
  const report = { state: "failed", detail: "It ended.", deployId: "12" } as const;
  keep(undefined);
  keep({ url: "http://10.77.0.1:8440/x", token: "secret", report });
  assert.deepEqual(readdirSync(folder).toSorted(), ["report", "token", "url"]);
  const texts = ["url", "token", "report"].map((name) => readFileSync(join(folder, name), "utf8"));
  assert.deepEqual(texts, ["http://10.77.0.1:8440/x", "secret", JSON.stringify(report)]);
  for (const name of readdirSync(folder)) assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
  keep(undefined);
  assert.deepEqual(readdirSync(folder).toSorted(), ["token", "url"]);
  // A place that cannot be written is no reason to end a restore.
  lastWordIn(join(folder, "url", "here"), pino({ level: "silent" }))({ url: "", token: "", report });
});
