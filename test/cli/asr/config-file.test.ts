import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { buildBinary } from "plist";
import { decodeAsrConfig, isBinaryPlist } from "../../../cli/asr/config.ts";
import { configureAsr } from "../../../cli/asr/config-file.ts";

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "bootcast-asr-"));
});
after(() => rm(directory, { recursive: true, force: true }));

test("a configuration is made key by key, as with defaults write", async () => {
  // The article's: without the ending.
  const path = join(directory, "asrcast");
  await configureAsr([path, "Data Rate", "-int", "3000000"]);
  await configureAsr([path, "Multicast Address", "-string", "239.192.66.2"]);
  await configureAsr([path, "DNS Service Discovery", "-bool", "NO"]);
  const { entries, ...config } = decodeAsrConfig(await readFile(`${path}.plist`), path);
  assert.deepEqual(config, { rateBytesPerSecond: 3_000_000, group: "239.192.66.2", isAdvertised: false });
  assert.equal(entries.length, 3);
});

test("a binary one stays binary, and its other keys stay", async () => {
  const path = join(directory, "binary.plist");
  await writeFile(path, buildBinary({ "Data Rate": 5000, "Multicast Address": "239.1.1.1", Port: 7801 }));
  await configureAsr([path, "Loop Suspend", "2"]);
  const bytes = await readFile(path);
  assert(isBinaryPlist(bytes));
  const { loopSuspend, port } = decodeAsrConfig(bytes, path);
  assert.deepEqual([loopSuspend, port], [2, 7801]);
});

test("a wrong key or value changes nothing", async () => {
  const path = join(directory, "kept.plist");
  await configureAsr([path, "Data Rate", "5000"]);
  const before = await readFile(path);
  for (const [key, value] of [
    ["Data Rate", "fast"],
    ["Data Rate", "0"],
    ["DNS Service Discovery", "perhaps"],
    ["Port", "70000"],
    ["data rate", "5000"],
    ["toString", "x"],
  ] as const)
    await assert.rejects(configureAsr([path, key, value]), { code: "ASR_CONFIG_INVALID" });
  await assert.rejects(configureAsr([]), { code: "USAGE" });
  assert.deepEqual(await readFile(path), before);
});
