import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { decodeDhcpPacket, optionAddress, optionData } from "../../bsdp/dhcp-packet.ts";
import { labProblem } from "../../scripts/lab/namespace.ts";
import { bytesOf, packetVectors, vectorNamed } from "../bsdp/packet-vectors.ts";
import { machine } from "../server/core.ts";
import { type Computer, type Lines, openNetwork } from "../server/dhcp/computers.ts";

/**
 * `bootcast serve` as it is started on a Friday night, asked by recorded Macs, firmware and iPXE through real sockets,
 * in a network of its own.
 */
const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const replay = new URL("../server/dhcp/dhcp-replay.ts", import.meta.url);
const flood = new URL("./flood.ts", import.meta.url);
const skip = labProblem() ?? false;

/** The server's address in the recorded requests of Macs, and in those of firmware and iPXE. */
const MACS = "10.0.1.5";
const FIRMWARE = "10.77.0.1";
const bootFiles = ["undionly.kpxe", "x64/snponly.efi", "x64/disk.efi", "arm64/grub.efi", "nbi/booter", "vmlinuz"];

type Received = { readonly hex: string; readonly address: string; readonly port: number; readonly on: number };

class Serving {
  readonly #computer: Computer;
  readonly #lines: Lines;
  readonly pid: string;
  /** The last one; a test that fails leaves it running. */
  static last: Serving | undefined;

  private constructor(computer: Computer, lines: Lines, pid: string) {
    this.#computer = computer;
    this.#lines = lines;
    this.pid = pid;
  }

  static async start(computer: Computer, address: string, dataDir: string, ...set: string[]): Promise<Serving> {
    await computer.run("ip", "address", "flush", "dev", "eth0");
    await computer.run("ip", "address", "add", `${address}/24`, "dev", "eth0");
    // Answers to a client behind a relay need a way there.
    await computer.run("ip", "route", "replace", "default", "dev", "eth0");
    const lines = computer.start(process.execPath, main, ...words(dataDir, ...set));
    const ready = JSON.parse(await lines.until('"ready":true'));
    Serving.last = new Serving(computer, lines, String(ready.pid));
    return Serving.last;
  }

  /** Whatever happened to it: it is over. */
  async end(): Promise<void> {
    this.#lines.signal("SIGKILL");
    await this.#lines.exited;
  }

  get log(): readonly string[] {
    return this.#lines.seen;
  }

  /** The first log line with all of `texts`. */
  until(...texts: readonly string[]): Promise<string> {
    return this.#lines.until(...texts);
  }

  /** The first one that comes after the first `from` lines. */
  untilAfter(from: number, ...texts: readonly string[]): Promise<string> {
    return this.#lines.untilAfter(from, ...texts);
  }

  /** Sends a signal, and gives the exit code and how long the end took. */
  async stop(signal = "TERM"): Promise<{ code: number | null; ms: number }> {
    const startedAt = performance.now();
    await this.#computer.run("kill", `-${signal}`, this.pid);
    const code = await this.#lines.exited;
    return { code, ms: performance.now() - startedAt };
  }
}

function words(dataDir: string, ...set: string[]): string[] {
  const settings = ["network.interfaces=eth0", "bsdp.index=137", "bsdp.name=DOE-Image", ...set];
  return ["serve", "--json", "--data-dir", dataDir, ...settings.flatMap((pair) => ["--set", pair])];
}

describe("bootcast serve", { skip }, () => {
  let network: { close(): Promise<void> } | undefined;
  let server: Computer;
  let client: Computer;
  let asker: Lines;
  let dataDir: string;
  before(async () => {
    network = { server, client } = await openNetwork({ server: `${MACS}/24`, client: "10.0.1.50/24" });
    await client.run("ip", "address", "add", "10.77.0.199/24", "dev", "eth0");
    await client.run("ip", "route", "replace", "default", "dev", "eth0");
    asker = client.startNode(replay, "68", "993", "4011");
    await asker.until("ready");
    dataDir = mkdtempSync(join(tmpdir(), "bootcast-serve-"));
    for (const name of bootFiles) {
      const path = join(dataDir, "boot", name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, `this is ${name}`);
    }
  });
  afterEach(() => Serving.last?.end());
  after(async () => {
    await network?.close();
    rmSync(dataDir, { recursive: true });
  });

  let sent = 0;
  /** Sends a recorded request as an exchange of its own; `mac` in its place. Resolves to the exchange number. */
  function send(name: string, mac?: string): string {
    const vector = vectorNamed(name) as { hex: string; transport?: { sport: number; dport: number } };
    sent += 1;
    const xid = sent.toString(16).padStart(8, "0");
    const hex = vector.hex.replaceAll(" ", "");
    const chaddr = mac?.replaceAll(":", "") ?? hex.slice(56, 68);
    const own = hex.slice(0, 8) + xid + hex.slice(16, 56) + chaddr + hex.slice(68);
    const port = vector.transport?.dport ?? 67;
    const to = port === 67 ? "255.255.255.255" : FIRMWARE;
    const from = vector.transport?.sport === 67 ? 68 : (vector.transport?.sport ?? 68);
    asker.write(`${JSON.stringify({ hex: own, to, port, from })}\n`);
    return xid;
  }

  function heard(xid: string): Received | undefined {
    const lines = asker.seen.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Received);
    return lines.find(({ hex }) => hex.startsWith("02") && hex.slice(8, 16) === xid);
  }

  async function until(xid: string, what: string): Promise<Received> {
    for (const deadline = AbortSignal.timeout(5_000); !deadline.aborted; await delay(5)) {
      const found = heard(xid);
      if (found !== undefined) return found;
    }
    throw new Error(`${what} was not answered`);
  }

  const answerTo = (name: string, mac?: string) => until(send(name, mac), name);

  /** Two requests that are answered for certain come after it: then an answer to it would be here, too. */
  async function isSilentTo(name: string, mac?: string): Promise<boolean> {
    const xid = send(name, mac);
    for (const round of [1, 2]) await answerTo("ipxe-e810-discover", freshMac(round));
    return heard(xid) === undefined;
  }

  /** More than ten answers a second to one machine are held back; this is another one each time. */
  function freshMac(more = 0): string {
    const number = (sent * 4 + more).toString(16).padStart(4, "0");
    return `02:00:00:00:${number.slice(0, 2)}:${number.slice(2)}`;
  }

  const http = (address: string, path: string) =>
    client.run("curl", "-s", "--path-as-is", "--max-time", "5", `http://${address}:8440${path}`);

  async function register(
    address: string,
    mac: string,
    number: number,
  ): Promise<{ hostId: string; token: string; name: string }> {
    const body = JSON.stringify(machine(number, { mac }));
    const type = "content-type: application/json";
    const url = `http://${address}:8440/agent/v1/hosts`;
    return JSON.parse(await client.run("curl", "-s", "-H", type, "-d", body, url));
  }

  /** The same answer as the recorded one, but for the exchange number and the machine. */
  const without = (hex: string) => hex.slice(0, 8) + hex.slice(16, 56) + hex.slice(68);

  test("recorded Macs are answered as Apple's server answers them, or not at all", async () => {
    const serving = await Serving.start(server, MACS, dataDir);
    for (const { name, serverBehaviour } of packetVectors) {
      if (serverBehaviour === undefined || !/^(fw|inform|neg)-/.test(name)) continue;
      if (serverBehaviour.action !== "reply") {
        assert(await isSilentTo(name, freshMac()), name);
        continue;
      }
      const { hex, ...way } = await answerTo(name, freshMac());
      assert.deepEqual(way, { address: MACS, port: 67, on: serverBehaviour.toPort }, name);
      if (name.startsWith("inform-select")) {
        assert.equal(decodeDhcpPacket(bytesOf(hex)).file, "nbi/booter");
      } else if (!name.endsWith("relayed")) {
        // The image of the recorded SELECT of a firmware is not one of ours.
        const oracle = name.startsWith("fw-inform-select") ? "ack-failed" : "ack-list-one";
        assert.equal(without(hex), without(vectorNamed(oracle).hex), name);
      }
    }
    assert.equal((await serving.stop()).code, 0);
  });

  test("proxy mode gives boot data and no address, and leaves a REQUEST to the DHCP server", async () => {
    const serving = await Serving.start(server, FIRMWARE, dataDir);
    const script = `http://${FIRMWARE}:8440/boot/script.ipxe?mac=`;
    for (const [name, file] of [
      ["ovmf-x64-discover", "x64/snponly.efi"],
      ["ovmf-x64-4011-request", "x64/snponly.efi"],
      ["ovmf-x64-http-discover", ""],
      ["aavmf-arm64-discover", "arm64/grub.efi"],
      ["pixiecore-pcap-discover", "undionly.kpxe"],
      ["ipxe-efi-discover", script],
      ["seabios-ipxe-discover", script],
      ["ipxe-bios-chained-discover-bare-class", script],
      ["ipxe-bios-pxebs-request", script],
    ] as const) {
      const packet = decodeDhcpPacket(bytesOf((await answerTo(name)).hex));
      assert.deepEqual(
        [packet.yiaddr, packet.siaddr, optionAddress(packet, 54)],
        ["0.0.0.0", FIRMWARE, FIRMWARE],
        name,
      );
      for (const lease of [1, 3, 51]) assert.equal(optionData(packet, lease), undefined, name);
      assert(file === script ? packet.file.startsWith(script) : packet.file === file, `${name}: ${packet.file}`);
    }
    for (const name of [
      "ovmf-x64-request",
      "ipxe-efi-request",
      "ovmf-x64-http-request",
      "pixiecore-pcap-relayed-request",
    ]) {
      assert(await isSilentTo(name), name);
    }
    assert.equal((await serving.stop()).code, 0);
  });

  for (const [title, set, isKnown] of [
    ["a known host with nothing ordered", "network.register=true", true],
    ["an unknown machine where nobody may register", "network.register=false", false],
  ] as const) {
    test(`${title} is never given the agent`, async () => {
      const mac = isKnown ? "02:00:00:00:ff:01" : "02:00:00:00:ff:02";
      let serving = await Serving.start(server, FIRMWARE, dataDir, set);
      if (isKnown) await register(FIRMWARE, mac, 1);
      assert(await isSilentTo("pixiecore-pcap-discover", mac));
      // GRUB asks what to boot, and is told the disk.
      for (const name of ["aavmf-arm64-discover", "aavmf-arm64-4011-request"]) {
        assert.equal(decodeDhcpPacket(bytesOf((await answerTo(name, mac)).hex)).file, "arm64/grub.efi", name);
      }
      assert.doesNotMatch(await http(FIRMWARE, `/boot/grub.cfg?mac=${mac}`), /vmlinuz|initramfs/);
      for (const name of ["ovmf-x64-discover", "ovmf-x64-4011-request", "ovmf-x64-http-discover"]) {
        const packet = decodeDhcpPacket(bytesOf((await answerTo(name, mac)).hex));
        const file = packet.file || Buffer.from(optionData(packet, 67) ?? []).toString();
        assert(file.endsWith("x64/disk.efi"), `${name}: ${file}`);
      }
      for (const written of [mac, mac.toUpperCase(), mac.replaceAll(":", "-"), mac.replaceAll(":", "")]) {
        const script = await http(FIRMWARE, `/boot/script.ipxe?mac=${written}`);
        assert.match(script, /^#!ipxe\n(.*\n)*exit 1\n$/, written);
        assert.doesNotMatch(script, /kernel|initrd|chain/, written);
      }
      await serving.stop();
      serving = await Serving.start(server, MACS, dataDir, set);
      assert(await isSilentTo("fw-inform-list-port68", mac), "no list");
      const select = await answerTo("inform-select-startup-disk", mac);
      assert.equal(without(select.hex), without(vectorNamed("ack-failed").hex));
      await serving.stop();
    });
  }

  test("HTTP gives out the boot directory and nothing beside it", async () => {
    const serving = await Serving.start(server, FIRMWARE, dataDir);
    assert.equal(await http(FIRMWARE, "/boot/vmlinuz"), "this is vmlinuz");
    assert.equal(await http(FIRMWARE, "//boot/x64/snponly.efi"), "this is x64/snponly.efi");
    const key = readFileSync(join(dataDir, "keys/site.key"), "utf8").split("\n")[1]!;
    for (const up of [
      "..",
      "%2e%2e",
      "..%2f..",
      "%2e%2e%2f",
      "..%5c",
      "%252e%252e",
      "x64/../..",
      "x64/..%5c..",
      "/..",
    ]) {
      for (const file of ["keys/site.key", "bootcast.db"]) {
        const answer = await http(FIRMWARE, `/boot/${up}/${file}`);
        assert(answer.length < 500 && !answer.includes(key) && !answer.includes("SQLite"), `${up}/${file}: ${answer}`);
      }
    }
    assert.equal((await serving.stop()).code, 0);
  });

  test("20 000 packets of noise: it goes on answering, leaks nothing and gives no address away", async () => {
    const serving = await Serving.start(server, FIRMWARE, dataDir);
    await answerTo("seabios-ipxe-discover", freshMac());
    const held = async () => {
      const status = await server.run("cat", `/proc/${serving.pid}/status`);
      const files = (await server.run("ls", `/proc/${serving.pid}/fd`)).trim().split("\n").length;
      return { kilobytes: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]), files };
    };
    const before = await held();
    await client.startNode(flood, FIRMWARE, "7").until("flooded");
    // More than a second, which is what the limit of answers counts.
    await delay(1_100);
    await answerTo("seabios-ipxe-discover", freshMac());
    const gone = AbortSignal.timeout(40_000);
    let now = await held();
    // TFTP gives up on clients that are not there after its last try.
    for (; now.files > before.files && !gone.aborted; await delay(200)) now = await held();
    assert.equal(now.files, before.files);
    assert(now.kilobytes - before.kilobytes < 80_000, `${before.kilobytes} KiB became ${now.kilobytes}`);
    for (const line of asker.seen.filter((one) => one.includes(`"address":"${FIRMWARE}"`))) {
      const { hex } = JSON.parse(line) as Received;
      assert.equal(hex.slice(32, 40), "00000000", `an address was given: ${hex}`);
    }
    for (const line of serving.log) assert.doesNotThrow(() => JSON.parse(line), line);
    const broken = serving.log.filter((line) => (JSON.parse(line) as { level?: number }).level === 50);
    assert.deepEqual(broken, []);
    assert.equal((await serving.stop()).code, 0);
  });

  test("another address on its interface is followed: DHCP, TFTP, HTTP, and back again", async () => {
    const serving = await Serving.start(server, FIRMWARE, dataDir);
    const move = async (from: string, to: string) => {
      const before = serving.log.length;
      await server.run("ip", "address", "add", `${to}/24`, "dev", "eth0");
      await server.run("ip", "address", "del", `${from}/24`, "dev", "eth0");
      await server.run("ip", "route", "replace", "default", "dev", "eth0");
      await serving.untilAfter(before, '"an address came', to);
      // DNS-SD follows last.
      await serving.untilAfter(before, '"dns-sd: advertised"', to);
    };
    const works = async (address: string) => {
      const packet = decodeDhcpPacket(bytesOf((await answerTo("ovmf-x64-discover", freshMac())).hex));
      assert.equal(packet.siaddr, address);
      assert.equal(await http(address, "/boot/x64/snponly.efi"), "this is x64/snponly.efi");
      const tftp = await client.run("curl", "-s", "--max-time", "5", `tftp://${address}/x64/snponly.efi`);
      assert.equal(tftp, "this is x64/snponly.efi");
    };
    await move(FIRMWARE, MACS);
    await works(MACS);
    await move(MACS, FIRMWARE);
    await works(FIRMWARE);
    assert.equal((await serving.stop()).code, 0);
  });

  test("stopped while it looks for another DHCP server, it ends at once and was never ready", async () => {
    const pool = "network.pool=10.77.0.50-10.77.0.99";
    const lines = server.start(process.execPath, main, ...words(dataDir, "network.dhcp=full", pool));
    await lines.until("looking for another DHCP server");
    const startedAt = performance.now();
    lines.signal("SIGTERM");
    assert.equal(await lines.exited, 0);
    assert(performance.now() - startedAt < 1_500);
    assert(!lines.seen.some((line) => line.includes('"ready"')));
  });

  test("doctor ends at its deadline when packets vanish on the way", async () => {
    await client.run("ip", "neigh", "replace", "10.0.1.66", "lladdr", "02:00:00:00:00:66", "dev", "eth0");
    const startedAt = performance.now();
    const lines = client.start(process.execPath, main, "doctor", "--server", "10.0.1.66", "--deadline", "1");
    assert.equal(await lines.exited, 10);
    assert(performance.now() - startedAt < 4_000);
    assert.equal(lines.seen.filter((line) => /^fail .* was not complete after 1000 ms/i.test(line)).length, 10);
  });

  test("killed in the middle of a stream and started again, the stream goes on under its id; then it stops in time", async () => {
    const raw = join(dataDir, "golden.raw");
    writeFileSync(raw, Buffer.alloc(1 << 20, "golden "));
    let serving = await Serving.start(server, FIRMWARE, dataDir);
    const run = (...more: string[]) => server.run(process.execPath, main, ...more, "--data-dir", dataDir, "--json");
    await run("image", "import", raw, "--name", "lab-debian");
    const host = await register(FIRMWARE, "02:00:00:00:ff:03", 3);
    await run("deploy", "lab-debian", "--to", host.name, "--confirm", host.name);
    const asHost = (path: string, ...more: string[]) => {
      const token = ["-H", `authorization: Bearer ${host.token}`, "-H", "content-type: application/json"];
      const url = `http://${FIRMWARE}:8440/agent/v1/hosts/${host.hostId}/${path}`;
      return client.run("curl", "-s", "--max-time", "5", ...token, ...more, url);
    };
    const order = JSON.parse(await asHost("order"));
    assert.equal(order.kind, "deploy");
    const { deployId, streamId } = order;
    for (const state of ["erasing", "receiving"]) {
      await asHost("reports", "-d", JSON.stringify({ state, deployId, detail: "" }));
    }
    const address = (await http(FIRMWARE, `/agent/v1/streams/${streamId}`)).length;
    assert((await serving.stop("KILL")).code !== 0 && address > 0);
    serving = await Serving.start(server, FIRMWARE, dataDir);
    assert.equal(JSON.parse(await http(FIRMWARE, `/agent/v1/streams/${streamId}`)).description.streamId, streamId);
    assert.equal(JSON.parse(await asHost("order")).streamId, streamId, "the token and the order are still good");
    const other = await register(FIRMWARE, "02:00:00:00:ff:04", 4);
    const poll = client.start(
      "curl",
      ...["-s", "-H", `authorization: Bearer ${other.token}`],
      `http://${FIRMWARE}:8440/agent/v1/hosts/${other.hostId}/order?waitSeconds=25`,
    );
    const { code, ms } = await serving.stop();
    assert.equal(code, 0);
    assert(ms < 5_000, `${ms} ms`);
    await poll.exited;
  });
});
