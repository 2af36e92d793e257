import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Bundles, installerKeys, linuxKeys } from "../../server/boot/nbi-bundles.ts";
import { bootcast } from "../program.ts";

let bundles: Bundles;
before(async () => {
  bundles = await Bundles.make();
  await bundles.add("a/good.nbi", { ...installerKeys, EnabledSystemIdentifiers: ["iMac14,3"], SupportsDiskless: true });
  await bundles.add("b/good.nbi", linuxKeys);
  await bundles.add("b/bad.nbi", { ...linuxKeys, Index: 0 });
  await bundles.add("data/nbi/own.nbi", { ...linuxKeys, Index: 4099, Name: "own" });
});
after(() => bundles.remove());

const env = () => ({ BOOTCAST_BSDP_NBI: `${join(bundles.home, "a")},${join(bundles.home, "b")}` });
const dataDir = () => ["--data-dir", join(bundles.home, "data")];

test("boot-image nbi: each bundle, who is offered it, and what is wrong with the others; exit code 1", async () => {
  const { code, stdout } = await bootcast(["boot-image", "nbi", ...dataDir()], env());
  assert.equal(code, 1);
  assert.match(stdout, /served {4}\S+a\/good\.nbi: "DOE-Image", HTTP, install\n\s+image 81000089, .*iMac14,3/);
  assert.match(stdout, /note: SupportsDiskless/);
  assert.match(stdout, /refused {3}\S+b\/bad\.nbi\n\s+why: .*Index is 0\.\n\s+fix: /);
  assert.match(stdout, /data\/nbi\/own\.nbi: "own"/);
});

test("boot-image nbi --json: the same as one object; other folders instead of those of the configuration", async () => {
  const words = ["boot-image", "nbi", join(bundles.home, "a"), "--json", ...dataDir()];
  const { code, stdout } = await bootcast(words, env());
  assert.equal(code, 0);
  const { bundles: list, faults } = JSON.parse(stdout);
  assert.deepEqual(faults, []);
  assert.equal(list.length, 1);
  const { folder, state, image, bootFile, enabledSystemIds } = list[0];
  assert.deepEqual(
    { folder, state, image, bootFile, enabledSystemIds },
    {
      folder: join(bundles.home, "a/good.nbi"),
      state: "served",
      image: "81000089",
      bootFile: "NetBoot/a/good.nbi/i386/booter",
      enabledSystemIds: ["iMac14,3"],
    },
  );
});

test("a relative folder in bsdp.nbi is refused", async () => {
  const { code, stderr } = await bootcast(["boot-image", "nbi", ...dataDir()], { BOOTCAST_BSDP_NBI: "netboot" });
  assert.equal(code, 2);
  assert.match(stderr, /bsdp\.nbi is "netboot".*\n.*whole path/);
});

test("doctor says which bundle is not served, and why", async () => {
  const words = [
    "doctor",
    "--server",
    "127.0.0.1",
    "--tftp-port",
    "9",
    "--http-port",
    "9",
    "--deadline",
    "1",
    "--json",
  ];
  const { stdout } = await bootcast([...words, ...dataDir()], env());
  const probes = JSON.parse(stdout).probes.filter(({ probe }: { probe: string }) => probe.startsWith("nbi"));
  assert.deepEqual(
    probes.map(({ probe, status, code }: { probe: string; status: string; code?: string }) => [probe, status, code]),
    [
      ["nbi good.nbi", "ok", undefined],
      ["nbi bad.nbi", "fail", "NBI_KEY_INVALID"],
      ["nbi good.nbi", "ok", undefined],
      ["nbi own.nbi", "ok", undefined],
    ],
  );
});

test("boot-image build --nbi wants the server by its address", async () => {
  for (const server of ["https://10.0.0.1", "http://lab:8440", "http://10.0.0.1/x"]) {
    const { code, stderr } = await bootcast(["boot-image", "build", "--nbi", "--server", server, ...dataDir()]);
    assert.equal(code, 2, server);
    assert.match(stderr, /like http:\/\/10\.77\.0\.1:8440/);
  }
});

for (const [words, reason] of [
  [["--index", "3"], /--index goes only with --nbi/],
  [["--nbi", "--raspberry-pi"], /--raspberry-pi does not go with --nbi/],
  [["--nbi", "--arch", "arm64"], /--arch does not go with --nbi/],
] as const) {
  test(`boot-image build ${words.join(" ")}: a flag that would do nothing is refused`, async () => {
    const { code, stderr } = await bootcast(["boot-image", "build", ...words, ...dataDir()], env());
    assert.equal(code, 2);
    assert.match(stderr, reason);
  });
}
