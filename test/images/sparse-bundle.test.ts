import assert from "node:assert/strict";
import { test } from "node:test";
import { bandNumberOf, decodeBundleInfo, sparseBundleSource } from "../../images/sparse-bundle.ts";

function infoPlist(sizeBytes: number | string, bandBytes: number | string): Buffer {
  return Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0"><dict>` +
      `<key>band-size</key><integer>${bandBytes}</integer><key>bundle-backingstore-version</key><integer>1</integer>` +
      `<key>diskimage-bundle-type</key><string>com.apple.diskimage.sparsebundle</string>` +
      `<key>size</key><integer>${sizeBytes}</integer></dict></plist>`,
  );
}

test("Info.plist says size and bands", () => {
  assert.deepEqual(decodeBundleInfo(infoPlist(40960000, 8388608)), { sizeBytes: 40960000, bandBytes: 8388608 });
});

const damaged: Readonly<Record<string, Buffer>> = {
  "no property list": Buffer.from("bands"),
  "another type": Buffer.from(infoPlist(1024, 512).toString().replace("sparsebundle", "other")),
  "no dictionary": Buffer.from("<plist><array></array></plist>"),
  "a size of 16 EiB": infoPlist("18446744073709551615", 512),
  "a size of 0": infoPlist(0, 512),
  "a size that is no whole number of sectors": infoPlist(1000, 512),
  "bands of 4 GiB": infoPlist(1024, 2 ** 32),
};

for (const [name, bytes] of Object.entries(damaged)) {
  test(`sparse bundle, ${name}: refused`, () => {
    assert.throws(() => decodeBundleInfo(bytes), { code: "SPARSE_BUNDLE_DAMAGED" });
  });
}

test("every cut of Info.plist is refused", () => {
  const whole = infoPlist(40960000, 8388608);
  for (let length = 0; length < whole.length - "</plist>".length; length += 1)
    assert.throws(() => decodeBundleInfo(whole.subarray(0, length)), { code: "SPARSE_BUNDLE_DAMAGED" }, `${length}`);
});

test("short bands end in zeros, missing ones are zeros", async () => {
  const files = new Map([
    [1, Buffer.alloc(1024, "one")],
    [3, Buffer.alloc(100, "three")],
  ]);
  const lengths = new Map([...files].map(([band, { length }]) => [band, length]));
  const { source, ranges } = sparseBundleSource(
    { sizeBytes: 3584, bandBytes: 1024 },
    lengths,
    async (band, offset, length) => {
      const bytes = files.get(band)!.subarray(offset, offset + length);
      assert.equal(bytes.length, length);
      return bytes;
    },
  );
  const zero = Buffer.alloc(1024);
  const disk = Buffer.concat([zero, files.get(1)!, zero, files.get(3)!, Buffer.alloc(412)]);
  assert.deepEqual(Buffer.from(await source.read(0, 3584)), disk);
  assert.deepEqual(Buffer.from(await source.read(3100, 200)), disk.subarray(3100, 3300));
  assert.deepEqual(
    [...ranges()].map(({ startBytes, endBytes, state }) => [startBytes, endBytes, state]),
    [
      [0, 1024, "zero"],
      [1024, 2048, "data"],
      [2048, 3072, "zero"],
      [3072, 3172, "data"],
      [3172, 3584, "zero"],
    ],
  );
});

test("bands that cannot be are refused", () => {
  const info = { sizeBytes: 2048, bandBytes: 1024 };
  const read = async () => new Uint8Array();
  assert.throws(() => sparseBundleSource(info, new Map([[2, 10]]), read), { code: "SPARSE_BUNDLE_DAMAGED" });
  assert.throws(() => sparseBundleSource(info, new Map([[0, 1025]]), read), { code: "SPARSE_BUNDLE_DAMAGED" });
});

test("files beside the bands are none", () => {
  assert.equal(bandNumberOf("1f"), 31);
  assert.equal(bandNumberOf("0"), 0);
  for (const name of [".DS_Store", "01", "1F", "", "xyz", "-1", "ffffffffffff"])
    assert.equal(bandNumberOf(name), undefined);
});
