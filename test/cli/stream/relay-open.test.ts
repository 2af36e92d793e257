import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readlink, rm, writeFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openRelaySource } from "../../../cli/stream/relay.ts";
import { MOST_RECEIVERS } from "../../../multicast/roster.ts";
import { openSite, silentLog } from "../../agent/stream/local-stream.ts";

/** The open files of this process below `directory`. */
async function openBelow(directory: string): Promise<string[]> {
  const paths = await Promise.all(
    (await readdir("/proc/self/fd")).map((number) => readlink(`/proc/self/fd/${number}`).catch(() => "")),
  );
  return paths.filter((path) => path.startsWith(directory));
}

test("a relay that its origin does not take leaves no file and no connection open", async () => {
  const site = await openSite();
  const dataDir = await mkdtemp(join(tmpdir(), "bootcast-relay-open-"));
  const connections: Socket[] = [];
  site.app.server.on("connection", (socket) => connections.push(socket));
  try {
    await mkdir(join(dataDir, "keys"));
    const [key] = site.trusted;
    await writeFile(join(dataDir, "keys", "site.pub"), key.export({ type: "spki", format: "pem" }));
    const stream = await site.open({ waitFor: 1_000_000 });
    const relay = () =>
      openRelaySource({
        origin: `asr://${site.server.host}`,
        output: "out",
        dataDir,
        trust: undefined,
        isMulticast: false,
        originInterface: undefined,
        onWait: () => undefined,
        signal: new AbortController().signal,
        log: silentLog,
      });
    const allClosed = () => Promise.all(connections.map((socket) => socket.closed || once(socket, "close")));
    const taken = await relay();
    assert.equal((await openBelow(dataDir)).length, 1);
    await taken.close();
    await allClosed();
    for (let joined = stream.receivers.length - 1; joined < MOST_RECEIVERS; joined += 1) stream.join("pc", undefined);
    await assert.rejects(relay(), { code: "STREAM_FULL" });
    assert.deepEqual(await openBelow(dataDir), []);
    await allClosed();
  } finally {
    await rm(dataDir, { recursive: true });
    await site.close();
  }
});
