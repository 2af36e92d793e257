import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { MOST_QR_BYTES, qrLines, qrModules } from "../../../agent/display/qr-code.ts";

const run = promisify(execFile);

/** What zbar, a reader that others wrote, sees in a picture. */
async function seen(pixels: readonly (readonly boolean[])[], folder: string): Promise<string> {
  const scale = 6;
  const rows = pixels.flatMap((row) => {
    const line = row.flatMap((isDark) => Array<string>(scale).fill(isDark ? "1" : "0")).join(" ");
    return Array<string>(scale).fill(line);
  });
  const file = join(folder, "code.pbm");
  await writeFile(file, `P1\n${pixels[0]!.length * scale} ${rows.length}\n${rows.join("\n")}\n`);
  return (await run("zbarimg", ["--raw", "--quiet", file])).stdout.trimEnd();
}

test("another program reads what stands on the screen", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "bootcast-qr-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const text of ["DISK_WRITE lab-07 41", "A", "x".repeat(MOST_QR_BYTES), "ERASE_NOT_PERMITTED lab-31 1048576"]) {
    const lines = qrLines(text);
    assert(lines.length === 14 && lines.every((line) => line.length === 27));
    const pixels = lines.flatMap((line) => [
      Array.from(line, (sign) => sign === " " || sign === "▄"),
      Array.from(line, (sign) => sign === " " || sign === "▀"),
    ]);
    assert.equal(await seen(pixels, folder), text.slice(0, MOST_QR_BYTES));
  }
});

test("a code is 25 modules square, and its three corners are finders", () => {
  const modules = qrModules("DISK_WRITE");
  assert(modules.length === 25 && modules.every((row) => row.length === 25));
  for (const [row, column] of [
    [0, 0],
    [0, 18],
    [18, 0],
  ] as const) {
    const finder = modules.slice(row, row + 7).map((line) =>
      line
        .slice(column, column + 7)
        .map(Number)
        .join(""),
    );
    assert.deepEqual(finder, ["1111111", "1000001", "1011101", "1011101", "1011101", "1000001", "1111111"]);
  }
});
