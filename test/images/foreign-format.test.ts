import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { foreignFormatOf } from "../../images/foreign-format.ts";

const none = new Uint8Array(512);

test("files that are no raw disk image are named", () => {
  assert.equal(foreignFormatOf(gzipSync("disk"), none), "gzip");
  assert.equal(foreignFormatOf(zstdCompressSync("disk"), none), "zstd");
  // First bytes as "qemu-img create -f qcow2" writes them: magic, version 3.
  assert.equal(foreignFormatOf(Buffer.from("514649fb00000003", "hex"), none), "qcow2");
  // The last 512 bytes of a .dmg begin with its trailer's signature and version 4.
  assert.equal(foreignFormatOf(none, Buffer.from("6b6f6c7900000004", "hex")), ".dmg (UDIF)");
});

test("an empty disk, a boot sector and a few bytes are not", () => {
  assert.equal(foreignFormatOf(none, none), undefined);
  assert.equal(foreignFormatOf(Buffer.from("eb63900000", "hex"), none), undefined);
  assert.equal(foreignFormatOf(new Uint8Array(1), new Uint8Array(1)), undefined);
});
