import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../../fault.ts";
import type { UdifFaultCode } from "../../../images/udif/faults.ts";
import { openUdif } from "../../../images/udif/open-udif.ts";
import { MemoryDisk } from "../memory.ts";
import { buildUdif, RUN, type TableSpec } from "./build-udif.ts";
import { everyCodec, noise, small } from "./sample-tables.ts";

type Outcome = UdifFaultCode | "reads right" | "reads wrong";

/** Opens, verifies and reads all of a file: "reads wrong" must never come out. */
async function outcomeOf(file: Uint8Array, disk: Uint8Array): Promise<Outcome> {
  try {
    const image = await openUdif(new MemoryDisk(file));
    await image.verify();
    const found = await image.source.read(0, image.source.sizeBytes);
    return Buffer.compare(found, disk) === 0 ? "reads right" : "reads wrong";
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    assert(error.what && error.why && error.fix);
    return error.code as UdifFaultCode;
  }
}

/** `at`, bytes, and what may come out when any of its bits is another. */
type Field = readonly [name: string, at: number, bytes: number, ...outcomes: Outcome[]];

const trailerFields: readonly Field[] = [
  ["signature", 0, 4, "UDIF_TRAILER"],
  ["version", 4, 4, "UDIF_TRAILER"],
  ["header size", 8, 4, "UDIF_TRAILER"],
  ["flags", 12, 4, "reads right"],
  ["running offset", 16, 8, "reads right", "UDIF_TOO_LARGE"],
  ["data fork offset", 24, 8, "UDIF_CHECKSUM", "UDIF_TRUNCATED", "UDIF_TOO_LARGE"],
  ["data fork length", 32, 8, "UDIF_CHECKSUM", "UDIF_TRUNCATED", "UDIF_TOO_LARGE"],
  ["resource fork", 40, 16, "reads right", "UDIF_TOO_LARGE"],
  ["segment number", 56, 4, "reads right", "UDIF_SEGMENTS"],
  ["segment count", 60, 4, "reads right", "UDIF_SEGMENTS"],
  ["segment id", 64, 16, "reads right"],
  ["data checksum type", 80, 4, "reads right", "UDIF_CHECKSUM_KIND"],
  ["data checksum bits", 84, 4, "reads right"],
  ["data checksum", 88, 4, "UDIF_CHECKSUM"],
  ["data checksum's rest", 92, 124, "reads right"],
  ["XML offset", 216, 8, "UDIF_RESOURCES", "UDIF_TRUNCATED", "UDIF_TOO_LARGE"],
  ["XML length", 224, 8, "reads right", "UDIF_RESOURCES", "UDIF_TRUNCATED", "UDIF_TOO_LARGE"],
  ["reserved", 232, 120, "reads right"],
  ["master checksum type", 352, 4, "reads right", "UDIF_CHECKSUM_KIND"],
  ["master checksum bits", 356, 4, "reads right"],
  ["master checksum", 360, 4, "UDIF_CHECKSUM"],
  ["master checksum's rest", 364, 124, "reads right"],
  ["image variant", 488, 4, "reads right"],
  ["sector count", 492, 8, "UDIF_COVERAGE", "UDIF_TOO_LARGE"],
  ["reserved at the end", 500, 12, "reads right"],
];

const runFields = (run: number, ...length: Outcome[]): readonly Field[] => [
  [
    `run ${run}'s type`,
    204 + run * 40,
    4,
    "reads right",
    "UDIF_TABLE",
    "UDIF_CHECKSUM",
    "UDIF_CHUNK",
    "UDIF_COVERAGE",
    "UDIF_CODEC_LZFSE",
    // A zero run that is now a raw one: its place was junk.
    "UDIF_TRUNCATED",
  ],
  [`run ${run}'s comment`, 208 + run * 40, 4, "reads right"],
  [`run ${run}'s first sector`, 212 + run * 40, 8, "UDIF_COVERAGE", "UDIF_TOO_LARGE"],
  [`run ${run}'s sectors`, 220 + run * 40, 8, "UDIF_COVERAGE", "UDIF_TOO_LARGE", "UDIF_TABLE"],
  [`run ${run}'s place`, 228 + run * 40, 8, ...length],
  [`run ${run}'s length`, 236 + run * 40, 8, ...length],
];

const tableFields: readonly Field[] = [
  ["signature", 0, 4, "UDIF_TABLE"],
  ["version", 4, 4, "UDIF_TABLE"],
  ["first sector", 8, 8, "UDIF_COVERAGE", "UDIF_TOO_LARGE"],
  ["sector count", 16, 8, "UDIF_COVERAGE", "UDIF_TOO_LARGE"],
  ["data start", 24, 8, "UDIF_CHUNK", "UDIF_CHECKSUM", "UDIF_TRUNCATED"],
  ["buffers, partition, reserved", 32, 32, "reads right"],
  ["checksum type", 64, 4, "reads right", "UDIF_CHECKSUM_KIND"],
  ["checksum bits", 68, 4, "reads right"],
  ["checksum", 72, 4, "UDIF_CHECKSUM"],
  ["checksum's rest", 76, 124, "reads right"],
  ["number of runs", 200, 4, "reads right", "UDIF_TABLE", "UDIF_COVERAGE"],
  // zlib, zero, ADC, unused: the last three have no place, or one that only the checksum knows to be wrong.
  ...runFields(0, "reads right", "UDIF_CHUNK", "UDIF_CHECKSUM", "UDIF_TRUNCATED", "UDIF_TOO_LARGE"),
  ...runFields(1, "reads right"),
  ...runFields(2, "reads right", "UDIF_CHUNK", "UDIF_CHECKSUM", "UDIF_TRUNCATED", "UDIF_TOO_LARGE"),
  ...runFields(3, "reads right"),
];

test("the fields of the two tests below leave no byte out", () => {
  for (const [fields, end] of [
    [trailerFields, 512],
    [tableFields, 204 + 4 * 40],
  ] as const) {
    let next = 0;
    for (const [name, at, bytes] of fields) {
      assert.equal(at, next, name);
      next = at + bytes;
    }
    assert.equal(next, end);
  }
});

for (const [name, at, bytes, ...outcomes] of trailerFields) {
  test(`trailer: every bit of ${name}`, async () => {
    const { files, disk } = buildUdif(small);
    const trailerAt = files[0]!.length - 512;
    for (const [bit, file] of flips(files[0]!, trailerAt + at, bytes))
      assertOneOf(outcomes, await outcomeOf(file, disk), bit);
    for (const fill of [0, 0xff]) {
      const file = Buffer.from(files[0]!).fill(fill, trailerAt + at, trailerAt + at + bytes);
      // A field that had no meaning, or already had this content.
      assertOneOf([...outcomes, "reads right"], await outcomeOf(file, disk), fill);
    }
  });
}

for (const [name, at, bytes, ...outcomes] of tableFields) {
  test(`table: every bit of ${name}`, async () => {
    const change = async (edit: (table: Buffer) => void) => {
      const { files, disk } = buildUdif(small, {
        changeTable: (table, index) => {
          if (index === 1) edit(table);
          return undefined;
        },
      });
      return await outcomeOf(files[0]!, disk);
    };
    for (let bit = 0; bit < bytes * 8; bit += 1) {
      const outcome = await change((table) => {
        table[at + (bit >> 3)]! ^= 1 << (bit & 7);
      });
      assertOneOf(outcomes, outcome, bit);
    }
    for (const fill of [0, 0xff]) {
      const outcome = await change((table) => table.fill(fill, at, at + bytes));
      assert.notEqual(outcome, "reads wrong", `${fill}`);
    }
  });
}

test("a bit of every fifth byte of the data", async () => {
  const { files, disk } = buildUdif(everyCodec);
  const dataBytes = Number(files[0]!.readBigUInt64BE(files[0]!.length - 512 + 32));
  // The checksum of the data as it is stored finds each; so it is taken away, for the others to be tried.
  files[0]!.fill(0, files[0]!.length - 512 + 80, files[0]!.length - 512 + 92);
  const harmless: number[] = [];
  const commentAt = files[0]!.indexOf("comment");
  // All bits of single chunks are tried in codecs.test.ts.
  for (let at = commentAt % 5; at < dataBytes; at += 5) {
    const file = Buffer.from(files[0]!);
    file[at]! ^= 1 << (at % 8);
    const outcome = await outcomeOf(file, disk);
    assertOneOf(["UDIF_CHUNK", "UDIF_CHECKSUM", "reads right"], outcome, at);
    if (outcome === "reads right") harmless.push(at);
  }
  // The comment, and what zlib and bzip2 write but do not use: the last bits of a block, a code table of nothing.
  assert(harmless.includes(commentAt) && harmless.includes(commentAt + 5));
  assert(harmless.length < 2 + 8, `${harmless}`);
});

test("a file that is cut anywhere", async () => {
  const { files, disk } = buildUdif(small);
  const file = files[0]!;
  for (let length = 0; length < file.length; length += 1)
    assert.equal(await outcomeOf(file.subarray(0, length), disk), "UDIF_TRAILER", `${length}`);
  // From the front, or in the middle: the trailer is there, what it names is not.
  const outcomes: Outcome[] = ["UDIF_TRUNCATED", "UDIF_RESOURCES", "UDIF_CHECKSUM"];
  for (let gone = 1; gone <= file.length - 512; gone += 1) {
    assertOneOf(outcomes, await outcomeOf(file.subarray(gone), disk), gone);
    const middle = Buffer.concat([file.subarray(0, file.length - 512 - gone), file.subarray(-512)]);
    assertOneOf(outcomes, await outcomeOf(middle, disk), gone);
  }
});

for (const form of ["xml", "resource-fork"] as const) {
  test(`any damage of any bytes, tables in ${form} form, never reads wrong`, async () => {
    const { files, disk } = buildUdif(everyCodec, { form });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(files[0]!.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        async (edits) => {
          const file = Buffer.from(files[0]!);
          for (const [at, value] of edits) file[at] = value;
          const outcome = await outcomeOf(file, disk);
          // A .dmg whose checksums say "none" hides what they would have found: two edits may hit both.
          assert(outcome !== "reads wrong" || edits.length > 1);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test(`every bit of the tables in ${form} form`, async () => {
    const { files, disk } = buildUdif(small, { form });
    const trailer = files[0]!.subarray(-512);
    const placeAt = form === "xml" ? 216 : 40;
    const at = Number(trailer.readBigUInt64BE(placeAt));
    // One bit of each byte is enough to hit everything in reasonable time; the tables' own bits have a test above.
    for (let byte = at; byte < files[0]!.length - 512; byte += 1) {
      const file = Buffer.from(files[0]!);
      file[byte]! ^= 1 << (byte % 7);
      assert.notEqual(await outcomeOf(file, disk), "reads wrong", `${byte - at}`);
    }
  });
}

test("any bytes with a trailer's signature are refused", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 512, maxLength: 1500 }), async (bytes) => {
      const file = Buffer.from(bytes);
      file.write("koly\0\0\0\x04\0\0\x02\0", file.length - 512, "latin1");
      assert.match(await outcomeOf(file, new Uint8Array()), /^UDIF_/);
    }),
  );
});

const volume = (runs: TableSpec["runs"]) => [{ name: "whole disk (Apple_HFS : 0)", runs }];

test("100 bytes are no .dmg, whatever they say", async () => {
  const file = Buffer.alloc(100, 0xff);
  file.write("koly");
  assert.equal(await outcomeOf(file, file), "UDIF_TRAILER");
});

test("16 EiB are refused", async () => {
  const change = (at: number) => (trailer: Buffer) => trailer.fill(0xff, at, at + 8);
  for (const at of [24, 32, 216, 224, 492]) {
    const { files, disk } = buildUdif(small, { changeTrailer: change(at) });
    assert.equal(await outcomeOf(files[0]!, disk), "UDIF_TOO_LARGE");
  }
});

for (const type of ["unused", "zero"] as const) {
  test(`4 PiB of ${type} sectors take no memory and no time`, { timeout: 10_000 }, async () => {
    const widen = (bytes: Buffer, at: number) => bytes.writeBigUInt64BE(2n ** 43n, at);
    const { files } = buildUdif(volume([{ type: RUN[type], sectors: 1 }]), {
      changeTable: (table) => {
        widen(table, 16);
        widen(table, 204 + 16);
        return undefined;
      },
      changeTrailer: (trailer) => widen(trailer, 492),
    });
    const image = await openUdif(new MemoryDisk(files[0]!));
    assert.equal(image.source.sizeBytes, 2 ** 52);
    assert.deepEqual([...image.ranges!()], [{ startBytes: 0, endBytes: 2 ** 52, state: type }]);
    assert.deepEqual([...(await image.source.read(2 ** 51 + 5, 3))], [0, 0, 0]);
    // The checksum is still that of one sector, and only zero fill counts in it.
    if (type === "unused") await image.verify();
    else await assert.rejects(image.verify(), { code: "UDIF_CHECKSUM" });
  });
}

test("a chunk above 64 MiB is refused before it is read", async () => {
  const { files } = buildUdif(volume([{ type: RUN.zlib, sectors: 8, plain: noise(8, 1) }]), {
    changeTable: (table) => {
      table.writeBigUInt64BE(200_000n, 16);
      table.writeBigUInt64BE(200_000n, 204 + 16);
      return undefined;
    },
    changeTrailer: (trailer) => trailer.writeBigUInt64BE(200_000n, 492),
  });
  await assert.rejects(openUdif(new MemoryDisk(files[0]!)), { code: "UDIF_TOO_LARGE" });
});

test("gaps, overlaps and runs outside of their table are refused", async () => {
  const edits: Record<string, (table: Buffer) => void> = {
    "a gap between runs": (table) => table.writeBigUInt64BE(1n, 204 + 16),
    "an overlap of runs": (table) => table.writeBigUInt64BE(1n, 204 + 40 + 8),
    "a run behind the table's end": (table) => table.writeBigUInt64BE(9n, 204 + 40 * 3 + 16),
    "a gap at the table's end": (table) => table.writeBigUInt64BE(1n, 204 + 40 * 3 + 16),
    "a terminator before the last run": (table) => table.writeUInt32BE(RUN.terminator, 204 + 40 * 3),
  };
  for (const [name, edit] of Object.entries(edits)) {
    const { files, disk } = buildUdif(small, {
      changeTable: (table, index) => {
        if (index === 1) edit(table);
        return undefined;
      },
    });
    assert.equal(await outcomeOf(files[0]!, disk), "UDIF_COVERAGE", name);
  }
});

test("a property list that is no list of partitions is refused", async () => {
  const changes: Record<string, (xml: string) => string> = {
    "is empty": () => "",
    "is text": () => "not a list",
    "is OpenStep's": () => '{ "resource-fork" = { blkx = ( ); }; }',
    "has no resource-fork": (xml) => xml.replace("resource-fork", "resource"),
    "has no blkx": (xml) => xml.replace("blkx", "blkX"),
    "has an empty blkx": (xml) => xml.replace(/<array>.*<\/array>/s, "<array/>"),
    "has entries without Data": (xml) => xml.replaceAll("<key>Data</key>", "<key>data</key>"),
    "has Data that is text": (xml) => xml.replaceAll("data>", "string>"),
    "ends in the middle": (xml) => xml.slice(0, xml.length / 2),
    "has a hundred thousand tags": (xml) => xml.replace("<array>", `<array>${"<true/>".repeat(100_001)}`),
    "is deeper than any stack": (xml) => xml.replace("<array>", "<array>".repeat(50_000)),
  };
  for (const [name, changeXml] of Object.entries(changes)) {
    const { files, disk } = buildUdif(small, { changeXml });
    assert.equal(await outcomeOf(files[0]!, disk), "UDIF_RESOURCES", name);
  }
});

test("tables without a name are read", async () => {
  const { files, disk } = buildUdif(small, { changeXml: (xml) => xml.replaceAll(/<key>(CF)?Name.*?<\/string>/gs, "") });
  assert.equal(await outcomeOf(files[0]!, disk), "reads right");
});

function* flips(file: Buffer, at: number, bytes: number): Generator<[bit: number, file: Buffer]> {
  for (let bit = 0; bit < bytes * 8; bit += 1) {
    const changed = Buffer.from(file);
    changed[at + (bit >> 3)]! ^= 1 << (bit & 7);
    yield [bit, changed];
  }
}

function assertOneOf(outcomes: readonly Outcome[], outcome: Outcome, at: number): void {
  assert(outcomes.includes(outcome), `${outcome} at ${at}; expected ${outcomes.join(" or ")}`);
}
