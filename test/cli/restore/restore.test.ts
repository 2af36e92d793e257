import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { link, open, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { FileTarget } from "../../../agent/stream/file-target.ts";
import { loopDisksOf } from "../../../cli/restore/refusals.ts";
import { readSitePublicKey } from "../../../server/store/keys.ts";
import { treeFiles } from "../../agent/machine/machine-tree.ts";
import { goldenDisk } from "../../agent/stream/local-stream.ts";
import { bootcast, clean, type Ended, ended, root } from "../program.ts";

const marks = "  ....10....20....30....40....50....60....70....80....90....100\n";

describe("bootcast restore", { concurrency: 2 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-restore-"));
  const golden = join(directory, "golden.raw");
  const dataDir = join(directory, "data");
  const bytes = Buffer.from(goldenDisk().bytes);
  before(() => writeFile(golden, bytes));
  after(() => rmSync(directory, { recursive: true, force: true }));

  function words(target: string, ...more: string[]): string[] {
    return ["restore", "--source", golden, "--target", join(directory, target), "--data-dir", dataDir, ...more];
  }

  /** Runs it with something typed on standard input. */
  function answered(typed: string, given: readonly string[]): Promise<Ended> {
    const child = spawn(process.execPath, [join(root, "cli/main.ts"), ...given], { env: clean(), timeout: 60_000 });
    child.stdin.write(typed);
    return ended(child);
  }

  test("a raw file to a file: the bytes, asr's screen", async () => {
    const { code, stdout, stderr } = await bootcast(words("copy.raw", "--erase", "--noprompt", "--no-input"));
    assert.equal(code, 0, stderr);
    assert.equal(
      stdout,
      `\tValidating target...done\n\tValidating source...done\n\tErasing target device ${join(directory, "copy.raw")}...done\n` +
        `\tValidating sizes...done\n\tRestoring${marks}\tVerifying${marks}\tRemounting target volume...done\n`,
    );
    assert.equal(Buffer.compare(await readFile(join(directory, "copy.raw")), bytes), 0);
  });

  test("an existing file is replaced as a whole", async () => {
    await writeFile(join(directory, "old.raw"), Buffer.alloc(bytes.length + 5_000, 0xee));
    const { code, stdout } = await bootcast(words("old.raw", "--erase", "--noprompt", "--noverify"));
    assert.equal(code, 0);
    assert.doesNotMatch(stdout, /Verifying/);
    assert.equal(Buffer.compare(await readFile(join(directory, "old.raw")), bytes), 0);
  });

  test("an image of the store, with JSON", async () => {
    const imported = await bootcast(["image", "import", golden, "--name", "lab", "--data-dir", dataDir]);
    assert.equal(imported.code, 0, imported.stderr);
    const given = ["restore", "--source", "lab:1", "--target", join(directory, "stored.raw"), "--data-dir", dataDir];
    const { code, stdout, stderr } = await bootcast([...given, "--erase", "--noprompt", "--json"]);
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), {
      image: "lab",
      imageVersion: 1,
      target: join(directory, "stored.raw"),
      diskBytes: bytes.length,
      isVerified: true,
      signedBy: (await readSitePublicKey(dataDir)).fingerprint,
    });
    assert.equal(Buffer.compare(await readFile(join(directory, "stored.raw")), bytes), 0);
  });

  test("an end after the erase says what state the target is in", async () => {
    const damaged = join(directory, "damaged");
    await bootcast(["image", "import", golden, "--name", "lab", "--data-dir", damaged]);
    rmSync(join(damaged, "store", "packs"), { recursive: true });
    const target = join(directory, "half.raw");
    const given = ["restore", "--source", "lab", "--target", target, "--data-dir", damaged, "--erase", "--noprompt"];
    const { code, stderr } = await bootcast(given);
    assert.equal(code, 1);
    assert.match(stderr, /half\.raw is incomplete and does not boot\. \[PACK_MISSING\]/);
  });

  test("the data directory may stand in the configuration file", async () => {
    const configured = join(directory, "configured");
    const file = join(directory, "bootcast.toml");
    await writeFile(file, `data_dir = ${JSON.stringify(configured)}\n`);
    const given = ["restore", "--source", "lab", "--target", join(directory, "no.raw"), "--erase", "--noprompt"];
    const { stderr } = await bootcast(given, { BOOTCAST_CONFIG: file });
    assert.match(stderr, /SOURCE_UNKNOWN/);
    assert(stderr.includes(join(configured, "store")), stderr);
  });

  test("--puppetstrings: one event a line", async () => {
    const { code, stdout } = await bootcast(words("puppet.raw", "--erase", "--noprompt", "--puppetstrings"));
    assert.equal(code, 0);
    assert.match(stdout, /^XSTA\tstart\n/);
    assert.match(stdout, /\nPINF\t100\t100\trestore\n/);
    assert.match(stdout, /\nPINF\t100\t100\tverify\n/);
    assert.match(stdout, /\nXSTA\tfinish\n$/);
    for (const line of stdout.trimEnd().split("\n")) assert.match(line, /^(XSTA|PINF|PASS)\t/);
  });

  test("without --erase nothing happens", async () => {
    for (const source of [golden, "asr://127.0.0.1:1"]) {
      const { code, stderr } = await bootcast(["restore", "--source", source, "--target", join(directory, "no.raw")]);
      assert.equal(code, 5);
      assert.match(stderr, /ERASE_NOT_ORDERED/);
    }
    assert.equal(existsSync(join(directory, "no.raw")), false);
  });

  for (const typed of ["yes\n", "Y\n"]) {
    test(`the question, answered ${JSON.stringify(typed)}, goes on`, async () => {
      const { code, stdout, stderr } = await answered(typed, words(`${typed.trim()}.raw`, "--erase", "--noverify"));
      assert.equal(code, 0, stderr);
      assert(stdout.includes(`\tErase contents of ${join(directory, `${typed.trim()}.raw`)}? [ny]: `), stdout);
    });
  }

  for (const typed of ["n\n", "", "yep\n"]) {
    test(`the question, answered ${JSON.stringify(typed)}, erases nothing`, async () => {
      const { code, stderr } = await answered(typed, words("refused.raw", "--erase"));
      assert.equal(code, 5, stderr);
      assert.match(stderr, /CONFIRM_WRONG/);
      assert.equal(existsSync(join(directory, "refused.raw")), false);
    });
  }

  test("nobody to ask: refused", async () => {
    const { code, stderr } = await bootcast(words("refused.raw", "--erase", "--no-input"));
    assert.deepEqual([code, /CONFIRM_MISSING/.test(stderr)], [5, true]);
  });

  test("targets that cannot be are refused before anything", async () => {
    const cases: [string, string][] = [
      ["/dev/null", "TARGET_KIND"],
      [directory, "TARGET_KIND"],
      ["/dev/no-such-disk", "TARGET_UNKNOWN"],
      [join(directory, "none/x.raw"), "TARGET_UNKNOWN"],
    ];
    for (const [target, faultCode] of cases) {
      const { code, stderr } = await bootcast([
        "restore",
        "--source",
        golden,
        "--target",
        target,
        "--erase",
        "--noprompt",
      ]);
      assert.notEqual(code, 0);
      assert.match(stderr, new RegExp(`\\[${faultCode}\\]`));
    }
  });

  test("the source is never its own target", async () => {
    const { code, stderr } = await bootcast(words("golden.raw", "--erase", "--noprompt"));
    assert.equal(code, 5);
    assert.match(stderr, /TARGET_IS_SOURCE/);
    assert.equal(Buffer.compare(await readFile(golden), bytes), 0);
  });

  test("a file of the data directory is never a target: it may hold the source, or the site's key", async () => {
    mkdirSync(join(dataDir, "store"), { recursive: true });
    const file = join(dataDir, "store", "some-pack");
    await writeFile(file, "content");
    await symlink(file, join(directory, "to-pack"));
    for (const target of ["data/store/some-pack", "to-pack"]) {
      const { code, stderr } = await bootcast(words(target, "--erase", "--noprompt"));
      assert.deepEqual([code, /TARGET_IS_SOURCE/.test(stderr)], [5, true], stderr);
    }
    assert.equal(await readFile(file, "utf8"), "content");
  });

  test("a link to the source, or to nothing, is refused", async () => {
    await symlink(golden, join(directory, "to-golden"));
    await link(golden, join(directory, "hard-golden"));
    await symlink(join(directory, "absent"), join(directory, "to-nothing"));
    for (const [target, wanted] of [
      ["to-golden", "TARGET_IS_SOURCE"],
      ["hard-golden", "TARGET_IS_SOURCE"],
      ["to-nothing", "TARGET_UNKNOWN"],
    ] as const) {
      const { code, stderr } = await bootcast(words(target, "--erase", "--noprompt"));
      assert.notEqual(code, 0);
      assert.match(stderr, new RegExp(wanted));
    }
    assert.equal(existsSync(join(directory, "absent")), false);
    assert.equal(Buffer.compare(await readFile(golden), bytes), 0);
  });

  test("a file that a loop device is made of is found by its path", () => {
    const files: Record<string, string> = { "/sys/block/loop3/loop/backing_file": "/srv/disk.raw\n" };
    const machine = treeFiles({ files, links: {} });
    assert.deepEqual(loopDisksOf("/srv/disk.raw", machine), ["/dev/loop3"]);
    assert.deepEqual(loopDisksOf("/srv/other.raw", machine), []);
  });

  test("what is not what was looked at is not emptied", async () => {
    const device = new FileTarget("/dev/null", 1);
    await assert.rejects(device.create({ found: { dev: 0, ino: 0 } }), { code: "TARGET_CHANGED" });
    const path = join(directory, "looked-at.raw");
    await writeFile(path, "somebody else's");
    const found = await stat(path);
    for (const lookedAt of [{ found: undefined }, { found: { dev: found.dev, ino: found.ino + 1 } }])
      await assert.rejects(new FileTarget(path, 1).create(lookedAt), { code: "TARGET_CHANGED" });
    assert.equal(await readFile(path, "utf8"), "somebody else's");
    const gone = new FileTarget(join(directory, "gone.raw"), 1);
    await assert.rejects(gone.create({ found }), { code: "TARGET_CHANGED" });
    assert.equal(existsSync(gone.path), false);
    const target = new FileTarget(path, 3);
    await target.create({ found });
    await target.close();
    assert.deepEqual(await readFile(path), Buffer.alloc(3));
  });

  test("a file that another program writes to is not erased", async () => {
    const target = join(directory, "written.raw");
    await writeFile(target, "a machine's disk");
    const other = await open(target, "r+");
    try {
      const { code, stderr } = await bootcast(words("written.raw", "--erase", "--noprompt"));
      assert.equal(code, 5);
      assert.match(stderr, new RegExp(`TARGET_BUSY[\\s\\S]*process ${process.pid}\\) has it open for writing`));
    } finally {
      await other.close();
    }
    assert.equal(await readFile(target, "utf8"), "a machine's disk");
    // Who only reads it is no reason.
    const reader = await open(target, "r");
    assert.equal((await bootcast(words("written.raw", "--erase", "--noprompt"))).code, 0);
    await reader.close();
  });

  test("a source of a kind that is gone says what there is", async () => {
    const source = "afp://fileserver.com/image.dmg";
    const given = ["restore", "--source", source, "--target", join(directory, "x.raw"), "--erase", "--noprompt"];
    const { code, stderr } = await bootcast(given);
    assert.equal(code, 1);
    assert.match(stderr, /SOURCE_KIND[\s\S]*fix: Give a disk image file/);
  });

  test("a server that is not there: asked again for a while, and this is said", async () => {
    const target = join(directory, "x.raw");
    const given = ["restore", "--source", "asr://127.0.0.1:1", "--target", target, "--erase", "--noprompt"];
    const { code, stderr } = await bootcast([...given, "--timeout", "1"]);
    assert.equal(code, 10);
    assert.match(stderr, /127\.0\.0\.1:1 does not answer yet; asking for 1 s\./);
    assert.match(stderr, /SERVER_UNREACHABLE/);
  });
});
