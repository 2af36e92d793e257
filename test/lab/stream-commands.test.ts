import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type LabProcess, labProblem, type Namespace, openNamespace } from "../../scripts/lab/namespace.ts";
import { digestOf, result, until } from "./said.ts";

/**
 * The commands around the stream: asr's own server and client, live figures, DNS-SD, and a relay between two networks
 * that do not know of each other.
 */

const root = join(import.meta.dirname, "../..");
const node = join(root, "node_modules/.bin/node");
const server = "10.66.0.1";
const relay = "10.67.0.1";
const diskBytes = 8 * 1024 * 1024;

describe("the commands around the stream", { skip: labProblem() ?? false, timeout: 120_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-commands-"));
  const golden = join(directory, "golden.raw");
  let lab: Namespace;
  let digest: string;

  before(async () => {
    const file = await open(golden, "w");
    await file.truncate(diskBytes);
    await file.write(randomBytes(diskBytes / 2), 0, diskBytes / 2, 1024 * 1024);
    await file.close();
    digest = await digestOf(golden);
    lab = await openNamespace();
    // The lab itself stands in both networks: it is where the relay runs.
    await lab.addBridge("br0", "10.66.0.2/24");
    await lab.addBridge("br1", `${relay}/24`);
    await lab.addNetns("server", `${server}/24`, "br0");
    await lab.addNetns("alpha", "10.66.0.11/24", "br0");
    await lab.addNetns("beta", "10.67.0.11/24", "br1");
  });

  after(async () => {
    await lab?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  function bootcast(netns: string | undefined, ...words: string[]): LabProcess {
    const where = netns === undefined ? {} : { netns };
    return lab.spawn(node, [join(root, "cli/main.ts"), ...words, "--no-input", "--data-dir", join(directory, "data")], {
      ...where,
      cwd: directory,
    });
  }

  async function figuresOf(address: string, netns: string): Promise<string> {
    const program = `fetch("http://${address}:7800/metrics").then((answer) => answer.text()).then(console.log)`;
    return (await lab.run(node, ["-e", program], { netns })).stdout;
  }

  test("asr's server and client as the articles type them: plist, .local name, a new file", async () => {
    const config = join(directory, "asrcast.plist");
    for (const [key, value] of [
      ["Data Rate", "4000000"],
      ["Multicast Address", "239.192.66.7"],
    ] as const) {
      const { exitCode, stderr } = await result(
        lab.spawn(node, [join(root, "cli/main.ts"), "asr", "config", config, key, value]),
      );
      assert.equal(exitCode, 0, stderr);
    }
    const sender = bootcast(
      "server",
      "asr",
      "-source",
      "golden.raw/",
      "-server",
      "asrcast.plist/",
      "-interface",
      server,
    );
    const heard = await until(sender, "Ready to start accepting clients");
    assert.match(
      heard,
      /^Multicast server configuration:\n\tData Rate: 4000000 .*\n\tMulticast Address: 239\.192\.66\.7\n\tPort: 7800\n/,
    );
    assert.match(heard, /\tDNS Service Discovery: true\n/);
    const sent = result(sender);
    const name = `asr://bootcast-${server.replaceAll(".", "-")}.local`;
    const { exitCode, stdout, stderr } = await result(
      bootcast("alpha", "asr", "restore", "--source", name, "--file", "new.dmg", "--verbose"),
    );
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /--verbose: not applicable here/);
    assert.match(stdout, /\tRestoring {2}\.\.\.\.10.*100\n/);
    assert.equal(await digestOf(join(directory, "new.dmg")), digest);
    const again = await result(bootcast("alpha", "restore", "--source", name, "--file", "new.dmg"));
    assert.equal(again.exitCode, 5);
    assert.match(again.stderr, /ERASE_NOT_ORDERED/);
    sender.signal("SIGINT");
    assert.equal((await sent).exitCode, 130);
  });

  test("live figures: lines of JSON, and /metrics", async () => {
    const words = ["--interface", server, "--rate", "2MB/s", "--once", "--json", "--figures-every", "0.2s"];
    const sender = bootcast("server", "stream", "--source", golden, ...words);
    const said = lines(sender);
    await said.until(({ type, state }) => type === "figures" && state === "open");
    const restoring = result(bootcast("alpha", "restore", "--source", `asr://${server}`, "--file", "json.raw"));
    const streaming = await said.until(
      ({ state, receivers }) => state === "streaming" && receivers[0]?.missing?.length === 1,
    );
    const [receiver] = streaming.receivers;
    assert(receiver !== undefined && streaming.rateBytesPerSecond > 0 && streaming.blocks > 0);
    const metrics = await figuresOf(server, "alpha");
    assert.match(metrics, /\nbootcast_stream_streaming\{.*\} 1\n/);
    assert.match(metrics, /\nbootcast_stream_receiver_missing_blocks\{.*\} \d+\n/);
    assert.equal((await restoring).exitCode, 0, (await restoring).stderr);
    const last = await said.until(({ type }) => type === "result");
    assert.equal(last.receivers[0]?.state, "done");
    assert(last.sentBytes > diskBytes / 2);
    assert.equal((await sender.exited).exitCode, 0);
  });

  for (const [how, words] of [
    ["", []],
    [", encrypted on both sides", ["--encrypt"]],
  ] as const)
    test(`a relay casts the stream on${how}, is killed and started again, and nothing is fetched twice`, async () => {
      const from = ["--source", golden, "--interface", server, "--rate", "2MB/s"];
      const sender = bootcast("server", "stream", ...from, ...words);
      await until(sender, "Ready to start accepting clients");
      const sent = result(sender);
      const start = () =>
        bootcast(
          undefined,
          "stream",
          "--relay",
          `asr://${server}`,
          "--interface",
          relay,
          "--group",
          "239.192.66.8",
          "--rate",
          "2MB/s",
          "--once",
          ...words,
        );
      const first = start();
      await until(first, "Ready to start accepting clients");
      const far = `far${words.length}.raw`;
      const restoring = bootcast("beta", "restore", "--source", `asr://${relay}`, "--file", far, "--puppetstrings");
      await until(restoring, /PINF\t[2-6]\d\t/);
      first.signal("SIGKILL");
      await first.exited;
      const restored = result(restoring);
      const second = start();
      const relayed = result(second);
      const { exitCode, stderr } = await restored;
      assert.equal(exitCode, 0, stderr);
      assert.equal(await digestOf(join(directory, far)), digest);
      assert.equal((await relayed).exitCode, 0, (await relayed).stderr);
      // The newest relay's word to the origin: what the one before had kept was not asked for again.
      const metrics = await figuresOf(server, "server");
      const fetched = [...metrics.matchAll(/receiver_done_ratio\{.*receiver="relay [^"]*"\} ([\d.]+)\n/g)].at(-1)?.[1];
      assert(Number(fetched) < 1, `${fetched} of all packs were fetched after the restart`);
      sender.signal("SIGINT");
      assert.match((await sent).stderr, /relay \S+: done/);
    });

  test("a relay takes the stream from its group, and serves those who come later as well", async () => {
    const words = ["--source", golden, "--interface", server, "--rate", "4MB/s"];
    const sender = bootcast("server", "stream", ...words);
    await until(sender, "Ready to start accepting clients");
    const sent = result(sender);
    const from = ["--relay", `asr://${server}`, "--relay-multicast", "--interface", relay, "--group", "239.192.66.9"];
    const casting = bootcast(undefined, "stream", ...from, "--rate", "4MB/s", "--once");
    await until(casting, "Ready to start accepting clients");
    const relayed = result(casting);
    const { exitCode, stderr } = await result(
      bootcast("beta", "restore", "--source", `asr://${relay}`, "--file", "cast.raw"),
    );
    assert.equal(exitCode, 0, stderr);
    assert.equal(await digestOf(join(directory, "cast.raw")), digest);
    assert.equal((await relayed).exitCode, 0, (await relayed).stderr);
    sender.signal("SIGINT");
    assert.match((await sent).stderr, /relay \S+: done, \d/);
  });
});

type Line = {
  readonly type: string;
  readonly state: string;
  readonly rateBytesPerSecond: number;
  readonly sentBytes: number;
  readonly blocks: number;
  readonly receivers: readonly { readonly state: string; readonly missing: readonly unknown[] | null }[];
};

/** The lines of JSON that a process writes, each waited for in turn. */
function lines(process: LabProcess) {
  const heard: Line[] = [];
  let rest = "";
  let wake = () => {};
  process.stderr.resume();
  process.stdout.on("data", (bytes: Buffer) => {
    const parts = (rest + bytes.toString()).split("\n");
    rest = parts.pop() ?? "";
    heard.push(...parts.map((line) => JSON.parse(line) as Line));
    wake();
  });
  return {
    async until(isIt: (line: Line) => boolean): Promise<Line> {
      const deadline = setTimeout(() => process.signal("SIGKILL"), 60_000);
      let hasEnded = false;
      void process.exited.then(() => {
        hasEnded = true;
        wake();
      });
      try {
        for (;;) {
          for (let line = heard.shift(); line !== undefined; line = heard.shift()) if (isIt(line)) return line;
          assert(!hasEnded, "the process ended without that line");
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      } finally {
        clearTimeout(deadline);
      }
    },
  };
}
