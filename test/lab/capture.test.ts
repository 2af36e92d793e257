import assert from "node:assert/strict";
import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { differingCells } from "../../images/verify.ts";
import { goldenDisk } from "../../scripts/golden/build.ts";
import { type Lab, openLab } from "../../scripts/lab/lab.ts";
import type { Machine } from "../../scripts/lab/machine.ts";
import { labProblem } from "../../scripts/lab/namespace.ts";
import type { HostBody } from "../../server/api/host-schemas.ts";
import { openFileSource } from "../../server/images/file-source.ts";
import { checkImage } from "../../server/store/image-check.ts";
import { loadSiteKey } from "../../server/store/keys.ts";
import { openStore } from "../../server/store/store.ts";
import { sha256Of } from "./restored-disk.ts";

const mebibyte = 1024 * 1024;
const minutes = 60_000;

/** One machine with a system on its disk, and one whose disk is too small for the image that there is. */
describe("machines that nobody has given an order", { skip: labProblem("machines") ?? false }, () => {
  let directory: string;
  let golden: string;
  let lab: Lab;
  let stranger: Machine;
  let name: string;
  let disk: string;
  let untouched: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "capture-"));
    golden = await goldenDisk((text) => console.error(text));
    // Nobody approves these machines: they show the tokens that their boot texts gave them.
    lab = await openLab({ directory, dhcp: "full", settings: { "hosts.approve": "token" } });
    await lab.bootcast(["boot-image", "build", "--no-input"], { timeoutMs: 15 * minutes });
    await importEmptyDisk();
    await lab.serve();
    disk = join(directory, "stranger.raw");
    await lab.namespace.run("cp", ["--sparse=always", golden, disk], { timeoutMs: minutes });
    untouched = await sha256Of(disk);
    stranger = await lab.startMachine({
      name: "stranger",
      firmware: "bios",
      nic: "e1000e",
      mac: "52:54:00:bc:00:61",
      uuid: "8f3c2b1a-6d5e-4f70-9a8b-1c2d3e4f5a61",
      disks: [{ path: disk }],
    });
  });
  after(async () => {
    await lab?.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** An image of 512 MiB without content: nobody gets it. */
  async function importEmptyDisk(): Promise<void> {
    const path = join(directory, "empty.raw");
    await writeFile(path, "");
    await truncate(path, 512 * mebibyte);
    await lab.namespace.run("sfdisk", ["--quiet", path], { input: "label: gpt\nsize=500MiB\n" });
    await lab.bootcast(["image", "import", path, "--name", "lab-empty", "--no-input"], { timeoutMs: minutes });
  }

  async function statesOfHosts(): Promise<Record<string, string>> {
    const { hosts } = JSON.parse((await lab.bootcast(["host", "list", "--json"])).stdout) as {
      hosts: { name: string; state: string }[];
    };
    return Object.fromEntries(hosts.map((host) => [host.name, host.state]));
  }

  async function waitingName(machine: Machine): Promise<string> {
    // A line comes in pieces: its end is waited for, too.
    const said = await machine.waitForLine(/\] waiting +as (lab-\d\d)/, 5 * minutes, "it to wait under its name");
    return said[1]!;
  }

  test("without an order nothing is touched; a disk that is too small is refused", {
    timeout: 10 * minutes,
  }, async () => {
    const small = await lab.startMachine({
      name: "small",
      firmware: "uefi",
      mac: "52:54:00:bc:00:62",
      uuid: "8f3c2b1a-6d5e-4f70-9a8b-1c2d3e4f5a62",
      disks: [{ sizeBytes: 256 * mebibyte }],
    });
    const smallDisk = small.diskPaths[0]!;
    const empty = await sha256Of(smallDisk);
    const [waiting, refused] = await Promise.all([stranger, small].map(waitingName));
    name = waiting!;
    await lab.bootcast(["deploy", "lab-empty", "--to", refused!, "--confirm", refused!, "--no-input"]);
    await small.waitForLine(/FAILED:/, 2 * minutes, "the small disk to be refused");
    await small.waitForLine(/fix:[^\n]*\n/, 10_000, "the way out");
    assert.match(small.consoleText(), /256 MiB|too small/);
    assert.doesNotMatch(small.consoleText(), /\] erasing/);

    // Its screen tells it a moment before the server knows.
    let states = await statesOfHosts();
    const deadline = performance.now() + minutes;
    while (states[refused!] !== "failed" && performance.now() < deadline) states = await statesOfHosts();
    assert.deepEqual(states, { [name]: "waiting", [refused!]: "failed" });
    const shown = JSON.parse((await lab.bootcast(["host", "show", name, "--json"])).stdout) as HostBody;
    assert.deepEqual([shown.isApproved, shown.lacks], [true, null]);
    await small.stop();
    assert.equal(await sha256Of(smallDisk), empty);
    assert.doesNotMatch(stranger.consoleText(), /\] erasing/);
    assert.equal(await sha256Of(disk), untouched);
  });

  test("a capture that is ordered while it waits: what is sent is what an import of the disk makes, and the disk is as before", {
    timeout: 8 * minutes,
  }, async (t) => {
    const ordered = await lab.bootcast(["capture", name, "--as", "kiosk", "--notes", "as delivered", "--json"]);
    assert.equal(JSON.parse(ordered.stdout).plan.nextVersion, 1);

    const began = performance.now();
    await stranger.waitForLine(/\] capturing/, minutes, "the capture to begin");
    await stranger.waitForLine(/\] finishing/, 4 * minutes, "the disk to be read and sent");
    await stranger.waitForLine(/\] rebooting +into its own disk, which is now kiosk/, minutes, "the image to be made");
    t.diagnostic(`${Math.round(performance.now() - began)} ms; ${/finishing +(.*)/.exec(stranger.consoleText())?.[1]}`);
    const session = await sessionOf("kiosk");
    const watch = ["session", "watch", String(session.id), "--max-time", "60s", "--no-input"];
    await lab.bootcast(watch, { timeoutMs: 90_000 });
    await stranger.stop();

    assert.doesNotMatch(stranger.consoleText(), /\] erasing|FAILED/);
    assert.equal(await sha256Of(disk), untouched);
    await lab.bootcast(["image", "import", golden, "--name", "imported", "--no-input"], { timeoutMs: 5 * minutes });
    const { publicKey } = await loadSiteKey(lab.dataDir);
    const store = await openStore(join(lab.dataDir, "store"), [publicKey]);
    const [captured, imported] = await Promise.all(
      ["kiosk", "imported"].map(async (image) => (await store.readManifest(image)).manifest),
    );
    assert(captured !== undefined && imported !== undefined);
    assert.deepEqual(captured.root, imported.root);
    assert.deepEqual([...captured.cells.runs()], [...imported.cells.runs()]);
    assert.deepEqual(captured.partitions, imported.partitions);
    const builder = `captured from ${name}, session ${session.id}`;
    assert.deepEqual([captured.tag.notes, captured.tag.builder], ["as delivered", builder]);
    assert.deepEqual(await checkImage(store, captured), []);
    const source = await openFileSource(golden);
    for await (const cell of differingCells(captured, source)) assert.fail(`cell ${cell} is another one`);
    await source.close();

    const { kind, state, imageVersion, hosts } = await sessionOf("kiosk");
    assert.deepEqual([kind, state, imageVersion], ["capture", "done", 1]);
    t.diagnostic(JSON.stringify(hosts[0]?.timings));
  });

  type Session = {
    readonly id: number;
    readonly kind: string;
    readonly image: string;
    readonly state: string;
    readonly imageVersion: number;
    readonly hosts: readonly { readonly timings: object }[];
  };

  async function sessionOf(image: string): Promise<Session> {
    const { stdout } = await lab.bootcast(["session", "list", "--json"]);
    const found = (JSON.parse(stdout) as { sessions: Session[] }).sessions.find((session) => session.image === image);
    assert(found !== undefined, stdout);
    return JSON.parse((await lab.bootcast(["session", "show", `${found.id}`, "--json"])).stdout) as Session;
  }
});
