import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Lab, openLab } from "../../scripts/lab/lab.ts";
import type { Machine } from "../../scripts/lab/machine.ts";
import { labProblem } from "../../scripts/lab/namespace.ts";
import { machine as inventory } from "../server/core.ts";

/**
 * A person at a machine: SeaBIOS with its card's own iPXE shows the menu, a key and a PIN order the image, and the
 * script goes on to the kernel. The kernel is none, because the rest is told elsewhere.
 */
const mac = "52:54:00:bc:00:51";
// Known by the server: an order is only taken from the machine that registered with it.
const uuid = "8f3c2b1a-6d5e-4f70-9a8b-1c2d3e4f5a51";
const pin = "490215";
const wrongPin = "111111";

describe("the menu on a machine's screen", { skip: labProblem("machines") ?? false }, () => {
  let directory: string;
  let lab: Lab;
  let pc: Machine;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "menu-"));
    lab = await openLab({
      directory,
      dhcp: "full",
      settings: {
        "boot.menu": true,
        "boot.menu_seconds": 30,
        "boot.menu_pin": pin,
        "boot.menu_image": ["lab-small", "not-imported"],
      },
    });
    const boot = join(lab.dataDir, "boot");
    await mkdir(boot);
    for (const name of ["vmlinuz", "initramfs.img", "memtest.bin"]) await writeFile(join(boot, name), "not a program");
    const disk = join(directory, "small.raw");
    await writeFile(disk, "");
    await truncate(disk, 8 * 1024 * 1024);
    await lab.namespace.run("sfdisk", ["--quiet", disk], { input: "label: gpt\nsize=4MiB\n" });
    await lab.bootcast(["image", "import", disk, "--name", "lab-small", "--no-input"], { timeoutMs: 60_000 });
    await lab.serve();
    await lab.namespace.run("curl", [
      ...["-sS", "--fail", "-H", "content-type: application/json", "-d", JSON.stringify(inventory(1, { mac, uuid }))],
      "http://10.77.0.1:8440/agent/v1/hosts",
    ]);
    pc = await lab.startMachine({
      name: "menu",
      firmware: "bios",
      mac,
      uuid,
      disks: [],
      memoryMebibytes: 256,
    });
  });
  after(async () => {
    await lab?.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** Presses the keys when `screen` has appeared, and gives where the console was then. */
  async function at(screen: RegExp | string, keys: string, from = 0): Promise<number> {
    await pc.waitForLine(screen, 60_000, `${screen} on the screen`, from);
    const here = pc.mark();
    pc.type(keys);
    return here;
  }

  async function choose(key: string, yes: RegExp, from: number, typed: string): Promise<number> {
    let here = await at(/starts from its disk/, key, from);
    here = await at(yes, "y", here);
    await pc.waitForLine(/Type the PIN/, 10_000, "the question for the PIN", here);
    for (const digit of typed) {
      here = pc.mark();
      pc.type(digit);
      if (digit !== typed.at(-1)) await pc.waitForLine(/Type the PIN/, 10_000, "the next digit's turn", here);
    }
    return here;
  }

  const chooseImage = (from: number, typed: string) => choose("1", /Yes, erase the disk/, from, typed);

  test("a wrong PIN orders nothing, the right one orders this machine and goes on to the kernel", {
    timeout: 120_000,
  }, async () => {
    const refused = await chooseImage(0, wrongPin);
    await pc.waitForLine(/The PIN was wrong/, 20_000, "the refusal", refused);
    assert.deepEqual(JSON.parse((await lab.bootcast(["session", "list", "--json"])).stdout).sessions, []);

    const again = await at(/press a key to go on/, " ", refused);
    const ordered = await chooseImage(again, pin);
    await pc.waitForLine(/session 1: lab-small, version 1, for lab-01/, 20_000, "the order", ordered);
    await lab.waitForServerLog(/"url":"\/boot\/vmlinuz","bytes":13/, 20_000, "the kernel to be fetched");

    const { id, hosts } = JSON.parse((await lab.bootcast(["session", "show", "--json"])).stdout);
    assert.deepEqual([id, hosts.map((host: { name: string }) => host.name)], [1, ["lab-01"]]);
    assert.match(pc.consoleText(), /Memory test/);
    assert.doesNotMatch(pc.consoleText(), /not-imported/);
    for (const secret of [pin, wrongPin]) {
      assert(!lab.serverLog().includes(secret), "a PIN stands in the server's log");
      assert(!pc.consoleText().includes(secret), "a PIN stands on the screen");
    }
  });

  test("its disk is captured when the person says so, and nothing is erased", { timeout: 120_000 }, async () => {
    await lab.bootcast(["session", "stop", "1"]);
    const off = pc.mark();
    await pc.reset();
    const ordered = await choose("c", /Yes, capture the disk of this machine/, off, pin);
    await pc.waitForLine(/session 2: the disk of lab-01 becomes the image lab-01/, 20_000, "the order", ordered);
    const { sessions } = JSON.parse((await lab.bootcast(["session", "list", "--json"])).stdout);
    assert.deepEqual([sessions[0].kind, sessions[0].image, sessions[0].state], ["capture", "lab-01", "active"]);
  });
});
