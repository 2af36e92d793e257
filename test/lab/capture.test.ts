import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { differingCells } from "../../images/verify.ts";
import { goldenDisk } from "../../scripts/golden/build.ts";
import { type Lab, openLab } from "../../scripts/lab/lab.ts";
import { labProblem } from "../../scripts/lab/namespace.ts";
import { openFileSource } from "../../server/images/file-source.ts";
import { checkImage } from "../../server/store/image-check.ts";
import { loadSiteKey } from "../../server/store/keys.ts";
import { openStore } from "../../server/store/store.ts";

const minutes = 60_000;

describe("a real machine's disk becomes an image", { skip: labProblem("machines") ?? false }, () => {
  let directory: string;
  let golden: string;
  let lab: Lab;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "capture-"));
    golden = await goldenDisk((text) => console.error(text));
    lab = await openLab({ directory, dhcp: "full" });
    await lab.bootcast(["boot-image", "build", "--no-input"], { timeoutMs: 15 * minutes });
    await lab.serve();
  });
  after(async () => {
    await lab?.close();
    await rm(directory, { recursive: true, force: true });
  });

  test("ordered while it waits: what is sent is what an import of the disk makes, and the disk is as before", {
    timeout: 8 * minutes,
  }, async (t) => {
    const before = await sha256Of(golden);
    const pc = await lab.startMachine({
      name: "capture",
      firmware: "bios",
      mac: "52:54:00:bc:00:61",
      uuid: "8f3c2b1a-6d5e-4f70-9a8b-1c2d3e4f5a61",
      disks: [{ path: golden, isThrowAway: true }],
    });
    await pc.waitForLine(/\] waiting/, 5 * minutes, "the machine to wait for an order");
    const ordered = await lab.bootcast(["capture", "lab-01", "--as", "kiosk", "--notes", "as delivered", "--json"]);
    assert.equal(JSON.parse(ordered.stdout).plan.nextVersion, 1);

    const began = performance.now();
    await pc.waitForLine(/\] capturing/, minutes, "the capture to begin");
    await pc.waitForLine(/\] finishing/, 4 * minutes, "the disk to be read and sent");
    await pc.waitForLine(/\] rebooting +into its own disk, which is now kiosk/, minutes, "the image to be made");
    t.diagnostic(`${Math.round(performance.now() - began)} ms; ${/finishing +(.*)/.exec(pc.consoleText())?.[1]}`);
    await lab.bootcast(["session", "watch", "1", "--max-time", "60s", "--no-input"], { timeoutMs: 90_000 });
    await pc.stop();

    assert.doesNotMatch(pc.consoleText(), /\] erasing|FAILED/);
    assert.equal(await sha256Of(golden), before);
    await lab.bootcast(["image", "import", golden, "--name", "imported", "--no-input"], { timeoutMs: 5 * minutes });
    const { publicKey } = await loadSiteKey(lab.dataDir);
    const store = await openStore(join(lab.dataDir, "store"), [publicKey]);
    const [captured, imported] = await Promise.all(
      ["kiosk", "imported"].map(async (name) => (await store.readManifest(name)).manifest),
    );
    assert(captured !== undefined && imported !== undefined);
    assert.deepEqual(captured.root, imported.root);
    assert.deepEqual([...captured.cells.runs()], [...imported.cells.runs()]);
    assert.deepEqual(captured.partitions, imported.partitions);
    assert.deepEqual([captured.tag.notes, captured.tag.builder], ["as delivered", "captured from lab-01, session 1"]);
    assert.deepEqual(await checkImage(store, captured), []);
    const disk = await openFileSource(golden);
    for await (const cell of differingCells(captured, disk)) assert.fail(`cell ${cell} is another one`);
    await disk.close();

    const { sessions } = JSON.parse((await lab.bootcast(["session", "list", "--json"])).stdout);
    assert.deepEqual([sessions[0].kind, sessions[0].state, sessions[0].imageVersion], ["capture", "done", 1]);
    t.diagnostic(JSON.stringify(sessions[0].hosts[0].timings));
  });
});

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}
