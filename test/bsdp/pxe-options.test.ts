import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodePxeOptions, encapsulatedOptions, userClasses } from "../../bsdp/pxe-options.ts";
import { bytesOf } from "./packet-vectors.ts";

test("a whole option 43 of PXE: control, address, prompt, item", () => {
  const bytes = bytesOf("0601030704e00001010a05ff626f6f74470480010000ff");
  assert.deepEqual(decodePxeOptions(bytes), {
    discoveryControl: 3,
    discoveryAddress: "224.0.1.1",
    menuPrompt: { timeout: 255, text: "boot" },
    bootItem: { type: 0x8001, layer: 0 },
  });
});

test("boot servers and menu entries are read one by one, and half a one ends the list", () => {
  const servers = decodePxeOptions(bytesOf("080e8000020a4d00010a4d00028001010a"));
  assert.deepEqual(servers.bootServers, [{ type: 0x8000, addresses: ["10.77.0.1", "10.77.0.2"] }]);
  const menu = decodePxeOptions(bytesOf("090b800001418001014280020943"));
  assert.deepEqual(menu.bootMenu, [
    { type: 0x8000, text: "A" },
    { type: 0x8001, text: "B" },
  ]);
});

test("a sub-option of a wrong length is left out; pads and the end mark are understood", () => {
  const options = decodePxeOptions(bytesOf("000006020301470480000001ff060108"));
  assert.deepEqual(options, { bootItem: { type: 0x8000, layer: 1 } });
});

test("the last one that runs over is left out, and that is told", () => {
  const { options, isWhole } = encapsulatedOptions(bytesOf("060108" + "0a09"));
  assert.deepEqual([options.map((one) => one.code), isWhole], [[6], false]);
  assert.equal(encapsulatedOptions(bytesOf("060108ff0a09")).isWhole, true);
});

test("user classes: iPXE's plain text and RFC 3004's list", () => {
  assert.deepEqual(userClasses(Buffer.from("iPXE")), ["iPXE"]);
  assert.deepEqual(userClasses(Buffer.from("\x04iPXE\x03abc")), ["iPXE", "abc"]);
  assert.deepEqual(userClasses(Buffer.from("\x09iPXE")), ["\x09iPXE"]);
  assert.deepEqual(userClasses(new Uint8Array(0)), []);
});

test("any bytes are read", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 255 }), (bytes) => {
      decodePxeOptions(bytes);
      const { options } = encapsulatedOptions(bytes);
      assert(options.reduce((sum, one) => sum + 2 + one.data.length, 0) <= bytes.length);
      userClasses(bytes);
    }),
    { numRuns: 2000, seed: 20_261_122 },
  );
});
