import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { buildBinary } from "plist";
import { configurationLines, streamConfiguration } from "../../../cli/stream/configuration.ts";

async function withFile(keys: Record<string, unknown>, run: (path: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "bootcast-asr-"));
  try {
    const path = join(directory, "asrcast.plist");
    await writeFile(path, buildBinary(keys as never));
    await run(path);
  } finally {
    await rm(directory, { recursive: true });
  }
}

const keys = { "Data Rate": 6_000_000, "Multicast Address": "239.192.66.2" };

test("asr's list has the keys as the file has them; the rate that comes of two is a line of its own", () =>
  withFile({ ...keys, "Client Data Rate": 5_000_000 }, async (config) => {
    assert.deepEqual(configurationLines(await streamConfiguration({ config }), "10.0.0.1"), [
      "Multicast server configuration:",
      "\tData Rate: 6000000 (6.0 MB/s)",
      "\tMulticast Address: 239.192.66.2",
      "\tPort: 7800",
      "\tMulticast TTL: 3",
      "\tDNS Service Discovery: true",
      "\tClient Data Rate: 5000000",
      "\tInterface: 10.0.0.1",
      "\tRate: 5000000 (5.0 MB/s)",
    ]);
  }));

test("asr's list has no second rate where there is one, and its own without a file", async () => {
  const rates = (lines: readonly string[]) => lines.filter((line) => line.includes("Rate"));
  await withFile(keys, async (config) => {
    const lines = configurationLines(await streamConfiguration({ config }), "10.0.0.1");
    assert.deepEqual(rates(lines), ["\tData Rate: 6000000 (6.0 MB/s)"]);
    const asked = configurationLines(await streamConfiguration({ config, rate: 1_000_000 }), "10.0.0.1");
    assert.deepEqual(rates(asked), ["\tData Rate: 6000000 (6.0 MB/s)", "\tRate: 1000000 (1.0 MB/s)"]);
  });
  const plain = configurationLines(await streamConfiguration({ rate: 1_000_000 }), "10.0.0.1");
  assert.deepEqual(rates(plain), ["\tData Rate: 1000000 (1.0 MB/s)"]);
});
