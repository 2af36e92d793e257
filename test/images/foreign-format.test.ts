import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { foreignFormatOf } from "../../images/foreign-format.ts";

const none = new Uint8Array(512);

/** 512 bytes that hold `text` at `at`. */
function sector(at: number, text: string): Uint8Array {
  const bytes = Buffer.alloc(512);
  bytes.write(text, at, "latin1");
  return bytes;
}

test("files that are no raw disk image are named", () => {
  assert.equal(foreignFormatOf(gzipSync("disk"), none)?.id, "gzip");
  assert.equal(foreignFormatOf(zstdCompressSync("disk"), none)?.id, "zstd");
  // First bytes as "qemu-img create -f qcow2" writes them: magic, version 3.
  assert.equal(foreignFormatOf(Buffer.from("514649fb00000003", "hex"), none)?.name, "qcow2");
  // The last 512 bytes of a .dmg begin with its trailer's signature and version 4.
  assert.equal(foreignFormatOf(none, sector(0, "koly\0\0\0\x04"))?.name, ".dmg (UDIF)");
  assert.equal(foreignFormatOf(none, sector(504, "cdsaencr"))?.id, "encrypted");
  assert.equal(foreignFormatOf(none, sector(0, "conectix"))?.id, "vpc");
  assert.equal(foreignFormatOf(sector(257, "ustar\x0000"), none)?.name, "tar archive");
});

test("what a .dmg begins with does not hide its trailer", () => {
  assert.equal(foreignFormatOf(sector(0, "PK\x03\x04"), sector(0, "koly"))?.id, "udif");
  assert.equal(foreignFormatOf(gzipSync("disk"), sector(0, "koly"))?.id, "udif");
});

test("an empty disk, a boot sector and a few bytes are not", () => {
  assert.equal(foreignFormatOf(none, none), undefined);
  assert.equal(foreignFormatOf(Buffer.from("eb63900000", "hex"), none), undefined);
  assert.equal(foreignFormatOf(new Uint8Array(1), new Uint8Array(1)), undefined);
  assert.equal(foreignFormatOf(new Uint8Array(0), new Uint8Array(0)), undefined);
});
