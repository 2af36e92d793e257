import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { type Lab, openLab } from "../../scripts/lab/lab.ts";
import type { Machine, MachineOptions } from "../../scripts/lab/machine.ts";
import { labProblem } from "../../scripts/lab/namespace.ts";
import { follow, type Stage } from "./rehearsal.ts";

/**
 * Each kind of firmware and network card that the lab has, up to where the agent has registered or, where only the way
 * there differs, up to what the firmware loads. The whole way to a restored disk is told in room.test.ts. Never more
 * than two machines at a time.
 */
const minutes = 60_000;

type Pc = Pick<MachineOptions, "name" | "firmware" | "nic" | "boot" | "program">;

/** What every machine shows that comes to the agent, whatever its firmware is. */
const toAgent: readonly Stage[] = [
  { name: "firmware and loader", ends: /bootcast: Linux \S+ up after/, deadlineMs: 3 * minutes },
  { name: "drivers and network", ends: /bootcast: network up/, deadlineMs: 2 * minutes },
  { name: "registered", ends: /\] waiting/, deadlineMs: 2 * minutes },
];

describe("firmware", { skip: labProblem("machines") ?? false }, () => {
  let directory: string;
  let machines = 0;

  before(
    async () => {
      directory = await mkdtemp(join(tmpdir(), "firmware-"));
      const lab = await openLab({
        directory: join(directory, "prepare"),
        dhcp: "full",
        dataDir: join(directory, "site"),
      });
      try {
        await lab.bootcast(["boot-image", "build", "--arch", "amd64,arm64", "--no-input"], { timeoutMs: 15 * minutes });
      } finally {
        await lab.close();
      }
    },
    { timeout: 16 * minutes },
  );
  after(() => rm(directory, { recursive: true, force: true }));

  /** A lab with the boot images, and a server that runs. */
  async function openRoom(
    t: TestContext,
    name: string,
    options: { dhcp: "full" | "proxy"; settings?: Record<string, boolean> },
  ): Promise<Lab> {
    const own = join(directory, name);
    await mkdir(join(own, "data"), { recursive: true });
    await symlink(join(directory, "site", "boot"), join(own, "data", "boot"));
    await cp(join(directory, "site", "keys"), join(own, "data", "keys"), { recursive: true });
    const lab = await openLab({ ...options, directory: own, dataDir: join(own, "data") });
    t.after(() => lab.close());
    await lab.serve();
    return lab;
  }

  function start(lab: Lab, pc: Pc): Promise<Machine> {
    machines += 1;
    const number = String(machines).padStart(2, "0");
    const mac = `52:54:00:bc:01:${number}`;
    return lab.startMachine({ ...pc, mac, uuid: `8f3c2b1a-6d5e-4f70-9a8b-1c2d3e4f01${number}`, disks: [] });
  }

  /** Follows a machine until its agent has registered, switches it off, and gives its console. */
  async function comesToAgent(t: TestContext, lab: Lab, pc: Pc): Promise<string> {
    const machine = await start(lab, pc);
    const seconds = await follow(machine, toAgent);
    t.diagnostic(`${pc.name}: ${JSON.stringify(seconds)}`);
    await machine.stop();
    return machine.consoleText();
  }

  test("Secure Boot: shim, signed GRUB, signed kernel, on x64 and arm64, beside the site's own DHCP server", {
    timeout: 8 * minutes,
  }, async (t) => {
    const lab = await openRoom(t, "secure", { dhcp: "proxy", settings: { "boot.secure_boot": true } });
    const [x64, arm64] = await Promise.all([
      comesToAgent(t, lab, { name: "secure", firmware: "uefi-secure" }),
      comesToAgent(t, lab, { name: "arm64", firmware: "uefi-arm64" }),
    ]);
    // The kernel itself says that the firmware checked it.
    assert.match(x64, /Secure boot enabled/);
    assert.match(x64, /Kernel is locked down from EFI Secure Boot/);
    assert.match(arm64, /Linux \S+-arm64 up/);
    if (process.env["BOOTCAST_LAB_TRACE"] !== undefined) console.error(lab.serverLog());
  });
});
