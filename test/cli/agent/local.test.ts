import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Disk, Inventory } from "../../../agent/contract.ts";
import { diskTable, inventoryText, refusalOf } from "../../../cli/agent/local-inventory.ts";
import { packedFiles } from "../../../server/images/packed-image.ts";
import { readSitePublicKey } from "../../../server/store/keys.ts";
import { readStore } from "../../../server/store/store.ts";
import { goldenDisk } from "../../agent/stream/local-stream.ts";
import { bootcast, clean, type Ended, ended, root } from "../program.ts";

describe("bootcast agent --local", { concurrency: 2 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-agent-local-"));
  const dataDir = join(directory, "data");
  const images = join(directory, "images");
  const bytes = Buffer.from(goldenDisk().bytes);
  before(async () => {
    await mkdir(images);
    await writeFile(join(images, "golden.raw"), bytes);
    await writeFile(join(images, "notes.txt"), "not an image");
    const imported = ["image", "import", join(images, "golden.raw"), "--name", "lab", "--data-dir", dataDir];
    assert.equal((await bootcast(imported)).code, 0);
    // As a stick holds it.
    const store = readStore(join(dataDir, "store"), (await readSitePublicKey(dataDir)).trusted);
    const folder = join(images, "lab-1.bootcast");
    await mkdir(folder);
    const image = await store.readManifest("lab");
    for (const file of packedFiles(image, store)) {
      const parts: Uint8Array[] = [];
      for await (const part of file.content()) parts.push(part);
      await writeFile(join(folder, file.name), Buffer.concat(parts));
    }
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  /** Types these lines, all at once as from a pipe. */
  function typed(lines: readonly string[], ...more: string[]): Promise<Ended> {
    const words = ["agent", "--local", "--no-network", "--images", images, "--data-dir", dataDir, ...more];
    const child = spawn(process.execPath, [join(root, "cli/main.ts"), ...words], { env: clean(), timeout: 60_000 });
    child.stdin.write(lines.map((line) => `${line}\n`).join(""));
    return ended(child);
  }

  test("shows the machine, its disks and the images, and restores the chosen one", async () => {
    const target = join(directory, "copy.raw");
    const { code, stdout, stderr } = await typed(["1", target, "y"]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^ {2}machine {3}\S/m);
    assert.match(stdout, /^Disks:$/m);
    assert.match(stdout, /^ {3}1 {2}golden\.raw {2,}\S.* in /m);
    assert.match(stdout, /^ {3}2 {2}lab:1 {2,}disk of 3\.0 MiB, made 20/m);
    assert.match(stdout, /^ {3}3 {2}lab:1 {2,}disk of /m);
    assert.doesNotMatch(stdout, /notes\.txt/);
    assert(stdout.includes(`\tErase contents of ${target}? [ny]: `), stdout);
    assert(stdout.endsWith(`${target} holds golden.raw now.\n`), stdout);
    assert.equal(Buffer.compare(await readFile(target), bytes), 0);
  });

  test("an image as a stick holds it, after a number that nothing has", async () => {
    const target = join(directory, "packed.raw");
    const { code, stdout, stderr } = await typed(["9", "2", target, "yes"]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /There is no image 9\./);
    assert.equal(Buffer.compare(await readFile(target), bytes), 0);
  });

  for (const [name, lines] of [
    ["no answer at all", []],
    ["q for the image", ["q"]],
    ["q for the disk", ["1", "q"]],
    ["an empty line for the disk", ["1", ""]],
  ] as const) {
    test(`${name}: nothing is changed`, async () => {
      const { code, stdout } = await typed(lines);
      assert.equal(code, 0);
      assert.match(stdout, /Nothing was changed\.\n$/);
    });
  }

  for (const answer of ["n", "", "yep"]) {
    test(`the question, answered ${JSON.stringify(answer)}, erases nothing`, async () => {
      const target = join(directory, `refused-${answer}.raw`);
      const { code, stderr } = await typed(["1", target, answer]);
      assert.deepEqual([code, /CONFIRM_WRONG/.test(stderr)], [5, true], stderr);
      assert.equal(existsSync(target), false);
    });
  }

  test("an image that is not there is said", async () => {
    const { code, stderr } = await typed(["/no/such.raw", join(directory, "no.raw")]);
    assert.deepEqual([code, /SOURCE_UNKNOWN/.test(stderr)], [1, true], stderr);
  });

  test("where nobody may be asked it does nothing", async () => {
    const { code, stderr } = await typed([], "--no-input");
    assert.deepEqual([code, /CONFIRM_MISSING/.test(stderr)], [5, true], stderr);
  });
});

const disk: Disk = {
  path: "/dev/sda",
  sizeBytes: 64e9,
  sectorBytes: 512,
  model: "Some SSD",
  serial: "S1",
  wwn: "",
  transport: "sata",
  isRemovable: false,
  isReadOnly: false,
  usedBy: [],
  holds: [{ number: 1, kind: "ntfs", label: "Windows" }],
};

test("a person may choose any disk that is free, and reads why another cannot be", () => {
  const cases: readonly (readonly [Partial<Disk>, RegExp | undefined])[] = [
    [{}, undefined],
    [{ transport: "usb", isRemovable: true }, undefined],
    [{ failing: "worn out" }, undefined],
    [{ holds: [{ number: 0, kind: "luks", label: "" }] }, undefined],
    [{ usedBy: ["/"] }, /in use/],
    [{ isBootMedium: true }, /started from it/],
    [{ isReadOnly: true }, /read-only/],
    [{ sizeBytes: 0 }, /no medium/],
  ];
  for (const [more, wanted] of cases) {
    const refusal = refusalOf({ ...disk, ...more });
    if (wanted === undefined) assert.equal(refusal, undefined);
    else assert.match(refusal ?? "", wanted);
  }
});

test("disks that cannot be chosen have no number", () => {
  const disks = [
    { ...disk, usedBy: ["/"] },
    { ...disk, path: "/dev/sdb", failing: "worn out" },
  ];
  assert.equal(
    diskTable(disks),
    [
      "   -  /dev/sda 59.6 GiB sata Some SSD S1",
      '      holds 1 ntfs "Windows"',
      "      cannot be chosen: it is in use (/)",
      "   1  /dev/sdb 59.6 GiB sata Some SSD S1",
      '      holds 1 ntfs "Windows"',
      "      WARNING: it fails: worn out",
    ].join("\n"),
  );
});

test("a machine that says nothing of itself", () => {
  const inventory: Inventory = {
    mac: "",
    uuid: "",
    serial: "",
    vendor: "",
    model: "",
    firmware: "bios",
    memoryBytes: 2 ** 31,
    cpuCount: 1,
    nics: [],
    disks: [],
    agentVersion: "1",
  };
  assert.equal(
    inventoryText(inventory, new Map()),
    "  machine   unknown machine\n  memory    2.0 GiB, 1 processor, BIOS\n  network   no card",
  );
  const nics = [{ name: "eth0", mac: "52:54:00:00:00:01", linkMegabits: 1000 }];
  assert.match(
    inventoryText({ ...inventory, nics }, new Map([["eth0", "10.0.0.9"]])),
    /^ {2}network {3}eth0 52:54:00:00:00:01, 10\.0\.0\.9, 1000 Mbit\/s$/m,
  );
});
