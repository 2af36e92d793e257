import assert from "node:assert/strict";
import { open, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { BsdpAck } from "../../bsdp/bsdp-client-packet.ts";
import { listRequest, readAck, selectRequest } from "../../bsdp/bsdp-client-packet.ts";
import { BsdpMessage } from "../../bsdp/bsdp-options.ts";
import type { DhcpPacket } from "../../bsdp/dhcp-packet.ts";
import { encodeDhcpPacket, optionData } from "../../bsdp/dhcp-packet.ts";
import { Option } from "../../bsdp/dhcp-values.ts";
import { labProblem } from "../../scripts/lab/namespace.ts";
import { Bundles, installerKeys, linuxKeys } from "../server/boot/nbi-bundles.ts";
import { machine } from "../server/core.ts";
import { type Computer, type Lines, openNetwork } from "../server/dhcp/computers.ts";

/**
 * NetBoot bundles from `bootcast serve` to a Mac: LIST and SELECT through real sockets, the booter by TFTP under
 * Apple's absolute path, a range of a disk image of 5 GiB by HTTP.
 */
const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const replay = new URL("../server/dhcp/dhcp-replay.ts", import.meta.url);
const skip = labProblem() ?? false;

const SERVER = "10.0.1.5";
const MAC = "00:03:93:0a:0b:0c";
const IMAGE_BYTES = 5 * 1024 ** 3;
const MARK = "a mark behind four gibibytes";

describe("NetBoot bundles", { skip }, () => {
  let network: { close(): Promise<void> } | undefined;
  let client: Computer;
  let asker: Lines;
  let serving: Lines;
  let bundles: Bundles;

  before(async () => {
    bundles = await Bundles.make();
    const path = await bundles.add("NetBoot SP0/DOE Image.nbi", { ...installerKeys, Type: "HTTP" });
    const image = await open(join(path, "NetInstall.dmg"), "w");
    await image.truncate(IMAGE_BYTES);
    await image.write(MARK, IMAGE_BYTES - MARK.length);
    await image.close();
    await bundles.add(
      "NetBoot SP0/linux.nbi",
      { ...linuxKeys, IsDefault: true },
      { "i386/booter": "the Linux booter" },
    );
    await bundles.add("NetBoot SP0/nfs.nbi", { ...installerKeys, Index: 9, Name: "nfs", Type: "NFS" });
    await bundles.add("NetBoot SP0/bad.nbi", "no property list");
    await bundles.add("NetBoot SP0/off.nbi", { ...linuxKeys, Index: 5, IsEnabled: false });
    await bundles.add("outside", undefined, { secret: "secret" });
    await symlink(join(bundles.home, "outside/secret"), join(bundles.home, "NetBoot SP0/linux.nbi/i386/link"));
    let server: Computer;
    network = { server, client } = await openNetwork({ server: `${SERVER}/24`, client: "10.0.1.50/24" });
    await client.run("ip", "route", "replace", "default", "dev", "eth0");
    asker = client.startNode(replay, "68", "993");
    await asker.until("ready");
    const set = ["network.interfaces=eth0", "network.register=false", `bsdp.nbi=${join(bundles.home, "NetBoot SP0")}`];
    const words = [
      "serve",
      "--json",
      "--data-dir",
      join(bundles.home, "data"),
      ...set.flatMap((one) => ["--set", one]),
    ];
    serving = server.start(process.execPath, main, ...words);
    await serving.until('"ready":true');
  });
  after(async () => {
    await network?.close();
    await bundles?.remove();
  });

  const identity = { mac: MAC, address: "10.0.1.50", arch: "i386", model: "iMac14,3" } as const;
  const panel = { ...identity, profile: "startup-disk", replyPort: 993 } as const;
  const firmware = { ...identity, profile: "firmware", replyPort: 68 } as const;

  let exchange = 0x6600;
  async function ask(packet: (xid: number) => DhcpPacket, message: number): Promise<BsdpAck> {
    exchange += 1;
    const request = packet(exchange);
    const hex = Buffer.from(encodeDhcpPacket(request)).toString("hex");
    asker.write(`${JSON.stringify({ hex, to: "255.255.255.255", port: 67, from: 68 })}\n`);
    const xid = exchange.toString(16).padStart(8, "0");
    for (const deadline = AbortSignal.timeout(5_000); !deadline.aborted; await delay(5)) {
      const lines = asker.seen
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line) as { hex: string });
      const found = lines.find((line) => line.hex.startsWith("02") && line.hex.slice(8, 16) === xid);
      if (found === undefined) continue;
      const read = readAck(Buffer.from(found.hex, "hex"), panel, exchange);
      assert(typeof read !== "string", String(read));
      assert.equal(read.options.messageType, message);
      return read;
    }
    throw new Error(`no answer to exchange ${xid}`);
  }
  const list = () => ask((xid) => listRequest(panel, xid), BsdpMessage.list);
  const select = (image: number) =>
    ask((xid) => selectRequest(firmware, xid, { server: SERVER, image }), BsdpMessage.select);

  const tftp = (path: string) =>
    client.run("curl", "-sS", "--path-as-is", "--max-time", "5", `tftp://${SERVER}/${encodeURI(path)}`);
  const http = (...words: string[]) => client.run("curl", "-sS", "--max-time", "5", ...words);

  test("a Mac that nothing is ordered for is shown the bundles, the default first", async () => {
    const { options } = await list();
    assert.deepEqual(
      options.images?.map(({ index, isInstall, name }) => ({ index, isInstall, name })),
      [
        { index: 4096, isInstall: true, name: "Linux" },
        { index: 137, isInstall: true, name: "DOE-Image" },
        { index: 9, isInstall: true, name: "nfs" },
      ],
    );
    assert.equal(options.defaultImage, 0x81001000);
  });

  test("BootFileOnly: the booter comes by TFTP, under the name of the packet and under Apple's", async () => {
    const { packet } = await select(0x81001000);
    assert.equal(packet.file, "NetBoot/NetBoot SP0/linux.nbi/i386/booter");
    assert.equal(packet.siaddr, SERVER);
    assert.equal(optionData(packet, Option.rootPath), undefined);
    for (const path of [packet.file, `/private/tftpboot/${packet.file}`]) {
      assert.equal(await tftp(path), "the Linux booter");
    }
  });

  test("HTTP: the root path leads to the disk image, which comes in ranges", async () => {
    const { packet } = await select(0x81000089);
    const root = Buffer.from(optionData(packet, Option.rootPath) ?? []).toString();
    assert.equal(root, `http://${SERVER}:8440/NetBoot/NetBoot%20SP0/DOE%20Image.nbi/NetInstall.dmg`);
    const at = IMAGE_BYTES - MARK.length;
    assert.equal(await http("--range", `${at}-${IMAGE_BYTES - 1}`, root), MARK);
    assert.equal(await http("--range", `-${MARK.length}`, root), MARK);
    assert.match(await http("--head", root), new RegExp(`Content-Length: ${IMAGE_BYTES}\\r`));
    assert.equal(await tftp(packet.file), "the booter");
  });

  test("NFS: the root path names the folder as it is on the disk", async () => {
    const { packet } = await select(0x81000009);
    const root = Buffer.from(optionData(packet, Option.rootPath) ?? []).toString();
    assert.equal(root, `nfs:${SERVER}:${join(bundles.home, "NetBoot SP0")}:nfs.nbi/NetInstall.dmg`);
  });

  test("nothing else of the disk is served: links that lead out, bundles that are off or bad, the folder itself", async () => {
    const below = "NetBoot/NetBoot SP0";
    const refused = [
      "linux.nbi/i386/link",
      "off.nbi/i386/booter",
      "bad.nbi/i386/booter",
      "linux.nbi/../../outside/secret",
    ];
    for (const path of refused) {
      await assert.rejects(tftp(`${below}/${path}`), /exit code (68|69|71)/, path);
      const url = `http://${SERVER}:8440/${encodeURI(`${below}/${path}`)}`;
      assert.match(await http("--path-as-is", "-o", "/dev/null", "-w", "%{http_code}", url), /^40[04]$/, path);
    }
  });

  test("the bad bundle is logged with its reason; one that comes and one that goes are noticed without a restart", async () => {
    await serving.until("bad.nbi", "no property list");
    await bundles.add("NetBoot SP0/new.nbi", { ...linuxKeys, Index: 77, Name: "new" });
    await rm(join(bundles.home, "NetBoot SP0/nfs.nbi"), { recursive: true });
    await serving.until("nbi: served", "new.nbi");
    const { options } = await list();
    assert.deepEqual(
      options.images?.map(({ name }) => name),
      ["Linux", "DOE-Image", "new"],
    );
  });

  test("a host that is known and has no order sees the bundles, too", async () => {
    const body = JSON.stringify(machine(1, { mac: MAC }));
    await http("-H", "content-type: application/json", "-d", body, `http://${SERVER}:8440/agent/v1/hosts`);
    assert.equal((await list()).options.images?.length, 3);
  });
});
