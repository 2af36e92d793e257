import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { goldenDisk } from "../../agent/stream/local-stream.ts";
import { type Trouble, WebServer } from "../../server/images/web-server.ts";
import { bootcast, clean, type Ended, ended, root } from "../program.ts";

const MEBIBYTE = 1024 * 1024;
const marks = "  ....10....20....30....40....50....60....70....80....90....100\n";

describe("bootcast restore from a web server", () => {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-restore-web-"));
  const bytes = Buffer.from(goldenDisk().bytes);
  const path = (name: string) => join(directory, name);
  let server: WebServer;

  before(async () => {
    const golden = path("golden.raw");
    await writeFile(golden, bytes);
    const imported = await bootcast(["image", "import", golden, "--name", "lab", "--data-dir", path("site")]);
    assert.equal(imported.code, 0, imported.stderr);
    const exported = ["image", "export", "lab", path("lab.dmg"), "--format", "udzo", "--data-dir", path("site")];
    assert.equal((await bootcast(exported)).code, 0);
    const scanned = await bootcast(["image", "scan", path("lab.dmg"), "--data-dir", path("site")]);
    assert.equal(scanned.code, 0, scanned.stderr);
    server = await WebServer.start({
      "/golden.raw": bytes,
      "/large.raw": goldenDisk(40 * MEBIBYTE).bytes,
      "/summed.raw": bytes,
      "/summed.raw.sha256": `${createHash("sha256").update(bytes).digest("hex")}  summed.raw\n`,
      "/wrong.raw": bytes,
      "/wrong.raw.sha256": `${createHash("sha256").update("other").digest("hex")}  wrong.raw\n`,
      "/lab.dmg": await readFile(path("lab.dmg")),
      "/signed.dmg": await readFile(path("lab.dmg")),
      "/signed.dmg.bootcast-scan": await readFile(path("lab.dmg.bootcast-scan")),
    });
  });
  beforeEach(() => {
    server.asked.length = 0;
    server.troubles.length = 0;
  });
  after(async () => {
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  function words(from: string, target: string, ...more: string[]): string[] {
    const own = ["restore", "--source", server.url(from), "--target", path(target), "--erase", "--noprompt"];
    return [...own, "--data-dir", path("elsewhere"), ...more];
  }

  async function isCopy(target: string): Promise<boolean> {
    return Buffer.compare(await readFile(path(target)), bytes) === 0;
  }

  test("a raw disk: every byte comes once, and it is said that nothing vouches for it", async () => {
    const { code, stdout, stderr } = await bootcast(words("/golden.raw", "golden-copy.raw"));
    assert.equal(code, 0, stderr);
    assert.equal(
      stdout,
      `\tValidating target...done\n\tValidating source...done\n\tErasing target device ${path("golden-copy.raw")}...done\n` +
        `\tValidating sizes...done\n\tRestoring${marks}\tVerifying${marks}\tRemounting target volume...done\n`,
    );
    assert.match(stderr, /carries no checksums/);
    assert(await isCopy("golden-copy.raw"));
    const pieces = server.asked.filter((line) => line.startsWith("/golden.raw ") && !line.endsWith(" 0-0"));
    assert.equal(new Set(pieces).size, pieces.length, pieces.join());
  });

  test("a raw disk with its checksum", async () => {
    const { code, stdout, stderr } = await bootcast(words("/summed.raw", "summed.raw"));
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Comparing with the file's checksums\.\.\.done/);
    assert(await isCopy("summed.raw"));
  });

  test("a wrong checksum: the partition table is not written", async () => {
    const { code, stderr } = await bootcast(words("/wrong.raw", "wrong.raw"));
    assert.equal(code, 1);
    assert.match(stderr, /wrong\.raw is incomplete and does not boot\. \[SOURCE_DAMAGED\]/);
    assert((await readFile(path("wrong.raw"))).subarray(0, 512).every((byte) => byte === 0));
  });

  test("a .dmg by its own checksums", async () => {
    const { code, stdout, stderr } = await bootcast(words("/lab.dmg", "dmg.raw"));
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Comparing with the file's checksums\.\.\.done/);
    assert(await isCopy("dmg.raw"));
  });

  test("a signed manifest counts where a key is known", async () => {
    const trust = ["--trust", join(path("site"), "keys/site.pub"), "--json"];
    const { code, stdout, stderr } = await bootcast(words("/signed.dmg", "signed.raw", ...trust));
    assert.equal(code, 0, stderr);
    assert.match(JSON.parse(stdout).signedBy, /^[0-9a-f]{64}$/);
    assert(await isCopy("signed.raw"));
  });

  test("where no key is known it is passed over, and this is said", async () => {
    const { code, stderr } = await bootcast(words("/signed.dmg", "unsigned.raw"));
    assert.equal(code, 0, stderr);
    assert.match(stderr, /signed\.dmg\.bootcast-scan is not used, because no key is known here/);
  });

  test("--trust demands a manifest that one of its keys signed", async () => {
    const own = ["--trust", join(path("site"), "keys/site.pub")];
    const absent = await bootcast(words("/lab.dmg", "refused.raw", ...own));
    assert.deepEqual([absent.code, /MANIFEST_ABSENT/.test(absent.stderr)], [5, true], absent.stderr);
    await bootcast(["image", "import", path("golden.raw"), "--name", "x", "--data-dir", path("stranger")]);
    const stranger = ["--trust", join(path("stranger"), "keys/site.pub")];
    const foreign = await bootcast(words("/signed.dmg", "refused.raw", ...stranger));
    assert.deepEqual([foreign.code, /MANIFEST_UNTRUSTED/.test(foreign.stderr)], [5, true], foreign.stderr);
    assert.equal(existsSync(path("refused.raw")), false);
  });

  test("what is not there, and servers without ranges, are refused before anything is erased", async () => {
    for (const [from, wanted] of [
      ["/none.raw", "WEB_MISSING"],
      ["/whole.raw", "WEB_NO_RANGES"],
    ] as const) {
      if (from === "/whole.raw") server.troubles.push((_, response) => response.writeHead(200).end(bytes));
      const { code, stderr } = await bootcast(words(from, "refused.raw"));
      assert.deepEqual([code, stderr.includes(wanted)], [1, true], stderr);
    }
    assert.equal(existsSync(path("refused.raw")), false);
  });

  test("a server that breaks off is asked for the rest", async () => {
    server.troubles.push(
      (_, response, range) => {
        if (range?.first !== MEBIBYTE) return "not this one";
        return response.destroy();
      },
      (_, response) => response.writeHead(503).end(),
    );
    const { code, stderr } = await bootcast(words("/golden.raw", "broken.raw"));
    assert.equal(code, 0, stderr);
    assert.match(stderr, /asking again/);
    assert(await isCopy("broken.raw"));
  });

  test("Ctrl-C in the middle says what the target is now", async () => {
    const child = spawn(process.execPath, [join(root, "cli/main.ts"), ...words("/large.raw", "stopped.raw")], {
      env: clean(),
      timeout: 60_000,
    });
    // Of the middle the server says nothing; the end is looked at before anything is erased.
    const silent: Trouble = (_, __, range) => {
      if (range === undefined || range.first < 16 * MEBIBYTE || range.first >= 39 * MEBIBYTE) return "not this one";
      server.troubles.push(silent);
      return undefined;
    };
    server.troubles.push(silent);
    child.stdout.on("data", (text: Buffer) => {
      if (text.includes("Restoring")) child.kill("SIGINT");
    });
    const { code, stderr }: Ended = await ended(child);
    assert.equal(code, 130, stderr);
    assert.match(stderr, /stopped\.raw is incomplete and does not boot\. \[INTERRUPTED\]/);
    assert((await readFile(path("stopped.raw"))).subarray(0, 512).every((byte) => byte === 0));
  });
});
