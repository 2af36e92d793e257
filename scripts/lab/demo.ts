import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";
import { Fault } from "../../fault.ts";
import { goldenDisk } from "../golden/build.ts";
import { DemoStory } from "./demo-story.ts";
import { type Lab, openLab } from "./lab.ts";

const mebibyte = 1024 * 1024;
const minute = 60_000;
const image = "lab-debian";

const say = (text: string) => process.stdout.write(text);

try {
  await demo();
} catch (error) {
  if (!(error instanceof Fault)) throw error;
  process.stderr.write(`\nThe demo stopped: ${error.what}\n  why: ${error.why}\n  fix: ${error.fix}\n`);
  process.exitCode = 1;
}

async function demo(): Promise<void> {
  const { values: flags } = parseArgs({ options: { bios: { type: "boolean" }, keep: { type: "boolean" } } });
  say("bootcast demo: a blank machine re-images itself over the network, with nobody at the keyboard.\n\n");
  const directory = await mkdtemp(join(tmpdir(), "demo-"));
  let lab: Lab | undefined;
  const cleanUp = async () => {
    await lab?.close();
    await rm(directory, { recursive: true, force: true });
  };
  // Ctrl-C in the middle leaves nothing behind either.
  process.once("SIGINT", () => void cleanUp().finally(() => process.exit(130)));
  try {
    const golden = await step("golden disk", "a small Debian, made here", () =>
      goldenDisk((text) => say(`        ${text}\n`)),
    );
    const settings = { "boot.pass_server": false, "multicast.rate": "2MB/s" };
    const room = await openLab({ directory, dhcp: "full", settings });
    lab = room;
    await shown(room, "image", ["image", "import", golden, "--name", image]);
    await shown(room, "boot image", ["boot-image", "build"]);
    await step("server", "bootcast serve", () => room.serve());
    await step("order", `bootcast deploy ${image} --to any --confirm any`, () =>
      room.bootcast(["deploy", image, "--to", "any", "--confirm", "any", "--no-input"]),
    );
    await watch(room, flags.bios === true ? "bios" : "uefi", directory, flags.keep === true);
  } finally {
    say("\nCleaning up: the machine, the server, their network and their files.\n");
    await cleanUp();
  }
}

async function step<T>(name: string, what: string, work: () => Promise<T>): Promise<T> {
  say(`  ${name.padEnd(12)}${what}\n`);
  return work();
}

/** Runs a `bootcast` command that may take a minute, and shows its progress. */
async function shown(lab: Lab, name: string, args: readonly string[]): Promise<void> {
  // Where things lie on this machine is no part of the story.
  const told = args.map((arg) => basename(arg)).join(" ");
  await step(name, `bootcast ${told}`, async () => {
    const command = lab.spawnBootcast([...args, "--no-input"]);
    let said = "";
    command.stdout.resume();
    command.stderr.on("data", (bytes: Buffer) => {
      said += bytes.toString("utf8");
      const text = bytes.toString("utf8").replaceAll(`${dirname(lab.dataDir)}/`, "");
      say(text.replaceAll(/^(?=.)/gm, "              "));
    });
    const { exitCode } = await command.exited;
    if (exitCode === 0) return;
    throw new Fault("DEMO_FAILED", {
      what: `"bootcast ${told}" ended with code ${exitCode}.`,
      why: said.trim() || "It said nothing.",
      fix: "Solve what it says and run the demo again.",
    });
  });
}

/** Switches the machine on and tells what it does, up to the login prompt of the restored system. */
async function watch(lab: Lab, firmware: "bios" | "uefi", directory: string, isKept: boolean): Promise<void> {
  const began = performance.now();
  const machine = await lab.startMachine({
    name: "blank",
    firmware,
    mac: "52:54:00:bc:00:01",
    uuid: "8f3c2b1a-6d5e-4f70-9a8b-1c2d3e4f5a01",
    disks: [{ sizeBytes: 512 * mebibyte }],
  });
  say(`  machine     ${firmware === "bios" ? "BIOS" : "UEFI"}, 1 GiB, an empty disk of 512 MiB: power on\n\n`);
  const story = new DemoStory(say, () => performance.now() - began);
  const timer = setInterval(() => story.show(machine.consoleText()), 200);
  let name: string | undefined;
  try {
    [, name] = await machine.waitForLine(/\b(\S+) login:/, 15 * minute, "the login prompt of the restored system");
  } finally {
    clearInterval(timer);
    story.show(machine.consoleText());
  }
  const minutes = ((performance.now() - began) / minute).toFixed(1);
  const { stdout: hosts } = await lab.bootcast(["host", "list"]);
  say(`\nThe machine was blank ${minutes} minutes ago. Its console now says:  ${name} login:\n\n${hosts}\n`);
  say("How to look further:\n");
  say("  scripts/demo --keep           the same, and the machine stays until you press Enter\n");
  say("  scripts/bootcast --help       every command, examples first\n");
  say("  BOOTING.md, ARCHITECTURE.md   what you just saw, with the packets\n");
  if (!isKept) return;
  const consoleFile = join(directory, "console.txt");
  await writeFile(consoleFile, machine.consoleText());
  say(`\n  its console until now   ${consoleFile}\n`);
  say(`  ask the server          BOOTCAST_DATA_DIR=${lab.dataDir} scripts/bootcast session list\n`);
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  await terminal.question("\nPress Enter to end it. ");
  terminal.close();
}
