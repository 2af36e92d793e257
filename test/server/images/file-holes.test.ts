import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { open, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { holesOf } from "../../../server/images/file-holes.ts";
import { openImage } from "../../../server/images/open-image.ts";
import { writeImage } from "../../../server/images/write-image.ts";

const directory = mkdtempSync(join(tmpdir(), "bootcast-holes-"));
after(() => rmSync(directory, { recursive: true }));

test("the holes of a file are found, and a file without one is all data", async () => {
  const path = join(directory, "full");
  await writeFile(path, Buffer.alloc(8192, 1));
  assert.deepEqual([...(await holesOf(path))!()], [{ startBytes: 0, endBytes: 8192, state: "data" }]);
  assert.equal(await holesOf("/dev/null"), undefined);
});

test("20 GiB of holes with a little in them are written at once", async () => {
  const path = join(directory, "sparse.raw");
  const file = await open(path, "w");
  await file.write(Buffer.alloc(1 << 20, "content"), 0, 1 << 20, 9 * 2 ** 30);
  await file.truncate(20 * 2 ** 30);
  await file.close();
  const image = await openImage(path);
  let readBytes = 0;
  const source = {
    sizeBytes: image.source.sizeBytes,
    async read(at: number, length: number) {
      readBytes += length;
      return image.source.read(at, length);
    },
  };
  for (const format of ["udzo", "sparse"] as const) {
    await writeImage({ source, ranges: image.ranges! }, join(directory, format), { format });
    const copy = await openImage(join(directory, format));
    const place = 9 * 2 ** 30;
    assert.equal(copy.source.sizeBytes, source.sizeBytes);
    assert.deepEqual(await copy.source.read(place - 4096, 1 << 20), await image.source.read(place - 4096, 1 << 20));
    await copy.close();
  }
  await image.close();
  assert(readBytes < 32 << 20, `${readBytes} bytes were read`);
});
