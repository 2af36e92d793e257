import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { type LabProcess, labProblem, type Namespace, openNamespace } from "../../scripts/lab/namespace.ts";

/** Streams of large frames between machines of a network that has them: by all, by all but one, and past a bad port. */

const root = join(import.meta.dirname, "../..");
const node = join(root, "node_modules/.bin/node");
const server = "10.69.0.1";
const hosts = ["alpha", "beta"] as const;
type Host = (typeof hosts)[number];
const diskBytes = 16 * 1024 * 1024;
const group = "239.192.69.1";

describe("streams of large frames", { skip: labProblem() ?? false, timeout: 120_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-jumbo-"));
  const golden = join(directory, "golden.raw");
  let lab: Namespace;

  before(async () => {
    writeFileSync(golden, randomBytes(diskBytes));
    lab = await openNamespace();
    await lab.addBridge("br0");
    await lab.addNetns("server", `${server}/24`, "br0");
    for (const [at, host] of hosts.entries()) await lab.addNetns(host, `10.69.0.${11 + at}/24`, "br0");
    for (const name of ["server", ...hosts]) {
      await lab.run("ip", ["link", "set", "dev", name, "mtu", "9000"]);
      await mtuIs(name, 9_000);
    }
    await lab.run("ip", ["link", "set", "dev", "br0", "mtu", "9000"]);
    // As a card does it: each frame is one, also when many are sent in one call.
    await lab.run("ip", ["-n", "server", "link", "set", "dev", "eth0", "gso_max_segs", "1"]);
  });

  after(async () => {
    await lab?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function mtuIs(netns: string, bytes: number): Promise<void> {
    await lab.run("ip", ["-n", netns, "link", "set", "dev", "eth0", "mtu", String(bytes)]);
  }

  /** The port of a switch that throws large frames of UDP away. */
  async function dropLargeFrames(host: Host, whileDo: () => Promise<unknown>): Promise<void> {
    const rule = "meta protocol ip ip protocol udp meta length > 2000 drop;";
    const chain = `chain c { type filter hook egress device "${host}" priority 0; ${rule} }`;
    await lab.run("nft", ["-f", "-"], { input: `table netdev bad { ${chain}; }` });
    await whileDo().finally(() => lab.run("nft", ["delete", "table", "netdev", "bad"]));
  }

  function bootcast(netns: string, ...words: string[]): LabProcess {
    const process = lab.spawn(node, [join(root, "cli/main.ts"), ...words, "--data-dir", directory], {
      netns,
      cwd: directory,
    });
    process.stdin.end();
    return process;
  }

  function stream(port: number, rate: string, ...more: string[]) {
    const where = ["--interface", "eth0", "--port", String(port), "--group", group, "--rate", rate, "--mode", "fixed"];
    const how = ["--json", "--figures-every", "0.2s", ...more];
    const sender = bootcast("server", "stream", "--source", golden, ...where, ...how);
    return { sender, port, lines: linesOf(sender) };
  }

  async function restore(host: Host, port: number) {
    const target = join(directory, `${host}.raw`);
    const words = ["--source", `asr://${server}:${port}`, "--target", target, "--erase", "--noprompt", "--no-input"];
    const process = bootcast(host, "restore", ...words);
    const [stderr, { exitCode }] = await Promise.all([text(process.stderr), process.exited, text(process.stdout)]);
    assert.equal(exitCode, 0, `${host}: ${stderr}`);
    assert.deepEqual(await readFile(target), await readFile(golden), host);
    rmSync(target);
    return stderr;
  }

  /** Mean bytes of the frames that the server has sent since the last call. */
  let sent = { bytes: 0, packets: 0 };
  async function meanFrameBytes(): Promise<number> {
    const { stdout } = await lab.run("ip", ["-n", "server", "-s", "-j", "link", "show", "dev", "eth0"]);
    const [link] = JSON.parse(stdout) as [{ stats64: { tx: { bytes: number; packets: number } } }];
    const { bytes, packets } = link.stats64.tx;
    const mean = (bytes - sent.bytes) / (packets - sent.packets);
    sent = { bytes, packets };
    return mean;
  }

  async function framesFinding(lines: Promise<Line[]>): Promise<string | undefined> {
    return (await lines).find(({ type, probe }) => type === "network" && probe === "frames")?.detail;
  }

  test("where all have them they are used; a late host that a port keeps them from goes by unicast", async () => {
    const { sender, port, lines } = stream(7811, "5MB/s", "--wait-for", "1");
    await started(sender);
    await meanFrameBytes();
    const streams = seen(sender, ({ type, state }) => type === "figures" && state === "streaming");
    const first = restore("alpha", port);
    await streams;
    await dropLargeFrames("beta", async () => {
      assert.match(await restore("beta", port), /large frames do not reach it: the rest by unicast/);
    });
    await first;
    sender.signal("SIGINT");
    assert.equal(await framesFinding(lines), undefined);
    assert((await meanFrameBytes()) > 4_000, "the frames are large");
  });

  test("a port that throws them away: nobody begins before the stream has ordinary ones", async () => {
    const { sender, port, lines } = stream(7812, "40MB/s", "--wait-for", "2", "--once");
    await started(sender);
    await dropLargeFrames("beta", () => Promise.all(hosts.map((host) => restore(host, port))));
    assert.match((await framesFinding(lines)) ?? "", /packets of 1500 bytes, not of 9000: \S+ gets nothing/);
  });

  test("a card without them: the stream has ordinary ones at once", async () => {
    await mtuIs("beta", 1_500);
    const { sender, port, lines } = stream(7813, "40MB/s", "--wait-for", "2", "--once");
    await started(sender);
    await Promise.all(hosts.map((host) => restore(host, port)));
    assert.match((await framesFinding(lines)) ?? "", /not of 9000: the card of \S+ carries 1500 bytes/);
    await mtuIs("beta", 9_000);
  });
});

type Line = {
  readonly type: string;
  readonly probe?: string;
  readonly detail?: string;
  readonly state?: string;
};

/** All that a command prints, one JSON object a line. */
async function linesOf(process: LabProcess): Promise<Line[]> {
  const said = await text(process.stdout);
  return said.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line) as Line] : []));
}

function started(process: LabProcess): Promise<void> {
  return seen(process, ({ type }) => type === "figures");
}

/** When such a line comes. */
function seen(process: LabProcess, isIt: (line: Line) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    let rest = "";
    const timer = setTimeout(() => reject(new Error("not seen within 30 s")), 30_000);
    void process.exited.then(async () => reject(new Error(`it ended: ${await text(process.stderr)}`)));
    process.stdout.on("data", (bytes: Buffer) => {
      const lines = (rest + bytes.toString()).split("\n");
      rest = lines.pop() ?? "";
      if (!lines.some((line) => line.startsWith("{") && isIt(JSON.parse(line) as Line))) return;
      clearTimeout(timer);
      resolve();
    });
  });
}
