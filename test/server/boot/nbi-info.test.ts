import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { build, buildBinary } from "plist";
import { Fault } from "../../../fault.ts";
import { nbiImageOf } from "../../../server/boot/nbi-image.ts";
import { type NbiInfo, nbiInfoOf } from "../../../server/boot/nbi-info.ts";
import { parseNbiPlist } from "../../../server/boot/nbi-plist.ts";
import { externalRootOf } from "../../../server/boot/nbi-root.ts";
import { installerKeys, linuxKeys } from "./nbi-bundles.ts";

const folder = "/srv/netboot/lab.nbi";

function infoOf(keys: unknown): NbiInfo {
  const read = nbiInfoOf(keys, folder);
  assert(!Array.isArray(read), `refused: ${JSON.stringify(read)}`);
  return read as NbiInfo;
}

test("the smallest plist, with the defaults of Apple's server", () => {
  const { Architectures: _a, IsEnabled: _e, IsInstall: _i, ...least } = linuxKeys;
  assert.deepEqual(infoOf(least), {
    name: "Linux",
    index: 4096,
    type: "BootFileOnly",
    kind: 1,
    bootFile: "booter",
    architectures: ["ppc"],
    rootPath: undefined,
    isEnabled: true,
    isInstall: false,
    isDefault: false,
    isFilterOnly: false,
    enabledSystemIds: [],
    disabledSystemIds: [],
    enabledMacs: [],
    disabledMacs: [],
    loadBalanceServer: undefined,
    notes: [],
  });
});

test("kind 1 is the default of HTTP and NFS; diagnostics are hidden unless the plist says otherwise", () => {
  const { Kind: _, ...withoutKind } = installerKeys;
  assert.equal(infoOf(withoutKind).kind, 1);
  assert.equal(infoOf({ ...linuxKeys, Kind: 3 }).isFilterOnly, true);
  assert.equal(infoOf({ ...linuxKeys, Kind: 3, FilterOnly: false }).isFilterOnly, false);
  assert.equal(infoOf({ ...linuxKeys, FilterOnly: true }).isFilterOnly, true);
});

test("Ethernet addresses in every spelling that Apple's server takes", () => {
  const read = infoOf({
    ...linuxKeys,
    DisabledMACAddresses: ["00:03:93:AA:bb:cc", "0:3:93:1:2:3", "00-03-93-01-02-04"],
  });
  assert.deepEqual(read.disabledMacs, ["00:03:93:aa:bb:cc", "00:03:93:01:02:03", "00:03:93:01:02:04"]);
});

test("what will be other than its author may think is told", () => {
  assert.match(infoOf({ ...linuxKeys, SupportsDiskless: true }).notes.join(), /SupportsDiskless/);
  assert.match(infoOf({ ...linuxKeys, Name: "é".repeat(124) }).notes.join(), /246 bytes/);
  assert.match(infoOf({ ...linuxKeys, Kind: 2 }).notes.join(), /Kind 2/);
});

const { Name: _name, ...nameless } = linuxKeys;
const { Index: _index, ...indexless } = linuxKeys;
const { Type: _type, ...typeless } = linuxKeys;
const { BootFile: _bootFile, ...bootless } = linuxKeys;
const { Kind: _kind, ...kindless } = linuxKeys;
const { RootPath: _rootPath, ...rootless } = installerKeys;

const refused: readonly [string, unknown, RegExp][] = [
  ["no dictionary", ["a", "list"], /no dictionary/],
  ["text", "text", /no dictionary/],
  ["nothing", null, /no dictionary/],
  ["no name", nameless, /Name is missing/],
  ["an empty name", { ...linuxKeys, Name: "" }, /Name is empty/],
  ["a name with a line end", { ...linuxKeys, Name: "a\nb" }, /Name has control characters/],
  ["a number as name", { ...linuxKeys, Name: 7 }, /Name is no text/],
  ["no index", indexless, /Index is missing/],
  ["index 0, the null image", { ...linuxKeys, Index: 0 }, /Index is 0/],
  ["an index past two bytes", { ...linuxKeys, Index: 65_536 }, /Index is 65536/],
  ["a negative index", { ...linuxKeys, Index: -1 }, /Index is -1/],
  ["an index as text", { ...linuxKeys, Index: "7" }, /Index is no whole number/],
  ["half an index", { ...linuxKeys, Index: 1.5 }, /Index is 1.5/],
  ["no type", typeless, /Type is missing/],
  ["an unknown type", { ...linuxKeys, Type: "AFP" }, /Type is "AFP"/],
  ["Classic", { ...linuxKeys, Type: "Classic" }, /Mac OS 9/],
  ["no boot file", bootless, /BootFile is missing/],
  ["a boot file that climbs out", { ...linuxKeys, BootFile: "../booter" }, /BootFile is/],
  ["an absolute boot file", { ...linuxKeys, BootFile: "/booter" }, /BootFile is/],
  ["no kind where one is needed", kindless, /Kind is missing/],
  ["a kind past seven bits", { ...linuxKeys, Kind: 128 }, /Kind is 128/],
  ["no architecture", { ...linuxKeys, Architectures: [] }, /Architectures is an empty list/],
  ["an architecture that climbs out", { ...linuxKeys, Architectures: [".."] }, /Architectures has/],
  ["an architecture with a slash", { ...linuxKeys, Architectures: ["i386/x"] }, /Architectures has/],
  ["architectures that are no list", { ...linuxKeys, Architectures: "i386" }, /Architectures is no list/],
  ["no root path", rootless, /RootPath is missing/],
  ["a word for a flag", { ...linuxKeys, IsEnabled: "NO" }, /IsEnabled is neither true nor false/],
  ["a number for a flag", { ...linuxKeys, IsDefault: 1 }, /IsDefault is neither/],
  ["models that are no texts", { ...linuxKeys, EnabledSystemIdentifiers: [1] }, /EnabledSystemIdentifiers has/],
  ["a bad address", { ...linuxKeys, EnabledMACAddresses: ["00:11:22:33:44"] }, /EnabledMACAddresses has "00:11/],
];
for (const [name, keys, why] of refused) {
  test(`refused: ${name}`, () => {
    const read = nbiInfoOf(keys, folder);
    assert(Array.isArray(read));
    assert.equal(read.length, 1);
    assert(read[0] instanceof Fault);
    assert.match(read[0].why, why);
    assert.match(read[0].what, /lab\.nbi is not served/);
    assert.notEqual(read[0].fix, "");
  });
}

test("everything that is wrong is told at once", () => {
  const read = nbiInfoOf({ Type: "HTTP", Index: 0, IsEnabled: 1 }, folder);
  assert(Array.isArray(read));
  const whys = read.map(({ why }) => why).join(" ");
  for (const key of ["Name", "Index", "BootFile", "RootPath", "IsEnabled"]) assert.match(whys, new RegExp(`${key} is`));
});

const externals: readonly ["HTTP" | "NFS", string, string | undefined][] = [
  ["HTTP", "http://imaging.lab/images/x.dmg", "http://10.0.0.9/images/x.dmg"],
  ["HTTP", "http://imaging.lab:8080/x.dmg", "http://10.0.0.9:8080/x.dmg"],
  ["HTTP", "http://user:word@imaging.lab/x.dmg", "http://user:word@10.0.0.9/x.dmg"],
  ["HTTP", "https://imaging.lab/x.dmg", undefined],
  ["HTTP", "http://imaging.lab", undefined],
  ["HTTP", "http://imaging.lab:99999/x.dmg", undefined],
  ["HTTP", "NetInstall.dmg", undefined],
  ["NFS", "imaging.lab:/exports/nb:dir/x.dmg", "nfs:10.0.0.9:/exports/nb:dir/x.dmg"],
  ["NFS", "imaging.lab:/exports/nb", "nfs:10.0.0.9:/exports/nb"],
  ["NFS", "imaging.lab:/exports\\:2/nb:x.dmg", "nfs:10.0.0.9:/exports\\:2/nb:x.dmg"],
  ["NFS", "imaging.lab:relative:x.dmg", undefined],
  ["NFS", "a:/b:c:d", undefined],
  ["NFS", "x.dmg", undefined],
];
for (const [type, text, expected] of externals) {
  test(`a root elsewhere, ${type}: ${text}`, () => {
    const root = externalRootOf(type, text);
    assert.equal(root?.textFor("10.0.0.9"), expected);
    if (root !== undefined) assert.equal(root.host, "imaging.lab");
  });
}

const place = { share: "/srv/net boot", shareName: "net boot", name: "Labör 1.nbi" };

test("the paths of an HTTP image: plain for TFTP, escaped in the root path", () => {
  const found = { bootFiles: { i386: "i386/booter" }, root: { in: "bundle", file: "a b/Net#1.dmg" } } as const;
  const image = nbiImageOf(infoOf(installerKeys), place, found, 8440);
  assert("name" in image);
  assert.equal(image.bootFile, "NetBoot/net boot/Labör 1.nbi/i386/booter");
  const path = "/NetBoot/net%20boot/Lab%C3%B6r%201.nbi/a%20b/Net%231.dmg";
  assert.deepEqual(image.root, { form: "http", path, port: 8440 });
  const other = nbiImageOf(infoOf(installerKeys), place, { ...found, loadBalanceAddress: "10.0.0.7" }, 8440);
  assert("name" in other);
  assert.equal(other.loadBalanceServer, "10.0.0.7");
  assert.deepEqual(other.root, { form: "http", path }, "another server is asked at port 80");
});

test("the root path of an NFS image names the folder as it is on the disk", () => {
  const found = { bootFiles: { i386: "i386/booter" }, root: { in: "bundle", file: "NetBoot.dmg" } } as const;
  const image = nbiImageOf(infoOf({ ...installerKeys, Type: "NFS" }), place, found, 8440);
  assert("name" in image);
  assert.deepEqual(image.root, { form: "nfs", share: "/srv/net boot", file: "Labör 1.nbi/NetBoot.dmg" });
});

test("a TFTP path of 127 bytes fits, one of 128 is refused", () => {
  const found = { bootFiles: { i386: "i386/booter" } };
  const image = (bytes: number) => {
    const name = `${"n".repeat(bytes - "NetBoot/s/.nbi/i386/booter".length)}.nbi`;
    return nbiImageOf(infoOf(linuxKeys), { share: "/s", shareName: "s", name }, found, 8440);
  };
  const fitting = image(127);
  assert("name" in fitting);
  assert.equal(fitting.bootFile.length, 127);
  const long = image(128);
  assert(Array.isArray(long));
  assert.equal(long[0].code, "NBI_PATH_LONG");
  assert.match(long[0].why, /128 bytes/);
});

test("a root path that option 17 has no room for is refused", () => {
  const found = { bootFiles: { i386: "i386/booter" }, root: { in: "bundle", file: `${"ü".repeat(40)}.dmg` } } as const;
  const image = nbiImageOf(infoOf(installerKeys), { share: "/s", shareName: "s", name: "x.nbi" }, found, 8440);
  assert(Array.isArray(image));
  assert.match(image[0].why, /option 17/);
});

test("XML, binary and old text plists are read; what is none is refused without a word on the console", (context) => {
  const wrote = context.mock.method(console, "error", () => undefined);
  assert.deepEqual(parseNbiPlist(Buffer.from(build(installerKeys)), folder), installerKeys);
  assert.deepEqual(parseNbiPlist(Buffer.from(`\ufeff${build(installerKeys)}`), folder), installerKeys);
  assert.deepEqual(parseNbiPlist(buildBinary(installerKeys), folder), installerKeys);
  assert.deepEqual(parseNbiPlist(Buffer.from("{ Name = Lab; }"), folder), { Name: "Lab" });
  const bad = ["", "words", "<plist", "<html/>", "<plist><string>x&y</string></plist>", "bplist00", "\xff\xfe<plist/>"];
  for (const text of bad) {
    assert.throws(() => parseNbiPlist(Buffer.from(text, "latin1"), folder), { code: "NBI_PLIST_INVALID" }, text);
  }
  assert.equal(wrote.mock.callCount(), 0);
});

test("any bytes are a value or a Fault", () => {
  const whole = Buffer.from(buildBinary(installerKeys));
  const damaged = fc
    .tuple(fc.nat(whole.length - 1), fc.nat(255))
    .map(([at, byte]) => Buffer.concat([whole.subarray(0, at), Uint8Array.of(byte), whole.subarray(at + 1)]));
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        damaged,
        fc.string().map((text) => Buffer.from(text)),
      ),
      (bytes) => {
        try {
          nbiInfoOf(parseNbiPlist(bytes, folder), folder);
        } catch (error) {
          assert(error instanceof Fault, String(error));
        }
      },
    ),
    { numRuns: 500 },
  );
});

test("any value of any key is an image or a Fault", () => {
  const anything = fc.oneof(fc.anything(), fc.string(), fc.integer(), fc.boolean(), fc.array(fc.string()));
  const keys = fc.record(
    Object.fromEntries(
      [...Object.keys(installerKeys), "FilterOnly", "EnabledMACAddresses", "LoadBalanceServer"].map((key) => [
        key,
        key in installerKeys
          ? fc.oneof(
              { weight: 8, arbitrary: fc.constant(installerKeys[key as "Name"]) },
              { weight: 1, arbitrary: anything },
            )
          : fc.oneof(fc.constant(undefined), anything),
      ]),
    ),
    { requiredKeys: [] },
  );
  let images = 0;
  fc.assert(
    fc.property(keys, (value) => {
      const read = nbiInfoOf(value, folder);
      if (Array.isArray(read)) {
        assert(read.length > 0 && read.every((fault) => fault instanceof Fault));
        return;
      }
      const info = read as NbiInfo;
      const bootFiles = Object.fromEntries(info.architectures.map((name) => [name, `${name}/${info.bootFile}`]));
      const root = info.rootPath === undefined ? {} : ({ root: { in: "bundle", file: info.rootPath } } as const);
      const image = nbiImageOf(info, { share: "/s", shareName: "s", name: "x.nbi" }, { bootFiles, ...root }, 8440);
      if (Array.isArray(image)) return;
      images += 1;
      assert("name" in image && Buffer.byteLength(image.bootFile) <= 127 && !image.bootFile.includes(".."));
      assert(image.index >= 1 && image.index <= 65_535 && image.name.length > 0);
    }),
    { numRuns: 1000, seed: 66 },
  );
  assert(images > 10, `only ${images} of the generated plists were images`);
});
