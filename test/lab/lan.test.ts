import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type LabProcess, labProblem, type Namespace, openNamespace } from "../../scripts/lab/namespace.ts";
import { result } from "./said.ts";

/**
 * What a stream finds out about its network and does for it: on a switch with snooping and a querier, with a gateway, a
 * rival and a bystander, each in a network of its own.
 */

const root = join(import.meta.dirname, "../..");
const node = join(root, "node_modules/.bin/node");
const server = "10.68.0.1";
const gateway = "10.68.0.254";
const diskBytes = 8 * 1024 * 1024;
type Finding = { readonly probe: string; readonly status: string; readonly detail: string; readonly fix?: string };

describe("streams and their network", { skip: labProblem() ?? false, timeout: 180_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-lan-"));
  const golden = join(directory, "golden.raw");
  let lab: Namespace;

  before(async () => {
    writeFileSync(golden, randomBytes(diskBytes));
    lab = await openNamespace();
    await lab.addBridge("br0");
    // A bridge floods until its querier has asked for so long (in 10 ms): 1 s instead of 10.
    await switchIs("mcast_snooping", "1", "mcast_querier", "1", "mcast_query_response_interval", "100");
    await lab.addNetns("server", `${server}/24`, "br0");
    await lab.addNetns("alpha", "10.68.0.11/24", "br0");
    await lab.addNetns("bystander", "10.68.0.12/24", "br0");
    await lab.addNetns("rival", "10.68.0.9/24", "br0");
    await lab.addNetns("gateway", `${gateway}/24`, "br0");
    await lab.run("ip", ["-n", "server", "route", "add", "default", "via", gateway]);
  });

  after(async () => {
    await lab?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function switchIs(...options: string[]): Promise<void> {
    await lab.run("ip", ["link", "set", "dev", "br0", "type", "bridge", ...options]);
  }

  function bootcast(netns: string, ...words: string[]): LabProcess {
    const process = lab.spawn(node, [join(root, "cli/main.ts"), ...words], { netns, cwd: directory });
    process.stdin.end();
    return process;
  }

  function stream(port: number, ...more: string[]): LabProcess {
    const words = [
      "--source",
      golden,
      "--interface",
      "eth0",
      "--port",
      String(port),
      "--data-dir",
      directory,
      "--json",
    ];
    return bootcast("server", "stream", ...words, "--once", ...more);
  }

  async function doctor(netns: string, ...words: string[]): Promise<Finding[]> {
    const { stdout } = await result(bootcast(netns, "doctor", "--json", "--deadline", "1s", ...words));
    return (JSON.parse(stdout) as { probes: Finding[] }).probes.filter(({ probe }) => probe.startsWith("lan "));
  }

  test("the querier of the network is found at once, and missed when there is none", async () => {
    const querier = async () =>
      (await doctor("server", "--interface", "eth0")).find(({ probe }) => /querier/.test(probe));
    const found = await querier();
    assert.equal(found?.status, "ok", found?.detail);
    await switchIs("mcast_querier", "0");
    const missed = await querier();
    await switchIs("mcast_querier", "1");
    assert.equal(missed?.status, "warn");
    assert.match(missed?.fix ?? "", /IGMP querier/);
  });

  test("a group that somebody else sends to is refused when it was asked for, else the next is taken", async () => {
    const rival = lab.spawn(node, ["-e", rivalProgram], { netns: "rival" });
    // Who listens before it sends finds the group free.
    await once(rival.stdout, "data");
    const refused = result(stream(7801, "--group", "239.192.66.1"));
    const moved = stream(7802);
    const finding = await found(moved, ({ probe }) => probe === "group");
    assert.match(
      finding.detail,
      /10\.68\.0\.9 sends to 239\.192\.66\.1:9 already; so this stream takes 239\.192\.66\.2/,
    );
    moved.signal("SIGINT");
    const { exitCode, stderr } = await refused;
    assert.equal(exitCode, 5, stderr);
    assert.match(stderr, /GROUP_TAKEN/);
    await moved.exited;
    await rival.stop();
  });

  test("a bystander does not get the stream, except from a switch that floods; while the gateway suffers it waits", async () => {
    const sender = stream(7803, "--rate", "1000kB/s");
    const findings: Finding[] = [];
    const burst = found(sender, ({ probe }) => probe === "canary", findings);
    const held = found(sender, ({ probe, detail }) => probe === "guard" && /The stream waits/.test(detail));
    const goesOn = found(sender, ({ probe, detail }) => probe === "guard" && /goes on/.test(detail));
    await found(sender, ({ probe, status }) => probe === "guard" && status === "ok");
    const target = join(directory, "alpha.raw");
    const words = ["--source", `asr://${server}:7803`, "--target", target, "--erase", "--noprompt", "--no-input"];
    const restored = result(bootcast("alpha", "restore", ...words, "--data-dir", directory));
    assert.equal((await burst).status, "ok");
    await lab.run("nft", ["-f", "-"], {
      netns: "gateway",
      input: "table arp deaf { chain in { type filter hook input priority 0; drop; }; }",
    });
    assert.match((await held).detail, /the gateway 10\.68\.0\.254 does not answer/);
    // Its canaries tell who gets it.
    const asBystander = async () => (await doctor("bystander", "--server", server, "--http-port", "7803"))[0];
    const filtered = await asBystander();
    assert.deepEqual([filtered?.probe, filtered?.status], ["lan flooding", "ok"], filtered?.detail);
    await switchIs("mcast_snooping", "0");
    const flooded = await asBystander();
    assert.deepEqual([flooded?.probe, flooded?.status], ["lan flooding", "warn"], flooded?.detail);
    await lab.run("nft", ["delete", "table", "arp", "deaf"], { netns: "gateway" });
    assert.match((await goesOn).detail, /all is well again/);
    const { exitCode, stderr } = await restored;
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /The stream waits: the gateway 10\.68\.0\.254 does not answer/);
    assert.deepEqual(await readFile(target), await readFile(golden));
    assert(findings.some(({ probe, status }) => probe === "flooding" && status === "ok"));
    await sender.exited;
  });

  test("a stream that fills the router's port waits until its queue is empty, by the router's answers alone", async () => {
    await switchIs("mcast_snooping", "0");
    const words = "qdisc add dev gateway root tbf rate 4mbit burst 2kb limit 100kb".split(" ");
    await lab.run("tc", words);
    const sender = stream(7804, "--rate", "1000kB/s");
    const held = found(sender, ({ probe, detail }) => probe === "guard" && /The stream waits/.test(detail));
    const goesOn = found(sender, ({ probe, detail }) => probe === "guard" && /goes on/.test(detail));
    await found(sender, ({ probe, status }) => probe === "guard" && status === "ok");
    const from = ["--source", `asr://${server}:7804`, "--target", join(directory, "crowded.raw")];
    const restore = bootcast(
      "alpha",
      "restore",
      ...from,
      "--erase",
      "--noprompt",
      "--no-input",
      "--data-dir",
      directory,
    );
    restore.stdout.resume();
    restore.stderr.resume();
    assert.match((await held).detail, /the gateway 10\.68\.0\.254 (answers in \d+ ms instead of \d+|does not answer)/);
    assert.match((await goesOn).detail, /all is well again/);
    for (const process of [restore, sender]) process.signal("SIGINT");
    await Promise.all([restore.exited, sender.exited]);
    await lab.run("tc", ["qdisc", "del", "dev", "gateway", "root"]);
    await switchIs("mcast_snooping", "1");
  });
});

/** Sends to the group ten times a second until it is stopped. */
const rivalProgram = `
const socket = require("node:dgram").createSocket("udp4");
socket.bind(0, "10.68.0.9", () => {
  socket.setMulticastInterface("10.68.0.9");
  setInterval(() => socket.send("rival", 9, "239.192.66.1", () => console.log("sent")), 100);
});`;

/** The first such line of type "network" on stdout; all that come go to `all`. */
function found(process: LabProcess, isIt: (finding: Finding) => boolean, all: Finding[] = []): Promise<Finding> {
  return new Promise((resolve, reject) => {
    let rest = "";
    const timer = setTimeout(() => reject(new Error(`not found within 60 s; only: ${JSON.stringify(all)}`)), 60_000);
    process.stderr.resume();
    process.stdout.on("data", (bytes: Buffer) => {
      const lines = (rest + bytes.toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const finding = JSON.parse(line) as Finding & { readonly type: string };
        if (finding.type !== "network") continue;
        all.push(finding);
        if (!isIt(finding)) continue;
        clearTimeout(timer);
        resolve(finding);
      }
    });
  });
}
