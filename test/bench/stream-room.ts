/**
 * What can happen in a room while a stream runs, with real sockets: `npm run bench:stream-room` (root).
 *
 * A server and hosts in networks of their own on one switch. Each case says what was measured, and what it is to be.
 */
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { printBench, type Row } from "./measure.ts";
import { bundleHost } from "./multicast-programs.ts";
import { cases } from "./stream-room-cases.ts";
import type { Figure, Site } from "./stream-room-figures.ts";

const help = `usage: node test/bench/stream-room.ts [options]        (root; apt-get install ethtool iproute2 nftables)

  --case ${Object.keys(cases).join("|")}
                            several with commas; all unless told
  --mebibytes 32            how much is sent; it does not compress
  --mbit 25                 what each port carries (neighbours: always 100)
  --rounds 1                the median of so many
`;
const { values } = parseArgs({
  options: {
    case: { type: "string", default: Object.keys(cases).join(",") },
    mebibytes: { type: "string", default: "32" },
    mbit: { type: "string", default: "25" },
    rounds: { type: "string", default: "1" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit();
}
const imageBytes = Number(values.mebibytes) * 1024 * 1024;
const megabitsPerSecond = Number(values.mbit);

const directory = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "bootcast-bench-stream-room-"));
try {
  mkdirSync(join(directory, "host"));
  const image = join(directory, "image.raw");
  writeFileSync(image, randomBytes(imageBytes));
  const hostProgram = join(directory, "host", "host.cjs");
  await bundleHost(hostProgram);
  const site: Site = { directory, image, imageBytes, megabitsPerSecond, hostProgram, digestOf };
  const rows: Row[] = [];
  for (const name of values.case.split(",")) {
    const run = cases[name];
    if (run === undefined) throw new Error(`There is no case "${name}": ${Object.keys(cases).join(", ")}.`);
    const figures: (readonly Figure[])[] = [];
    for (let round = 0; round < Number(values.rounds); round += 1) {
      console.error(`${name}, round ${round + 1}`);
      figures.push(await run(site));
    }
    for (const [at, { what, goal, isReached }] of figures[0]!.entries()) {
      const sorted = figures.map((round) => round[at]!.value).sort((a, b) => a - b);
      const value = sorted[sorted.length >> 1]!;
      rows.push({ case: name, what, value: value.toFixed(3), goal, reached: isReached(value) ? "yes" : "no" });
    }
  }
  printBench("stream-room", { mebibytes: imageBytes / 1024 ** 2, "Mbit/s a port": megabitsPerSecond }, rows);
} finally {
  rmSync(directory, { recursive: true });
}

async function digestOf(path: string): Promise<string> {
  if (!existsSync(path)) return "absent";
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
