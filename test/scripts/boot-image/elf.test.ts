import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../../fault.ts";
import { readElfLinks, readModuleInfo } from "../../../scripts/boot-image/elf.ts";

const vectors = JSON.parse(readFileSync(new URL("../../vectors/elf.json", import.meta.url), "utf8"));
const program = Buffer.from(vectors.program.base64, "base64");
const module = Buffer.from(vectors.module.base64, "base64");

test("a program's loader and libraries", () => {
  const { interpreter, needed } = vectors.program;
  assert.deepEqual(readElfLinks(program), { interpreter, needed });
});

test("a kernel module's description", () => {
  assert.deepEqual(Object.fromEntries(readModuleInfo(module)), vectors.module.info);
});

test("an object file is linked with nothing", () => {
  assert.deepEqual(readElfLinks(module), { interpreter: undefined, needed: [] });
});

test("a program has no module description", () => {
  assert.throws(() => readModuleInfo(program), { code: "ELF_INVALID" });
});

test("every cut is refused, or does not touch what is read", () => {
  const whole = readElfLinks(program);
  let refused = 0;
  for (let cut = 0; cut < program.length; cut += 1) {
    try {
      assert.deepEqual(readElfLinks(program.subarray(0, cut)), whole);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      refused += 1;
    }
  }
  assert(refused > 600, `only ${refused} cuts were refused`);
  // Section headers are a module's last bytes.
  for (let cut = 0; cut < module.length; cut += 1) {
    assert.throws(() => readModuleInfo(module.subarray(0, cut)), { code: "ELF_INVALID" });
  }
});

test("other machines' files are refused", () => {
  for (const at of [4, 5]) {
    const other = Buffer.from(program);
    other[at] = other[at]! ^ 3;
    assert.throws(() => readElfLinks(other), { code: "ELF_INVALID" });
  }
});

test("any bytes are read or refused, never anything else", () => {
  const any = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    // Real files with some bytes changed reach much further.
    fc
      .tuple(
        fc.constantFrom(program, module),
        fc.array(fc.tuple(fc.nat({ max: 2000 }), fc.nat({ max: 255 })), { maxLength: 8 }),
      )
      .map(([file, changes]) => {
        const bytes = Buffer.from(file);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        return bytes;
      }),
  );
  fc.assert(
    fc.property(any, fc.constantFrom(readElfLinks, readModuleInfo), (bytes, read) => {
      try {
        read(bytes);
      } catch (error) {
        assert(error instanceof Fault, String(error));
      }
    }),
    { numRuns: 500 },
  );
});
