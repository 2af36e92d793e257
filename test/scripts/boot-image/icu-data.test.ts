import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../../fault.ts";
import { clearForeignLocales, isKept } from "../../../scripts/boot-image/icu-data.ts";

/** Common data as ICU's icupkg lays it out, between other bytes of a program. */
function programWith(items: readonly { name: string; content: Buffer }[]): Buffer {
  const header = Buffer.alloc(32);
  header.writeUInt16LE(32, 0);
  Buffer.from([0xda, 0x27, 0x14, 0, 0, 0, 0, 0, 2, 0]).copy(header, 2);
  header.write("CmnD", 12, "latin1");
  const table = Buffer.alloc(4 + items.length * 8);
  table.writeUInt32LE(items.length, 0);
  const names = items.map(({ name }) => Buffer.from(`${name}\0`, "latin1"));
  let nameAt = table.length;
  let dataAt = table.length + Buffer.concat(names).length;
  for (const [index, { content }] of items.entries()) {
    table.writeUInt32LE(nameAt, 4 + index * 8);
    table.writeUInt32LE(dataAt, 8 + index * 8);
    nameAt += names[index]!.length;
    dataAt += content.length;
  }
  const front = Buffer.from("\x7fELF and so on");
  return Buffer.concat([front, header, table, ...names, ...items.map(({ content }) => content), Buffer.from("end")]);
}

test("what the agent can ask for stays", () => {
  const stay = ["root.res", "en.res", "en_US.res", "pool.res", "supplementalData.res", "zoneinfo64.res", "nfkc.nrm"];
  stay.push("res_index.res", "coll/ucadata.icu", "coll/root.res", "cnvalias.icu", "curr/en.res", "brkitr/word.brk");
  for (const name of stay) assert(isKept(`icudt78l/${name}`), name);
  const go = ["de.res", "zh_Hant_HK.res", "es_419.res", "curr/de.res", "coll/zh.res", "ibm-37_P100-1995.cnv"];
  go.push("brkitr/cjdict.dict", "unames.icu", "en_GB.res", "translit/Any_Latin.res", "ca_ES_VALENCIA.res");
  for (const name of go) assert(!isKept(`icudt78l/${name}`), name);
});

test("other languages become zeros, and nothing else changes", () => {
  const items = ["coll/ucadata.icu", "de.res", "en.res", "fr.res", "zu.res"].map((name, index) => {
    return { name: `icudt78l/${name}`, content: Buffer.alloc(100 + index, 65 + index) };
  });
  const program = programWith(items);
  const before = Buffer.from(program);
  // The last item's end is not known, so it stays.
  assert.equal(clearForeignLocales(program), 101 + 103);
  for (const [index, { content }] of items.entries()) {
    const at = before.indexOf(content);
    const after = program.subarray(at, at + content.length);
    assert.deepEqual(after, index === 1 || index === 3 ? Buffer.alloc(content.length) : content);
    before.fill(0, at, at + content.length);
    program.fill(0, at, at + content.length);
  }
  assert.deepEqual(program, before);
});

test("a program without language data is left alone", () => {
  const program = Buffer.from("\x7fELF: a Node without Intl");
  assert.equal(clearForeignLocales(program), 0);
  assert.equal(program.toString("latin1"), "\x7fELF: a Node without Intl");
});

test("a damaged table is refused or does no harm outside of the data", () => {
  const whole = programWith([
    { name: "icudt78l/de.res", content: Buffer.alloc(64, 1) },
    { name: "icudt78l/en.res", content: Buffer.alloc(64, 2) },
  ]);
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, value) => {
      const program = Buffer.from(whole);
      program[at] = value;
      try {
        clearForeignLocales(program);
      } catch (error) {
        assert(error instanceof Fault && error.code === "BOOT_IMAGE_NODE_UNFIT", String(error));
      }
      assert.equal(program.subarray(0, 14).compare(whole.subarray(0, 14)) !== 0, at < 14 && value !== whole[at]);
    }),
  );
});
