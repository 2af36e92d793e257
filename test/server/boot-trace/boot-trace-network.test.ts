import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { decodeDhcpPacket, encodeDhcpPacket } from "../../../bsdp/dhcp-packet.ts";
import { addressOption, byteOption, MessageType, Option, textOption } from "../../../bsdp/dhcp-values.ts";
import { labProblem } from "../../../scripts/lab/namespace.ts";
import type { TraceEntryBody } from "../../../server/api/boot-schemas.ts";
import { vectorNamed } from "../../bsdp/packet-vectors.ts";
import { bootcast } from "../../cli/program.ts";
import { type Computer, type Lines, openNetwork } from "../dhcp/computers.ts";

const main = new URL("../../../cli/main.ts", import.meta.url);
const replay = new URL("../dhcp/dhcp-replay.ts", import.meta.url);
const files = {
  "x64/snponly.efi": 170_000,
  "nbi/booter": 300_000,
  vmlinuz: 2_000_000,
  "rpi/start4.elf": 2_250_000,
  "rpi/fixup4.dat": 5_400,
  "rpi/config.txt": 300,
  "rpi/kernel8.img": 9_000_000,
};
const [server, firmware, mac, pi] = ["10.0.1.5", "10.77.0.199", "10.0.1.50", "10.0.1.60"];

describe("a Mac, a PC and a Raspberry Pi boot from a real server", {
  skip: labProblem("network", { curl: "curl" }) ?? false,
}, () => {
  let network: { close(): Promise<void> } | undefined;
  let client: Computer;
  let packets: Lines;
  let running: Lines;
  let dataDir: string;

  before(async () => {
    dataDir = mkdtempSync(join(tmpdir(), "bootcast-trace-net-"));
    for (const [name, sizeBytes] of Object.entries(files)) {
      mkdirSync(join(dataDir, "boot", name, ".."), { recursive: true });
      writeFileSync(join(dataDir, "boot", name), Buffer.alloc(sizeBytes, name));
    }
    const computers = await openNetwork({ server: `${server}/24`, client: `${mac}/24` });
    network = computers;
    client = computers.client;
    await client.run("ip", "addr", "add", `${firmware}/24`, "dev", "eth0");
    await client.run("ip", "route", "replace", "default", "dev", "eth0");
    await computers.server.run("ip", "addr", "add", "10.77.0.1/24", "dev", "eth0");
    const set = ["network.interfaces=eth0", "dnssd.enabled=false", "bsdp.index=137"].flatMap((pair) => ["--set", pair]);
    running = computers.server.startNode(main, "serve", "--json", "--data-dir", dataDir, ...set);
    await running.until('"ready":true');
    packets = client.startNode(replay, "68", "993");
    await packets.until("ready");
  });
  after(async () => {
    packets?.end();
    await network?.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  /** Fetches from this address of the client's. curl's TFTP asks in octet mode with the options that loaders use. */
  async function fetched(from: string, url: string): Promise<void> {
    await client.run("ip", "route", "replace", `${server}/32`, "dev", "eth0", "src", from);
    await client.run("curl", "--silent", "--max-time", "8", "--output", "/dev/null", url);
    // The client has its last byte before the server has its last acknowledgement.
    if (url.startsWith("tftp:")) await running.until("tftp: sent", basename(url));
  }

  /** Sends a recorded packet, and waits for an answer with its exchange number where there is one. */
  function send(name: string, from: number, isAnswered = true): Promise<void> {
    return sendBytes(vectorNamed(name).hex, from, isAnswered);
  }

  async function sendBytes(hex: string, from: number, isAnswered = true): Promise<void> {
    packets.write(`${JSON.stringify({ hex, to: "255.255.255.255", port: 67, from })}\n`);
    if (isAnswered) await packets.until(`"hex":"0201060${hex.slice(7, 16)}`);
  }

  async function lastBoot(host: string): Promise<string[]> {
    const words = ["boot", "trace", "--host", host, "--no-follow", "--json", "--data-dir", dataDir];
    const { stdout, stderr } = await bootcast(words);
    const entries = stdout.split("\n").filter((line) => line !== "");
    assert(entries.length > 0, stderr);
    return entries.map((line) => {
      const { service, asked, answered, reason } = JSON.parse(line) as TraceEntryBody;
      return `${service} ${asked}: ${answered ?? reason}`;
    });
  }

  test("after a SELECT, every file that the Mac asks for stands below it, found or not", async () => {
    await send("inform-list-startup-disk", 993);
    await send("inform-select-startup-disk", 993);
    await fetched(mac, `tftp://${server}//nbi/booter`);
    // curl ends with an error, as the Mac does not.
    await assert.rejects(fetched(mac, `tftp://${server}//nbi/booter.plist`));
    assert.deepEqual(await lastBoot("00:17:f2:a1:b2:c3"), [
      "bsdp INFORM[LIST]: ACK[LIST] 1 image",
      "bsdp INFORM[SELECT] image 0x81000089: ACK[SELECT] nbi/booter",
      "tftp nbi/booter: sent",
      "tftp /nbi/booter.plist: file not found: /nbi/booter.plist; is it in the boot directory?",
    ]);
  });

  test("a PC: firmware, loader, iPXE, script and kernel are one boot", async () => {
    await send("ovmf-x64-discover", 68);
    await send("ovmf-x64-request", 68, false);
    await fetched(firmware, `tftp://${server}//x64/snponly.efi`);
    await send("ipxe-efi-discover", 68);
    const script = `http://${server}:8440/boot/script.ipxe?mac=52:54:00:77:00:01`;
    await fetched(firmware, script);
    await fetched(firmware, `http://${server}:8440/boot/vmlinuz`);
    assert.deepEqual(await lastBoot("52:54:00:77:00:01"), [
      "pxe DISCOVER: OFFER x64/snponly.efi",
      "pxe REQUEST: it accepts the address that the DHCP server 10.77.0.3 offers",
      "tftp x64/snponly.efi: sent",
      `pxe DISCOVER: OFFER ${script}`,
      "http boot script for iPXE: start the agent",
      "http vmlinuz: sent",
    ]);
    const { stdout } = await bootcast([
      "boot",
      "trace",
      "--host",
      "52:54:00:77:00:01",
      "--no-follow",
      "--data-dir",
      dataDir,
    ]);
    assert.match(
      stdout,
      /^52:54:00:77:00:01 \(UEFI x64, 10\.77\.0\.199\), boot of .*:\n {4}0\.0 s {2}pxe {3}DISCOVER UEFI x64 → OFFER/,
    );
    assert.match(stdout, /s {2}tftp {2}└ x64\/snponly\.efi → sent 166\.0 KiB in \d+ m?s/);
  });

  test("a Raspberry Pi: what it asks for in the folder of its serial number comes from rpi/", async () => {
    await client.run("ip", "addr", "add", `${pi}/24`, "dev", "eth0");
    await sendBytes(raspberryPacket(MessageType.discover), 68);
    await sendBytes(raspberryPacket(MessageType.request), 68, false);
    for (const name of ["start4.elf", "config.txt", "fixup4.dat", "kernel8.img"]) {
      await fetched(pi, `tftp://${server}//da06ffe0/${name}`);
    }
    await assert.rejects(fetched(pi, `tftp://${server}//da06ffe0/recovery.elf`));
    assert.deepEqual(await lastBoot("dc:a6:32:ec:fc:3c"), [
      "pxe DISCOVER: OFFER Raspberry Pi Boot",
      "pxe REQUEST: it accepts the address that the DHCP server 10.0.1.1 offers",
      "tftp da06ffe0/start4.elf: sent",
      "tftp da06ffe0/config.txt: sent",
      "tftp da06ffe0/fixup4.dat: sent",
      "tftp da06ffe0/kernel8.img: sent",
      "tftp /da06ffe0/recovery.elf: file not found: /da06ffe0/recovery.elf; is it in the boot directory?",
    ]);
  });
});

/** What a Raspberry Pi 4 asks, by its documented fields: a BIOS that says what it is in its machine id alone. */
function raspberryPacket(type: number): string {
  const packet = decodeDhcpPacket(Buffer.from(vectorNamed("pixiecore-pcap-discover").hex, "hex"));
  const options = [
    byteOption(Option.messageType, type),
    { code: Option.clientArch, data: Uint8Array.of(0, 0) },
    { code: Option.clientMachineId, data: Buffer.from("00525069343130c00032ecfc3cda06ffe0", "hex") },
    textOption(Option.vendorClass, "PXEClient:Arch:00000:UNDI:002001"),
    ...(type === MessageType.discover
      ? []
      : [addressOption(Option.requestedAddress, pi), addressOption(Option.serverId, "10.0.1.1")]),
  ];
  const chaddr = Buffer.from("dca632ecfc3c00000000000000000000", "hex");
  return Buffer.from(encodeDhcpPacket({ ...packet, xid: 0x26f30339, chaddr, options })).toString("hex");
}
