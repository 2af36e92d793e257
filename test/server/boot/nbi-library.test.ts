import assert from "node:assert/strict";
import { mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { build, buildBinary } from "plist";
import { eligibleImages } from "../../../bsdp/net-boot-choice.ts";
import type { NbiBundle } from "../../../server/boot/nbi-folder.ts";
import { nbiShares } from "../../../server/boot/nbi-folder.ts";
import { HostNames } from "../../../server/boot/nbi-hosts.ts";
import { NbiLibrary, type NbiLibraryOptions } from "../../../server/boot/nbi-library.ts";
import { Bundles, installerKeys, linuxKeys } from "./nbi-bundles.ts";

let bundles: Bundles;
beforeEach(async () => {
  bundles = await Bundles.make();
});
afterEach(() => bundles.remove());

const hosts = new HostNames(
  () => 0,
  async (name) => {
    if (name !== "imaging.lab") throw new Error("no such name");
    return "10.0.0.9";
  },
);

async function libraryOf(more: Partial<NbiLibraryOptions> = {}): Promise<NbiLibrary> {
  const library = new NbiLibrary({
    folders: [join(bundles.home, "a")],
    httpPort: () => 8440,
    now: () => 0,
    hosts,
    ...more,
  });
  await library.scan();
  return library;
}

/** The one bundle that a library has, refused. */
async function refusal(more?: Partial<NbiLibraryOptions>): Promise<string> {
  const library = await libraryOf(more);
  assert.equal(library.bundles.length, 1);
  assert.deepEqual(library.images, []);
  assert.deepEqual(library.roots, []);
  return refusalOf(library.bundles[0]!);
}

function refusalOf(bundle: NbiBundle): string {
  assert.equal(bundle.state, "refused");
  assert(bundle.faults.length > 0);
  for (const { what } of bundle.faults) assert(what.includes(`${bundle.share}/${bundle.name}`), what);
  return bundle.faults.map(({ code, why }) => `${code}: ${why}`).join("\n");
}

test("a bundle becomes an image and a place of files", async () => {
  await bundles.add("a/Lab.nbi", { ...installerKeys, EnabledSystemIdentifiers: ["iMac14,3"] });
  const library = await libraryOf();
  assert.deepEqual(library.faults, []);
  assert.deepEqual(library.images, [
    {
      index: 137,
      name: "DOE-Image",
      bootFile: "NetBoot/a/Lab.nbi/i386/booter",
      bootFiles: { i386: "NetBoot/a/Lab.nbi/i386/booter" },
      type: "HTTP",
      kind: 1,
      isInstall: true,
      isDefault: false,
      isFilterOnly: false,
      architectures: ["i386"],
      enabledSystemIds: ["iMac14,3"],
      disabledSystemIds: [],
      enabledMacs: [],
      disabledMacs: [],
      root: { form: "http", path: "/NetBoot/a/Lab.nbi/NetInstall.dmg", port: 8440 },
    },
  ]);
  assert.deepEqual(library.roots, [{ prefix: "NetBoot/a/Lab.nbi", directory: join(bundles.home, "a/Lab.nbi") }]);
});

test("a binary plist, as `defaults write` leaves it, is read", async () => {
  await bundles.add("a/Lab.nbi", buildBinary(installerKeys));
  assert.equal((await libraryOf()).images.length, 1);
});

test("what is no bundle is passed over", async () => {
  await bundles.add("a/Lab.nbi", installerKeys);
  await bundles.add("a/Lab.NBI-old", installerKeys);
  await writeFile(join(bundles.home, "a/file.nbi"), "a file");
  assert.equal((await libraryOf()).bundles.length, 1);
});

test("IsEnabled false: not served, files neither", async () => {
  await bundles.add("a/Off.nbi", { ...installerKeys, IsEnabled: false });
  const library = await libraryOf();
  assert.equal(library.bundles[0]?.state, "disabled");
  assert.deepEqual([library.images, library.roots], [[], []]);
});

const refused: readonly [string, () => Promise<unknown>, RegExp][] = [
  ["no plist", () => bundles.add("a/x.nbi", undefined), /NBI_FILE_MISSING: It has no NBImageInfo\.plist/],
  ["no property list", () => bundles.add("a/x.nbi", "hello"), /NBI_PLIST_INVALID: .*no property list/],
  ["a huge plist", () => bundles.add("a/x.nbi", " ".repeat(1024 * 1024 + 1)), /NBI_PLIST_INVALID: .*1048577 bytes/],
  ["a wrong key", () => bundles.add("a/x.nbi", { ...linuxKeys, Index: 0 }), /NBI_KEY_INVALID: .*Index is 0/],
  ["no booter", () => bundles.add("a/x.nbi", linuxKeys, {}), /NBI_FILE_MISSING: .*there is no i386\/booter/],
  [
    "no booter for one of two architectures",
    () => bundles.add("a/x.nbi", { ...linuxKeys, Architectures: ["i386", "arm"] }),
    /NBI_FILE_MISSING: Its Architectures has arm/,
  ],
  [
    "ppc by default, and no booter for it",
    () =>
      bundles.add(
        "a/x.nbi",
        build(Object.fromEntries(Object.entries(linuxKeys).filter(([key]) => key !== "Architectures"))),
      ),
    /Architectures has ppc/,
  ],
  ["no disk image", () => bundles.add("a/x.nbi", installerKeys, { "i386/booter": "b" }), /NetInstall\.dmg/],
  [
    "a disk image outside",
    () => bundles.add("a/x.nbi", { ...installerKeys, RootPath: "../y.dmg" }, { "i386/booter": "b", "../y.dmg": "y" }),
    /NBI_FILE_MISSING: .*RootPath/,
  ],
  [
    "a disk image by TLS, which a Mac cannot fetch",
    () => bundles.add("a/x.nbi", { ...installerKeys, RootPath: "https://10.0.0.1/x.dmg" }),
    /https:\/\/10/,
  ],
  [
    "a server that has no address",
    () => bundles.add("a/x.nbi", { ...installerKeys, RootPath: "http://nowhere.lab/x.dmg" }),
    /NBI_HOST_UNKNOWN: .*nowhere\.lab/,
  ],
  [
    "another server without an address",
    () => bundles.add("a/x.nbi", { ...linuxKeys, LoadBalanceServer: "nowhere.lab" }),
    /NBI_HOST_UNKNOWN: Its LoadBalanceServer/,
  ],
  [
    "a folder for a booter",
    () => bundles.add("a/x.nbi", linuxKeys, { "i386/booter/x": "b" }),
    /NBI_LINK_OUTSIDE: i386\/booter is no regular file/,
  ],
  [
    "a booter that is a link out of the bundle",
    async () => {
      await bundles.add("a/x.nbi", linuxKeys, { "i386/note": "n", "../outside": "secret" });
      await symlink("../../outside", join(bundles.home, "a/x.nbi/i386/booter"));
    },
    /NBI_LINK_OUTSIDE: i386\/booter/,
  ],
  [
    "a plist that is a link out of the bundle",
    async () => {
      await bundles.add("a/x.nbi", undefined);
      await writeFile(join(bundles.home, "plist"), build(linuxKeys));
      await symlink("../../plist", join(bundles.home, "a/x.nbi/NBImageInfo.plist"));
    },
    /NBI_LINK_OUTSIDE: NBImageInfo\.plist/,
  ],
  [
    "a bundle that is a link out of the folder",
    async () => {
      await bundles.add("elsewhere/x.nbi", linuxKeys);
      await mkdir(join(bundles.home, "a"));
      await symlink("../elsewhere/x.nbi", join(bundles.home, "a/x.nbi"));
    },
    /NBI_LINK_OUTSIDE: It is a symbolic link that leads out/,
  ],
  ["a name that requests cannot carry", () => bundles.add("a/x\\y.nbi", linuxKeys), /NBI_NAME_REFUSED/],
  ["a TFTP path that is too long", () => bundles.add(`a/${"x".repeat(110)}.nbi`, linuxKeys), /NBI_PATH_LONG/],
];
for (const [name, prepare, why] of refused) {
  test(`refused: ${name}`, async () => {
    await prepare();
    assert.match(await refusal(), why);
  });
}

test("a link to a bundle in the same folder is a bundle; its id is taken", async () => {
  await bundles.add("a/one.nbi", linuxKeys);
  await symlink("one.nbi", join(bundles.home, "a/two.nbi"));
  const library = await libraryOf();
  assert.equal(library.images.length, 1);
  assert.match(refusalOf(library.bundles[1]!), /NBI_ID_TAKEN/);
});

test("PowerPC: the booter at the top is found where there is none below ppc", async () => {
  const keys = { ...linuxKeys, Architectures: ["ppc", "i386"] };
  await bundles.add("a/old.nbi", keys, { booter: "ppc", "i386/booter": "intel" });
  const [image] = (await libraryOf()).images;
  assert.deepEqual(image?.bootFiles, { ppc: "NetBoot/a/old.nbi/booter", i386: "NetBoot/a/old.nbi/i386/booter" });
});

test("disk images elsewhere: the server's name becomes its address", async () => {
  await bundles.add("a/h.nbi", { ...installerKeys, RootPath: "http://imaging.lab:81/x.dmg" });
  await bundles.add("a/n.nbi", { ...installerKeys, Index: 2, Type: "NFS", RootPath: "imaging.lab:/nb:x.dmg" });
  await bundles.add("a/l.nbi", { ...linuxKeys, LoadBalanceServer: "imaging.lab" });
  const [http, other, nfs] = (await libraryOf()).images;
  assert.deepEqual(http?.root, { form: "text", text: "http://10.0.0.9:81/x.dmg" });
  assert.equal(other?.loadBalanceServer, "10.0.0.9");
  assert.deepEqual(nfs?.root, { form: "text", text: "nfs:10.0.0.9:/nb:x.dmg" });
});

test("a file in the bundle goes before the same text as a place elsewhere", async () => {
  const keys = { ...installerKeys, Type: "NFS", RootPath: "imaging.lab:/nb" };
  await bundles.add("a/x.nbi", keys, { "i386/booter": "b", "imaging.lab:/nb": "the disk image" });
  const [image] = (await libraryOf()).images;
  assert.deepEqual(image?.root, { form: "nfs", share: join(bundles.home, "a"), file: "x.nbi/imaging.lab:/nb" });
});

test("two bundles with one id: the first is served, the fault names both; another kind is another id", async () => {
  await bundles.add("a/one.nbi", linuxKeys);
  await bundles.add("a/two.nbi", linuxKeys);
  await bundles.add("b/three.nbi", linuxKeys);
  await bundles.add("b/four.nbi", { ...linuxKeys, IsInstall: false });
  const library = await libraryOf({ folders: ["a", "b"].map((name) => join(bundles.home, name)) });
  assert.deepEqual(
    library.bundles.map(({ name, state }) => `${name} ${state}`),
    ["one.nbi served", "two.nbi refused", "four.nbi served", "three.nbi refused"],
  );
  for (const at of [1, 3]) {
    const why = refusalOf(library.bundles[at]!);
    assert.match(why, /NBI_ID_TAKEN: .*81001000 .*Index 4096/);
    assert(why.includes(join(bundles.home, "a/one.nbi")), why);
  }
  assert.equal(library.roots.length, 2);
});

test("the id of bootcast's own image is taken; a disabled bundle takes none", async () => {
  await bundles.add("a/off.nbi", { ...linuxKeys, IsEnabled: false });
  await bundles.add("a/on.nbi", linuxKeys);
  const own = { index: 4096, name: "bootcast" };
  assert.match(refusalOf((await libraryOf({ otherImage: own })).bundles[1]!), /also that of bootcast's own image/);
  assert.equal((await libraryOf({ otherImage: { ...own, index: 1 } })).images.length, 1);
});

test("one bad bundle spoils no other", async () => {
  await bundles.add("a/bad.nbi", "no plist at all");
  await bundles.add("a/good.nbi", linuxKeys);
  const library = await libraryOf();
  assert.deepEqual(
    library.bundles.map(({ state }) => state),
    ["refused", "served"],
  );
  assert.equal(library.images.length, 1);
});

test("defaults come first: those for every model, those for some, the rest in the order of folders and names", async () => {
  await bundles.add("a/1.nbi", { ...linuxKeys, Index: 1, Name: "plain" });
  await bundles.add("a/2.nbi", {
    ...linuxKeys,
    Index: 2,
    Name: "for some",
    IsDefault: true,
    EnabledSystemIdentifiers: ["iMac14,3"],
  });
  await bundles.add("b/3.nbi", { ...linuxKeys, Index: 3, Name: "for all", IsDefault: true });
  await bundles.add("b/0.nbi", { ...linuxKeys, Index: 4, Name: "last" });
  const { images } = await libraryOf({ folders: ["a", "b"].map((name) => join(bundles.home, name)) });
  const names = (systemId: string) => {
    const eligible = eligibleImages(images, { arch: "i386", systemId, mac: "00:03:93:01:02:03" });
    assert(typeof eligible !== "string");
    return eligible.map(({ name }) => name);
  };
  assert.deepEqual(names("iMac14,3"), ["for all", "for some", "plain", "last"]);
  assert.deepEqual(names("MacPro6,1"), ["for all", "plain", "last"]);
});

test("folders of one name get numbers", () => {
  assert.deepEqual(
    nbiShares(["/srv/netboot", "/mnt/NetBoot", "/"]).map(({ name }) => name),
    ["netboot", "NetBoot-2", "share"],
  );
});

test("a folder that is not there, and a bundle in its place, are told; our own folder may be missing", async () => {
  const missing = join(bundles.home, "none");
  const bundle = await bundles.add("a/x.nbi", linuxKeys);
  const library = await libraryOf({ folders: [missing, bundle], ownFolder: join(bundles.home, "nbi") });
  assert.deepEqual(
    library.faults.map(({ code }) => code),
    ["NBI_FOLDER_INVALID", "NBI_FOLDER_INVALID"],
  );
  assert.match(library.faults[0]!.why, /no such folder/);
  assert.match(library.faults[1]!.fix, new RegExp(`Name ${dirname(bundle)} in bsdp\\.nbi`));
});

test("our own folder's bundles come last", async () => {
  await bundles.add("nbi/own.nbi", { ...linuxKeys, Index: 7, Name: "own" });
  await bundles.add("a/x.nbi", linuxKeys);
  const library = await libraryOf({ ownFolder: join(bundles.home, "nbi") });
  assert.deepEqual(
    library.images.map(({ name }) => name),
    ["Linux", "own"],
  );
});

test("no more than 256 bundles of a folder are looked at", async () => {
  for (let number = 1; number <= 258; number += 1)
    await mkdir(join(bundles.home, `a/${1000 + number}.nbi`), { recursive: true });
  const library = await libraryOf();
  assert.equal(library.bundles.length, 256);
  assert.match(library.faults[0]!.what, /258 NetBoot bundles; those behind 1256\.nbi/);
});

test("what changes on the disk is picked up, the list of roots stays the same one, and each change is logged once", async () => {
  const lines: string[] = [];
  const note = (line: { folder?: string }, text: string) => lines.push(`${text} ${line.folder ?? ""}`.trim());
  const log = { info: note, warn: note, error: note } as unknown as NonNullable<NbiLibraryOptions["log"]>;
  const path = await bundles.add("a/x.nbi", linuxKeys);
  const library = await libraryOf({ log });
  const { roots } = library;
  await library.scan();
  assert.deepEqual(lines.splice(0), [`nbi: served ${path}`]);
  await writeFile(join(path, "NBImageInfo.plist"), build({ ...linuxKeys, Name: "renamed" }));
  await library.scan();
  assert.equal(library.images[0]?.name, "renamed");
  assert.deepEqual(lines.splice(0), [`nbi: served ${path}`]);
  await rename(join(path, "i386/booter"), join(path, "booter"));
  await library.scan();
  assert.deepEqual(library.images, []);
  assert.deepEqual(roots, []);
  assert.deepEqual(lines.splice(0), ["nbi: not served", "nbi: gone or put right"]);
  await rm(path, { recursive: true });
  await bundles.add("a/y.nbi", linuxKeys);
  await library.scan();
  assert.equal(roots, library.roots);
  assert.deepEqual(
    roots.map(({ prefix }) => prefix),
    ["NetBoot/a/y.nbi"],
  );
});

test("a started library reads the folders again by itself, until it is stopped", async () => {
  await mkdir(join(bundles.home, "a"));
  const looked = Promise.withResolvers<void>();
  let path = "";
  const served = (line: { folder?: string }) => {
    if (line.folder === path) looked.resolve();
  };
  const log = { info: served, warn: served, error: served } as unknown as NonNullable<NbiLibraryOptions["log"]>;
  const library = new NbiLibrary({
    folders: [join(bundles.home, "a")],
    httpPort: () => 8440,
    now: () => 0,
    everyMs: 20,
    log,
  });
  await library.start();
  assert.deepEqual(library.images, []);
  path = join(bundles.home, "a/x.nbi");
  await bundles.add("a/x.nbi", linuxKeys);
  const keepAlive = setInterval(() => undefined, 1000);
  try {
    await looked.promise;
  } finally {
    clearInterval(keepAlive);
    library.stop();
  }
  assert.equal(library.images.length, 1);
});

test("a name is asked for once in five minutes, one that was not found after 30 s", async () => {
  let nowMs = 0;
  const asked: string[] = [];
  const names = new HostNames(
    () => nowMs,
    async (name) => {
      asked.push(name);
      if (name === "none.lab") throw new Error("no such name");
      return "10.0.0.9";
    },
  );
  for (const atMs of [0, 29_999, 30_000, 299_999, 300_000]) {
    nowMs = atMs;
    assert.equal(await names.addressOf("imaging.lab"), "10.0.0.9");
    assert.equal(await names.addressOf("none.lab"), undefined);
    assert.equal(await names.addressOf("10.1.2.3"), "10.1.2.3");
  }
  assert.deepEqual(asked, ["imaging.lab", "none.lab", "none.lab", "none.lab", "imaging.lab"]);
});
