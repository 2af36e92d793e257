import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { goldenDisk } from "../../scripts/golden/build.ts";
import { masterHardwareUuid } from "../../scripts/golden/mac-volume.ts";
import { openLab } from "../../scripts/lab/lab.ts";
import { type Machine, type MachineOptions, startMachine } from "../../scripts/lab/machine.ts";
import { labProblem, type Namespace, openNamespace } from "../../scripts/lab/namespace.ts";
import { childrenOf } from "../../scripts/lab/processes.ts";

describe("the lab's network", { skip: labProblem() ?? false }, () => {
  test("vanishes with everything in it when its maker is killed", async (t) => {
    const maker = spawn(process.execPath, [join(import.meta.dirname, "maker.ts")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(() => maker.kill("SIGKILL"));
    const [line] = (await once(maker.stdout, "data")) as [Buffer];
    const inside = Number(line.toString());
    assert(inside > 1 && maker.pid !== undefined);
    const holders = childrenOf(maker.pid);
    assert(existsSync(`/proc/${inside}`) && holders.length > 0);
    maker.kill("SIGKILL");
    await until(() => ![inside, ...holders].some((pid) => existsSync(`/proc/${pid}`)), "the lab's processes to end");
  });

  test("is seen from inside only, and computers on one switch reach each other", async (t) => {
    const [one, two] = [await open(t), await open(t)];
    // The same names in two labs at once do not meet.
    for (const namespace of [one, two]) {
      await namespace.addBridge("br0", "10.77.0.1/24");
      await namespace.addNetns("router", "10.77.0.2/24", "br0");
      await namespace.addTap("tap-pc", "br0");
    }
    assert.deepEqual((await one.run("ls", ["/sys/class/net"])).stdout.trim().split("\n").toSorted(), [
      ...["br0", "lo", "router", "tap-pc"],
    ]);
    assert(!existsSync("/sys/class/net/tap-pc") && !existsSync("/run/netns/router"));

    const listener = one.spawn(process.execPath, ["-e", tcpEcho]);
    await once(listener.stdout, "data");
    const said = await one.run(process.execPath, ["-e", tcpAsk], { netns: "router", input: "" });
    assert.equal(said.stdout, "10.77.0.2");
    assert.equal((await listener.stop()).signal, null);
  });

  test("takes names that ip itself has a meaning for", async (t) => {
    const namespace = await open(t);
    await namespace.addBridge("b", "10.77.0.1/24");
    await namespace.addNetns("a", "10.77.0.2/24", "b");
    await namespace.addTap("t", "b");
    const { stdout } = await namespace.run("ls", ["/sys/class/net"]);
    assert.deepEqual(stdout.trim().split("\n").toSorted(), ["a", "b", "lo", "t"]);
  });

  test("gives a command's input, directory, environment and exit code", async (t) => {
    const namespace = await open(t);
    const script = 'cat; pwd; echo "$WORD" >&2; exit 3';
    const options = { input: "given\n", cwd: "/usr", env: { ...process.env, WORD: "word" } };
    const result = await namespace.tryRun("sh", ["-c", script], options);
    assert.deepEqual(result, { stdout: "given\n/usr\n", stderr: "word\n", exitCode: 3 });
    await assert.rejects(namespace.run("sh", ["-c", script], options), {
      code: "LAB_COMMAND_FAILED",
      why: /given\n\/usr\nword/,
    });
  });

  test("kills a command that takes too long, and says what it had written", async (t) => {
    const namespace = await open(t);
    const slow = namespace.run("sh", ["-c", "echo begun; exec sleep 600"], { timeoutMs: 500 });
    await assert.rejects(slow, { code: "LAB_TIMEOUT", what: /within 500 ms/, why: /begun/ });
    const { stdout } = await namespace.run("ps", ["-e", "-o", "stat=,comm="]);
    const living = stdout.split("\n").filter((line) => /sleep/.test(line) && !line.startsWith("Z"));
    assert.deepEqual(living, []);
  });
});

describe("a lab machine", { skip: labProblem("machines") ?? false }, () => {
  test("with no disk and no cable: console, monitor, power cut, power on, a QEMU that dies", {
    timeout: 120_000,
  }, async (t) => {
    const machine = await start(t, { name: "bare", firmware: "bios", disks: [], boot: "disk" });
    await machine.waitForLine(`Machine UUID ${identity.uuid}`, 30_000, "the firmware");
    assert.equal(await machine.status(), "running");

    const beforeReset = machine.mark();
    await machine.reset();
    await machine.waitForLine("SeaBIOS", 30_000, "the firmware after the reset", beforeReset);

    await assert.rejects(machine.waitForLine("never shown", 200, "what nobody writes"), {
      code: "LAB_TIMEOUT",
      what: /Machine bare: waited 0.2 s for what nobody writes \(\/never shown\/\)/,
      why: /last 30 lines[\s\S]*SeaBIOS/,
    });

    const cut = assert.rejects(machine.waitForLine("never shown", 30_000, "nothing"), { code: "MACHINE_OFF" });
    await machine.cutPower();
    await cut;
    assert.equal(await machine.status(), "off");

    const beforePower = machine.mark();
    await machine.powerOn();
    await machine.waitForLine("SeaBIOS", 30_000, "the firmware after the power cut", beforePower);

    const dead = assert.rejects(machine.waitForLine("never shown", 30_000, "nothing"), {
      code: "MACHINE_DIED",
      what: /QEMU ended \(SIGKILL|QEMU ended \(exit code 137/,
      why: /SeaBIOS/,
    });
    machine.kill();
    await dead;
  });

  test("asks the network first, and boots its golden disk when nobody there has a boot file; Linux reads its HFS+ volume", {
    timeout: 900_000,
  }, async (t) => {
    const directory = await temporary(t);
    const lab = await openLab({ directory, dhcp: "proxy" });
    t.after(() => lab.close());
    const path = await goldenDisk();
    const machine = await lab.startMachine({
      ...identity,
      name: "pc",
      firmware: "bios",
      disks: [{ path, isThrowAway: true }],
    });
    await machine.waitForLine("10.77.0.1", 60_000, "an address from the site's DHCP server");
    await machine.waitForLine("Welcome to GRUB", 90_000, "the disk's boot loader");
    assert.match(lab.routerLog(), new RegExp(`DHCPACK.*${identity.mac}`));

    await machine.waitForLine("golden login:", 240_000, "the golden system's login prompt");
    machine.type("root\n");
    await machine.waitForLine(/root@golden:~# /, 60_000, "the shell");
    machine.type("mount -t hfsplus -o ro /dev/vda3 /mnt && find /mnt -printf '%P %u %m %s %l\\n'; echo found=$?\n");
    await machine.waitForLine("found=0", 60_000, "the HFS+ volume to be listed");
    const listed = machine.consoleText();
    const byHost = "Users/dean/Library/Preferences/ByHost";
    assert.match(
      listed,
      new RegExp(`^${byHost}/com\\.apple\\.screensaver\\.${masterHardwareUuid}\\.plist 501 600 \\d+`, "m"),
    );
    assert.match(listed, /^System\/Library\/CoreServices\/SystemVersion\.plist root 644 \d+/m);
    assert.match(listed, /^etc root 755 11 private\/etc/m);
  });
});

const identity = { mac: "52:54:00:ab:cd:01", uuid: "10770000-0000-4000-8000-000000000001" };

const tcpEcho = `require("node:net").createServer((socket) => socket.end(socket.remoteAddress.replace("::ffff:", "")))
  .listen(7000, "10.77.0.1", () => console.log("listening"));
  process.on("SIGTERM", () => process.exit(0));`;
const tcpAsk = `require("node:net").connect(7000, "10.77.0.1").on("data", (bytes) => process.stdout.write(bytes));`;

async function open(t: TestContext): Promise<Namespace> {
  const namespace = await openNamespace();
  t.after(() => namespace.close());
  return namespace;
}

async function temporary(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "lab-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A machine without a cable, in a network of its own; `kill` ends QEMU behind its back. */
async function start(
  t: TestContext,
  options: Pick<MachineOptions, "name" | "firmware" | "disks" | "boot">,
): Promise<Machine & { kill(): void }> {
  const directory = await temporary(t);
  const namespace = await open(t);
  const machine = await startMachine({ ...identity, ...options, namespace, directory });
  return { ...machine, kill: () => void qemuIn(directory).then((pid) => process.kill(pid, "SIGKILL")) };
}

async function qemuIn(directory: string): Promise<number> {
  for (const pid of childrenOf(process.pid).flatMap(childrenOf)) {
    const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (line.startsWith("qemu-system-x86_64") && line.includes(directory)) return pid;
  }
  throw new Error(`no QEMU uses ${directory}`);
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const deadline = performance.now() + 10_000; !condition(); ) {
    assert(performance.now() < deadline, `waited 10 s for ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}
