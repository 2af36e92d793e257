import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { BootImageId } from "../../bsdp/boot-image.ts";
import {
  attributesOf,
  decodeBootImageList,
  encodeBootImage,
  imageIdOfNumber,
  numberOfImageId,
} from "../../bsdp/boot-image.ts";
import type { BsdpOptions } from "../../bsdp/bsdp-options.ts";
import { decodeBsdpOptions, decodeSubOptions, encodeSubOptions } from "../../bsdp/bsdp-options.ts";
import { decodeDhcpPacket, optionInstances } from "../../bsdp/dhcp-packet.ts";
import { parseBsdpVendorClass } from "../../bsdp/vendor-class.ts";
import { Fault } from "../../fault.ts";
import { bytesOf, hexOf, packetVectors } from "./packet-vectors.ts";

const hex = (number: number, digits: number) => `0x${number.toString(16).padStart(digits, "0")}`;

/** An image id in the words of the vector file. */
function wordsOfId(id: BootImageId) {
  return {
    id: hex(numberOfImageId(id), 8),
    install: id.isInstall,
    kind: id.kind,
    attributes: hex(attributesOf(id), 4),
    index: id.index,
    serverLocal: id.index < 4096,
  };
}

/** BSDP options in the words of the vector file. */
function wordsOf(options: BsdpOptions): Record<string, unknown> {
  const type = options.messageType;
  return {
    messageType: type === undefined ? undefined : ([undefined, "LIST", "SELECT", "FAILED"][type] ?? type),
    version: options.version === undefined ? undefined : `${options.version >> 8}.${options.version & 255}`,
    serverIdentifier: options.serverId,
    serverPriority: options.serverPriority,
    replyPort: options.replyPort,
    defaultImage: options.defaultImage === undefined ? undefined : wordsOfId(imageIdOfNumber(options.defaultImage)),
    selectedImage: options.selectedImage === undefined ? undefined : wordsOfId(imageIdOfNumber(options.selectedImage)),
    images: options.images?.map((image) => ({ ...wordsOfId(image), name: image.name })),
    attributesFilter: options.attributesFilter?.map((word) => hex(word, 4)),
    maxMessageSize: options.maxMessageSize,
    machineName: options.machineName,
    shadowMountPath: options.shadowMountPath,
    shadowFilePath: options.shadowFilePath,
  };
}

function assertMeans(instances: readonly Uint8Array[], expect: Record<string, unknown>) {
  if ("subOptions" in expect) {
    assert.deepEqual(
      decodeSubOptions(instances).map(({ code, data }) => [code, hexOf(data)]),
      expect["subOptions"],
    );
  }
  const words = wordsOf(decodeBsdpOptions(instances));
  const found = Object.fromEntries(Object.entries(words).filter(([, value]) => value !== undefined));
  const { subOptions: _, ...meaning } = expect;
  assert.deepEqual(found, meaning);
}

for (const vector of packetVectors.filter((one) => one.family === "bsdp")) {
  const bytes = bytesOf(vector.hex);
  const { expect } = vector;
  test(`BSDP ${vector.layer}: ${vector.name}`, () => {
    switch (vector.layer) {
      case "boot_image_id":
        assert.deepEqual(wordsOfId(imageIdOfNumber(Number.parseInt(vector.hex, 16))), expect);
        break;
      case "boot_image_list": {
        if (expect.error) {
          assert.throws(() => decodeBootImageList(bytes), { code: "BSDP_TRUNCATED" });
          break;
        }
        const images = decodeBootImageList(bytes);
        assert.deepEqual(
          images.map((image) => ({ ...wordsOfId(image), name: image.name })),
          expect.images,
        );
        assert.equal(images.map((image) => hexOf(encodeBootImage(image))).join(""), hexOf(bytes));
        break;
      }
      case "option43":
        if (expect.error) {
          assert.throws(() => decodeBsdpOptions([bytes]), { code: "BSDP_BAD_LENGTH" });
        } else {
          assertMeans([bytes], expect);
          assert.equal(hexOf(encodeSubOptions(decodeSubOptions([bytes]))), hexOf(bytes));
        }
        break;
      case "option60": {
        const found = parseBsdpVendorClass(bytes);
        assert.deepEqual(found, expect.accept ? { arch: expect.arch, systemId: expect.sysid } : undefined);
        break;
      }
      default: {
        const instances = optionInstances(decodeDhcpPacket(bytes), 43);
        if (expect.bsdpError) assert.throws(() => decodeBsdpOptions(instances), { code: "BSDP_TRUNCATED" });
        else if (expect.bsdp) assertMeans(instances, expect.bsdp);
      }
    }
  });

  if (vector.layer === "boot_image_list" && !expect.error) {
    test(`boot image list: ${vector.name}, cut anywhere but between entries, is refused`, () => {
      const ends = new Set<number>([0]);
      let end = 0;
      for (const image of decodeBootImageList(bytes)) {
        end += encodeBootImage(image).length;
        ends.add(end);
      }
      for (let cut = 1; cut < bytes.length; cut += 1) {
        if (ends.has(cut)) assert.equal(decodeBootImageList(bytes.subarray(0, cut)).length, [...ends].indexOf(cut));
        else assert.throws(() => decodeBootImageList(bytes.subarray(0, cut)), { code: "BSDP_TRUNCATED" });
      }
    });
  }

  if (vector.layer === "option43" && !expect.error) {
    test(`option 43: ${vector.name}, cut anywhere but between sub-options, is refused`, () => {
      const ends: number[] = [0];
      for (const { data } of decodeSubOptions([bytes])) ends.push(ends.at(-1)! + 2 + data.length);
      for (let cut = 1; cut < bytes.length; cut += 1) {
        const part = [bytes.subarray(0, cut)];
        if (ends.includes(cut)) assert.equal(decodeSubOptions(part).length, ends.indexOf(cut));
        else assert.throws(() => decodeSubOptions(part), { code: "BSDP_TRUNCATED" });
      }
    });
  }
}

test("a sub-option that is split between two instances is refused", () => {
  assert.throws(() => decodeSubOptions([bytesOf("0101"), bytesOf("01020201")]), { code: "BSDP_TRUNCATED" });
});

test("the first of equal sub-options counts, the parts of the image list are joined", () => {
  const joined = decodeBsdpOptions([
    bytesOf("010101" + "0909" + "810010000662736470"),
    bytesOf("010102" + "0902" + "2d31"),
  ]);
  assert.equal(joined.messageType, 1);
  assert.deepEqual(
    joined.images?.map((image) => image.name),
    ["bsdp-1"],
  );
});

test("pads and an inner end mark are understood", () => {
  assert.deepEqual(
    decodeSubOptions([bytesOf("00010101000202010100ff99")]).map((one) => one.code),
    [1, 2],
  );
});

test("a size or filter of a wrong length counts as missing", () => {
  const options = decodeBsdpOptions([bytesOf("0c03000102" + "0b0101")]);
  assert.equal(options.maxMessageSize, undefined);
  assert.equal(options.attributesFilter, undefined);
});

test("a name is cut to 246 bytes between characters", () => {
  const entry = encodeBootImage({ index: 1, kind: 1, isInstall: true, name: "€".repeat(100) });
  assert.equal(entry.length, 5 + 246);
  assert.equal(decodeBootImageList(entry)[0]!.name, "€".repeat(82));
  const other = encodeBootImage({ index: 1, kind: 1, isInstall: true, name: `a${"€".repeat(100)}` });
  assert.equal(decodeBootImageList(other)[0]!.name, `a${"€".repeat(81)}`);
});

const anyImage = fc.record(
  {
    index: fc.integer({ min: 0, max: 0xffff }),
    kind: fc.integer({ min: 0, max: 127 }),
    isInstall: fc.boolean(),
    // A lone surrogate or a leading byte order mark is not text that comes back.
    name: fc
      .string({ maxLength: 60, unit: "grapheme" })
      .filter((name) => name.isWellFormed() && !name.startsWith("\ufeff")),
  },
  { noNullPrototype: true },
);

test("any image list comes back as it went", () => {
  fc.assert(
    fc.property(fc.array(anyImage, { maxLength: 5 }), (images) => {
      assert.deepEqual(decodeBootImageList(Buffer.concat(images.map(encodeBootImage))), images);
    }),
  );
});

test("any bytes decode or are refused, never anything else", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 255 }), { maxLength: 3 }), (instances) => {
      for (const decode of [
        () => decodeBsdpOptions(instances),
        () => decodeBootImageList(instances[0] ?? new Uint8Array()),
      ]) {
        try {
          decode();
        } catch (error) {
          assert(error instanceof Fault && error.code.startsWith("BSDP_"));
        }
      }
      parseBsdpVendorClass(instances[0] ?? new Uint8Array());
    }),
    { numRuns: 500 },
  );
});

test("ids that differ in the reserved byte alone are two ids, and are written back as they came", () => {
  for (const number of [0x8101ffff, 0x01ff0fff, 0xffffffff, 0x81000001]) {
    assert.equal(numberOfImageId(imageIdOfNumber(number)), number);
  }
  const list = Uint8Array.of(0x81, 2, 0, 1, 1, 0x41);
  assert.deepEqual(encodeBootImage(decodeBootImageList(list)[0]!), list);
});
