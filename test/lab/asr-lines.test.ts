import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type LabProcess, labProblem, type Namespace, openNamespace } from "../../scripts/lab/namespace.ts";
import { clean } from "../cli/program.ts";
import { digestOf, result, until } from "./said.ts";

/**
 * Every command line that the two articles about asr print, and every one of asr's newer spelling, run with bootcast:
 * images and configurations lie in one folder, disks are files of it, and servers are named as this network names them.
 */

const root = join(import.meta.dirname, "../..");
const node = join(root, "node_modules/.bin/node");
const diskBytes = 4 * 1024 * 1024;
const marks = "\tRestoring  ....10....20....30....40....50....60....70....80....90....100\n";

/** `typed` answers the question; it is not asked without. */
type Line = {
  readonly line: string;
  readonly typed?: string;
  /** The file that then holds the image. */
  readonly restored?: string;
  readonly code?: number;
  readonly stdout?: RegExp;
  readonly stderr?: RegExp;
};

const alone: readonly Line[] = [
  // MacTech 21:05, "Ghost In The Machine".
  {
    line: `asr -source "Mac OS X Install DVD.dmg/" -target Firewire.raw/ -erase`,
    typed: "y",
    restored: "Firewire.raw",
    stdout: /\tErase contents of .*Firewire\.raw\? \[ny\]: /,
  },
  { line: "asr -source System_asr.dmg -target Volumes.raw/ -noverify -erase", typed: "y", restored: "Volumes.raw" },
  { line: "asr -source System_asr.dmg -target refused.raw/ -noverify -erase", typed: "n", code: 5 },
  // Peachpit, "Using ASR Multicast".
  { line: "asr -imagescan image.dmg" },
  {
    // Not the target of the line that runs beside it: one that is being written to is refused first.
    line: "asr -source afp://fileserver.com/image.dmg -target MacintoshHD2.raw -erase",
    code: 1,
    stderr: /AFP is gone.*\n.*mounted share.*http:\/\/ and https:\/\//,
  },
  // asr(8) since 10.6.
  {
    line: "asr restore --source System_asr.dmg --target new.raw --erase --noprompt",
    restored: "new.raw",
    stdout: /\tVerifying {2}\.\.\.\./,
  },
  {
    line: "asr restore --source System_asr.dmg --target puppet.raw --erase --noprompt --noverify --puppetstrings --timeout 30",
    restored: "puppet.raw",
    stdout: /^XSTA\tstart\n(.*\n)*PINF\t100\t100\trestore\n/,
  },
  { line: "asr restore --source System_asr.dmg --file saved.raw", restored: "saved.raw" },
  { line: "asr imagescan --source image.dmg --filechecksum --nostream", stderr: /--nostream: not applicable here/ },
  { line: "asr info --source image.dmg", stdout: /image\.dmg/ },
  { line: "asr version", stdout: /^bootcast / },
  { line: "asr help", stdout: /asr restore --source S --target T --erase/ },
  { line: "asr restore --source System_asr.dmg --target unordered.raw", code: 5, stderr: /ERASE_NOT_ORDERED/ },
  { line: "asr restore --source asr://nobody.local --target nobody.raw", code: 5, stderr: /ERASE_NOT_ORDERED/ },
  {
    line: "asr restore --source System_asr.dmg --target format.raw --erase --format HFS+",
    code: 2,
    stderr: /ASR_OPTION/,
  },
];

/** A server's line and its client's, and what is written before. Each has a network of its own: they run side by side. */
const casts: readonly {
  readonly number: number;
  readonly before: readonly Line[];
  readonly server: string;
  readonly client: Line;
}[] = [
  {
    // MacTech 21:05, with the slash that stands in it.
    number: 1,
    before: [
      { line: 'asr config Desktop/asrcast "Data Rate" -int 3000000' },
      { line: 'asr config Desktop/asrcast "Multicast Address" -string 239.192.66.9' },
      { line: "asr config Desktop/asrcast", stdout: /^Data Rate: 3000000\nMulticast Address: 239\.192\.66\.9\n$/ },
    ],
    server: "asr -source system_asr.dmg -server Desktop/asrcast.plist/",
    client: {
      line: `asr -source asr://bootcast-10-68-1-1.local -target System.raw -noverify -erase`,
      typed: "y",
      restored: "System.raw",
    },
  },
  {
    // Peachpit.
    number: 2,
    before: [],
    server: "asr -source multicastimage.dmg -server configuration.plist",
    client: {
      line: `asr -source asr://10.68.2.1 -target MacintoshHD.raw -erase`,
      typed: "y",
      restored: "MacintoshHD.raw",
    },
  },
  {
    number: 3,
    before: [],
    server: `asr server --source multicastimage.dmg --config configuration.plist --interface 10.68.3.1`,
    client: { line: `asr restore --source asr://10.68.3.1 --file F.raw`, restored: "F.raw" },
  },
];

describe("the command lines of the articles", { skip: labProblem() ?? false, timeout: 180_000, concurrency: 4 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-asr-lines-"));
  let lab: Namespace;
  let digest: string;

  before(async () => {
    const golden = join(directory, "golden.raw");
    const file = await open(golden, "w");
    await file.truncate(diskBytes);
    await file.write(randomBytes(diskBytes / 2), 0, diskBytes / 2, 1024 * 1024);
    await file.close();
    digest = await digestOf(golden);
    lab = await openNamespace();
    for (const { number } of casts) {
      await lab.addBridge(`br${number}`);
      await lab.addNetns(`server${number}`, `10.68.${number}.1/24`, `br${number}`);
      await lab.addNetns(`client${number}`, `10.68.${number}.11/24`, `br${number}`);
    }
    for (const words of [
      ["image", "import", "golden.raw", "--name", "golden"],
      ["image", "export", "golden", "System_asr.dmg", "--format", "udzo"],
      ["asr", "config", "configuration.plist", "Data Rate", "6000000"],
      ["asr", "config", "configuration.plist", "Multicast Address", "239.192.66.10"],
    ]) {
      const { exitCode, stderr } = await result(bootcast("client1", words));
      assert.equal(exitCode, 0, `${words.join(" ")}: ${stderr}`);
    }
    const names = ["image.dmg", "system_asr.dmg", "multicastimage.dmg", "Mac OS X Install DVD.dmg"];
    for (const name of names) await lab.run("cp", ["System_asr.dmg", name], { cwd: directory });
    await lab.run("mkdir", ["Desktop"], { cwd: directory });
  });

  after(async () => {
    await lab?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  function bootcast(netns: string, words: readonly string[]): LabProcess {
    const env = clean({ BOOTCAST_DATA_DIR: join(directory, "data") });
    return lab.spawn(node, [join(root, "cli/main.ts"), ...words], { netns, cwd: directory, env });
  }

  async function run({ line, typed, restored, code = 0, stdout, stderr }: Line, netns = "client1"): Promise<void> {
    if (restored !== undefined) await rm(join(directory, restored), { force: true });
    const process = bootcast(netns, wordsOf(line));
    if (typed !== undefined) process.stdin.write(`${typed}\n`);
    const ended = await result(process);
    assert.equal(ended.exitCode, code, `${line}: ${ended.stderr}`);
    if (stdout !== undefined) assert.match(ended.stdout, stdout);
    if (stderr !== undefined) assert.match(ended.stderr, stderr);
    if (restored === undefined) return;
    assert.equal(await digestOf(join(directory, restored)), digest, line);
    if (!line.includes("puppetstrings")) assert(ended.stdout.includes(marks), ended.stdout);
  }

  for (const cast of casts) {
    test(`${cast.server} ► ${cast.client.line}`, async () => {
      for (const line of cast.before) await run(line);
      const sender = bootcast(`server${cast.number}`, wordsOf(cast.server));
      const heard = until(sender, "Ready to start accepting clients");
      const sent = result(sender);
      assert.match(await heard, /^Multicast server configuration:\n\tData Rate: \d+/);
      await run(cast.client, `client${cast.number}`);
      sender.signal("SIGINT");
      const { exitCode, stdout } = await sent;
      assert.equal(exitCode, 130);
      assert.match(stdout, /\nStarting stream \w{3} \w{3} +\d+ +\d\d:\d\d:\d\d \d{4}\n/);
    });
  }

  for (const line of alone) {
    const answer = line.typed === undefined ? "" : `, answered ${line.typed}`;
    test(`${line.line}${answer}`, () => run(line));
  }
});

/** The words after the program's name, as a shell takes them. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"(\S*)|(\S+)/g)].map(([, quoted, behind = "", plain]) => plain ?? quoted! + behind);
}
