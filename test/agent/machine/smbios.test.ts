import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatUuid, swapUuidFields, systemUuidBytes } from "../../../agent/machine/smbios.ts";

const uuid = Buffer.from("7ea011783f57a94cb2c8540e8ce14aad", "hex");
const structure = Buffer.concat([
  Buffer.from([1, 0x1b, 0x01, 0x00, 1, 2, 3, 4]),
  uuid,
  Buffer.from([6, 5, 6]),
  Buffer.from("QEMU\0\0"),
]);

test("the UUID's raw bytes out of a system information structure", () => {
  assert.deepEqual(systemUuidBytes(structure), new Uint8Array(uuid));
});

test("every cut before the end of the UUID is no UUID", () => {
  for (let cut = 0; cut < 24; cut += 1) assert.equal(systemUuidBytes(structure.subarray(0, cut)), undefined);
  assert.equal(systemUuidBytes(undefined), undefined);
});

test("another structure, one of SMBIOS 2.0 without a UUID, and unset UUIDs are none", () => {
  const changed = (at: number, value: number) => {
    const copy = Buffer.from(structure);
    copy[at] = value;
    return copy;
  };
  assert.equal(systemUuidBytes(changed(0, 2)), undefined);
  assert.equal(systemUuidBytes(changed(1, 8)), undefined);
  assert.equal(
    systemUuidBytes(Buffer.concat([structure.subarray(0, 8), Buffer.alloc(16), Buffer.alloc(3)])),
    undefined,
  );
  assert.equal(
    systemUuidBytes(Buffer.concat([structure.subarray(0, 8), Buffer.alloc(16, 0xff), Buffer.alloc(3)])),
    undefined,
  );
});

test("the swapped spelling, and back", () => {
  assert.equal(formatUuid(uuid), "7ea01178-3f57-a94c-b2c8-540e8ce14aad");
  assert.equal(formatUuid(swapUuidFields(uuid)), "7811a07e-573f-4ca9-b2c8-540e8ce14aad");
  assert.deepEqual(swapUuidFields(swapUuidFields(uuid)), new Uint8Array(uuid));
});

test("any bytes are a UUID of 16 bytes or none", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const found = systemUuidBytes(bytes);
      assert(found === undefined || found.length === 16);
    }),
  );
});
