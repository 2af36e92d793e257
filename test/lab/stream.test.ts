import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type LabProcess, labProblem, type Namespace, openNamespace } from "../../scripts/lab/namespace.ts";
import { digestOf, result, until } from "./said.ts";

/**
 * `bootcast stream` and `bootcast restore` as people use them: a server and two
 * receivers, each in a network of its own on one switch.
 */

const root = join(import.meta.dirname, "../..");
const node = join(root, "node_modules/.bin/node");
const server = "10.66.0.1";
const port = 7800;
const diskBytes = 24 * 1024 * 1024;
const fullLine = "\tRestoring  ....10....20....30....40....50....60....70....80....90....100\n";

describe("stream and restore in three networks", { skip: labProblem() ?? false, timeout: 180_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-stream-"));
  const golden = join(directory, "golden.raw");
  let lab: Namespace;

  before(async () => {
    await writeGolden(golden);
    lab = await openNamespace();
    await lab.addBridge("br0");
    await lab.addNetns("server", `${server}/24`, "br0");
    await lab.addNetns("alpha", "10.66.0.11/24", "br0");
    await lab.addNetns("beta", "10.66.0.12/24", "br0");
  });

  after(async () => {
    await lab?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  function bootcast(netns: string, ...words: string[]): LabProcess {
    return lab.spawn(node, [join(root, "cli/main.ts"), ...words], { netns, cwd: directory });
  }

  function stream(...more: string[]): LabProcess {
    const words = `--interface ${server} --group 239.192.66.9 --port ${port} --rate 20000kbit --wait-for 2 --no-input`;
    return bootcast(
      "server",
      "stream",
      "--source",
      golden,
      ...words.split(" "),
      "--data-dir",
      join(directory, "none"),
      ...more,
    );
  }

  function restore(netns: string, target: string, ...more: string[]): LabProcess {
    const words = ["--source", `asr://${server}:${port}`, "--target", join(directory, target), "--erase", "--noprompt"];
    return bootcast(netns, "restore", ...words, "--no-input", "--data-dir", join(directory, "none"), ...more);
  }

  test("two receivers get the right bytes, and asr's screen", async () => {
    const sender = stream("--once");
    const sent = result(sender);
    await until(sender, "Ready to start accepting clients");
    const results = await Promise.all([result(restore("alpha", "a.raw")), result(restore("beta", "b.raw"))]);
    for (const { exitCode, stdout, stderr } of results) {
      assert.equal(exitCode, 0, stderr);
      assert.match(
        stdout,
        /^\tValidating target\.\.\.done\n\tValidating source\.\.\.done\n\tErasing target device \S+\.\.\.done\n/,
      );
      assert.match(stdout, /\tRetrieving scan information\.\.\.done\n\tValidating sizes\.\.\.done\n/);
      assert(stdout.includes(fullLine), stdout);
      assert.match(stdout, /\tVerifying {2}\.\.\.\.10.*100\n\tRemounting target volume\.\.\.done\n$/);
    }
    const { exitCode, stdout, stderr } = await sent;
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /^Multicast server configuration:\n/);
    assert.match(stdout, /\nStarting stream \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\n/);
    assert.match(stdout, /2 of 2 receivers restored golden\./);
    for (const target of ["a.raw", "b.raw"]) {
      assert.equal(await digestOf(join(directory, target)), await digestOf(golden));
      // Zeros of the image stay holes.
      assert(statSync(join(directory, target)).blocks * 512 < diskBytes, "the target is sparse");
    }
  });

  test("5 % loss at one receiver is repaired", async () => {
    await lab.run("nft", ["-f", "-"], {
      netns: "beta",
      input:
        "table ip lossy { chain in { type filter hook prerouting priority 0; ip daddr 224.0.0.0/4 numgen random mod 100 < 5 counter drop; }; }",
    });
    const sender = stream("--once");
    const sent = result(sender);
    await until(sender, "Ready to start accepting clients");
    const [a, b] = await Promise.all([result(restore("alpha", "a.raw")), result(restore("beta", "b.raw"))]);
    const dropped = await lab.run("nft", ["list", "table", "ip", "lossy"], { netns: "beta" });
    await lab.run("nft", ["delete", "table", "ip", "lossy"], { netns: "beta" });
    assert.match(dropped.stdout, /packets [1-9]\d\d/, "the network did lose packets");
    assert.equal(a.exitCode, 0, a.stderr);
    assert.equal(b.exitCode, 0, b.stderr);
    assert.equal((await sent).exitCode, 0);
    // What is shown as missing meanwhile depends on how soon it is repaired.
    assert.match(b.stdout, /Restoring {2}[.x\d]*100/);
    assert.equal(await digestOf(join(directory, "b.raw")), await digestOf(golden));
  });

  test("a receiver that is killed half-way does not hold up the other one", async () => {
    const sender = stream("--once");
    const sent = result(sender);
    await until(sender, "Ready to start accepting clients");
    const killed = restore("beta", "killed.raw", "--puppetstrings");
    const killedResult = result(killed);
    const other = result(restore("alpha", "a.raw"));
    await until(killed, /PINF\t[3-6]\d\t/);
    killed.signal("SIGKILL");
    const { exitCode, stderr } = await other;
    assert.equal(exitCode, 0, stderr);
    await killedResult;
    assert.equal(await digestOf(join(directory, "a.raw")), await digestOf(golden));
    // What the killed one left must not look bootable.
    const left = await readFile(join(directory, "killed.raw"));
    assert(
      left.subarray(0, 512).every((byte) => byte === 0),
      "no partition table",
    );
    sender.signal("SIGINT");
    assert.equal((await sent).exitCode, 130);
  });

  test("a group that is filtered erases nothing", async () => {
    await lab.run("nft", ["-f", "-"], {
      netns: "alpha",
      input: "table ip deaf { chain in { type filter hook prerouting priority 0; ip daddr 224.0.0.0/4 drop; }; }",
    });
    const sender = stream();
    const sent = result(sender);
    await until(sender, "Ready to start accepting clients");
    const { exitCode, stderr } = await result(restore("alpha", "never.raw"));
    await lab.run("nft", ["delete", "table", "ip", "deaf"], { netns: "alpha" });
    assert.equal(exitCode, 5);
    assert.match(stderr, /STREAM_NOT_ARRIVING/);
    assert.throws(() => statSync(join(directory, "never.raw")), { code: "ENOENT" });
    sender.signal("SIGINT");
    await sent;
  });
});

/** A small disk: an MBR with one partition, 16 MiB that do not compress, and zeros. */
async function writeGolden(path: string): Promise<void> {
  const file = await open(path, "w");
  await file.truncate(diskBytes);
  const sector = Buffer.alloc(512);
  sector.writeUInt8(0x83, 446 + 4);
  sector.writeUInt32LE(2048, 446 + 8);
  sector.writeUInt32LE(diskBytes / 512 - 2048, 446 + 12);
  sector.writeUInt16LE(0xaa55, 510);
  await file.write(sector, 0, 512, 0);
  await file.write(randomBytes(16 * 1024 * 1024), 0, 16 * 1024 * 1024, 3 * 1024 * 1024);
  await file.close();
}
