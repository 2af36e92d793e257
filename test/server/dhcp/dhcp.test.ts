import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { decodeDhcpPacket, encodeDhcpPacket, optionAddress, optionData } from "../../../bsdp/dhcp-packet.ts";
import { labProblem } from "../../../scripts/lab/namespace.ts";
import { bytesOf, vectorNamed } from "../../bsdp/packet-vectors.ts";
import { type Computer, type Lines, openNetwork } from "./computers.ts";

const serve = new URL("./dhcp-serve.ts", import.meta.url);
const replay = new URL("./dhcp-replay.ts", import.meta.url);
const npmClient = new URL("./dhcp-npm-client.ts", import.meta.url);

const debianPackages = { dhclient: "isc-dhcp-client", dnsmasq: "dnsmasq-base", udhcpc: "udhcpc" };

/** Why a test in a network of its own cannot run here, with one of these foreign programs or without; false when it can. */
function skipWithout(program?: keyof typeof debianPackages): string | false {
  return labProblem("network", program === undefined ? {} : { [program]: debianPackages[program] }) ?? false;
}

type Received = { hex: string; address: string; port: number; on: number };

async function serving(computer: Computer, settings: object): Promise<Lines> {
  const server = computer.startNode(serve, JSON.stringify(settings));
  await server.until("serving");
  return server;
}

/** An ordinary socket can send to 255.255.255.255 only where there is a default route. */
async function sendsBroadcasts(computer: Computer): Promise<void> {
  await computer.run("ip", "route", "replace", "default", "dev", "eth0");
}

/** Sends a recorded packet and waits for the answer that has its exchange number. */
async function exchange(
  client: Lines,
  name: string,
  way: { to: string; port: number; from: number },
): Promise<Received> {
  const { hex } = vectorNamed(name);
  client.write(`${JSON.stringify({ hex, ...way })}\n`);
  return JSON.parse(await client.until(`"hex":"0201060${hex.slice(7, 16)}`)) as Received;
}

describe("Macs and PXE clients, recorded packets through real sockets", { skip: skipWithout() }, () => {
  let network: { close(): Promise<void> } | undefined;
  let server: Computer;
  let client: Computer;
  before(async () => {
    network = { server, client } = await openNetwork({ server: "10.0.1.5/24", client: "10.0.1.50/24" });
    await client.run("ip", "addr", "add", "10.77.0.199/24", "dev", "eth0");
    await sendsBroadcasts(client);
    await server.run("ip", "addr", "add", "10.77.0.1/24", "dev", "eth0");
  });
  after(() => network?.close());

  test("a Mac's LIST gets the bytes that Apple's server sends, from port 67, on the port it asked for", async () => {
    const process = await serving(server, { mode: "proxy", name: "eth0", address: "10.0.1.5" });
    const mac = client.startNode(replay, "68", "993");
    await mac.until("ready");
    const way = { to: "255.255.255.255", port: 67 };
    const onClientPort = await exchange(mac, "fw-inform-list-port68", { ...way, from: 68 });
    assert.deepEqual(onClientPort, { hex: vectorNamed("ack-list-one").hex, address: "10.0.1.5", port: 67, on: 68 });
    mac.end();
    process.end();
    await process.until("stopping");
  });

  test("a Mac's SELECT gets the booter; one for another server gets nothing", async () => {
    const process = await serving(server, { mode: "proxy", name: "eth0", address: "10.0.1.5" });
    const mac = client.startNode(replay, "993");
    await mac.until("ready");
    const way = { to: "255.255.255.255", port: 67, from: 993 };
    mac.write(`${JSON.stringify({ hex: vectorNamed("neg-select-other-server").hex, ...way })}\n`);
    await process.until("another-server-named");
    const { hex, on } = await exchange(mac, "inform-select-startup-disk", way);
    const packet = decodeDhcpPacket(bytesOf(hex));
    assert.equal(packet.file, "nbi/booter");
    assert.equal(packet.siaddr, "10.0.1.5");
    assert.equal(on, 993);
    assert.equal(mac.seen.length, 2);
    mac.end();
    process.end();
    const counters = JSON.parse(await process.until("stopping")).counters;
    assert.deepEqual(counters, { answered: { "BSDP SELECT": 1 }, dropped: { "another-server-named": 1 } });
  });

  test("PXE: a broadcast offer from port 67, then an answer from port 4011 to the client's own port", async () => {
    const process = await serving(server, { mode: "proxy", name: "eth0", address: "10.77.0.1" });
    const pxe = client.startNode(replay, "68", "4011");
    await pxe.until("ready");
    const offer = await exchange(pxe, "ovmf-x64-discover", { to: "255.255.255.255", port: 67, from: 68 });
    assert.deepEqual([offer.port, offer.on], [67, 68]);
    const offered = decodeDhcpPacket(bytesOf(offer.hex));
    assert.equal(offered.yiaddr, "0.0.0.0");
    assert.equal(offered.file, "x64/snponly.efi");
    const ack = await exchange(pxe, "ovmf-x64-4011-request", { to: "10.77.0.1", port: 4011, from: 4011 });
    assert.deepEqual([ack.port, ack.on], [4011, 4011]);
    assert.equal(decodeDhcpPacket(bytesOf(ack.hex)).file, "x64/snponly.efi");
    pxe.end();
    process.end();
    await process.until("stopping");
  });

  test("what is no DHCP packet is counted, and the next one is answered", async () => {
    const process = await serving(server, { mode: "proxy", name: "eth0", address: "10.77.0.1" });
    const pxe = client.startNode(replay, "68");
    await pxe.until("ready");
    const way = { to: "255.255.255.255", port: 67, from: 68 };
    for (const hex of ["", "00", "ff".repeat(300), vectorNamed("ovmf-x64-discover").hex.slice(0, 500)]) {
      pxe.write(`${JSON.stringify({ hex, ...way })}\n`);
    }
    await exchange(pxe, "ipxe-efi-discover", way);
    pxe.end();
    process.end();
    const { answered, dropped } = JSON.parse(await process.until("stopping")).counters;
    assert.deepEqual(answered, { OFFER: 1 });
    assert.deepEqual(dropped, { DHCP_TRUNCATED: 2, DHCP_BAD_FIELD: 1, DHCP_OPTION_OVERRUN: 1 });
  });
});

describe("leases for independent clients", { skip: skipWithout() }, () => {
  let network: { close(): Promise<void> } | undefined;
  let server: Computer;
  let client: Computer;
  let process: Lines;
  before(async () => {
    // The npm client sends through an ordinary socket and so needs an address to send from.
    network = { server, client } = await openNetwork({ server: "10.77.0.1/24", client: "192.0.2.2/24" });
    process = await serving(server, { mode: "full", name: "eth0", address: "10.77.0.1" });
  });
  after(() => network?.close());

  test("npm dhcp's client is bound to an address of the pool", async () => {
    await sendsBroadcasts(client);
    const npm = client.startNode(npmClient, "02-00-00-00-00-07");
    const state = JSON.parse((await npm.until("bound ")).slice("bound ".length));
    await client.run("ip", "addr", "flush", "dev", "eth0");
    assert.equal(state.address, "10.77.0.50");
    assert.equal(state.server, "10.77.0.1");
    assert.equal(state.leasePeriod, 600);
    assert.equal(state.options.netmask, "255.255.255.0");
    assert.deepEqual(state.options.router, ["10.77.0.1"]);
    assert(!npm.seen.some((line) => line.startsWith("error")), npm.seen.join("\n"));
  });

  test("udhcpc gets an address, the same one again, and can give it back", {
    skip: skipWithout("udhcpc"),
  }, async () => {
    const work = mkdtempSync(join(tmpdir(), "bootcast-udhcpc-"));
    const script = join(work, "script");
    const bound = 'ip addr add "$ip/24" dev "$interface"; echo "got $ip $subnet $router $dns $lease $serverid" "$PPID"';
    writeFileSync(script, `#!/bin/sh\n[ "$1" = bound ] && { ${bound}; }\nexit 0\n`, { mode: 0o755 });
    try {
      const ask = async () => {
        const udhcpc = client.start("udhcpc", "-i", "eth0", "-n", "-f", "-R", "-t", "3", "-s", script);
        return (await udhcpc.until("got ")).split(/ (?=\d+$)/) as [lease: string, pid: string];
      };
      const [first, firstPid] = await ask();
      assert.match(first, /^got 10\.77\.0\.\d+ 255\.255\.255\.0 10\.77\.0\.1 10\.77\.0\.1 600 10\.77\.0\.1$/);
      await client.run("kill", firstPid);
      await process.until('"reason":"released"');
      await client.run("ip", "addr", "flush", "dev", "eth0");
      const [second, secondPid] = await ask();
      assert.equal(second, first);
      await client.run("kill", "-9", secondPid);
      await client.run("ip", "addr", "flush", "dev", "eth0");
    } finally {
      rmSync(work, { recursive: true });
    }
  });

  test("dhclient gets an address", { skip: skipWithout("dhclient") }, async () => {
    const work = mkdtempSync(join(tmpdir(), "bootcast-dhclient-"));
    try {
      const leases = join(work, "leases");
      const options = ["-1", "-sf", "/bin/true", "-lf", leases, "-pf", join(work, "pid")];
      await client.run("dhclient", ...options, "eth0");
      const lease = await client.run("cat", leases);
      assert.match(lease, /fixed-address 10\.77\.0\.\d+;/);
      assert.match(lease, /option dhcp-server-identifier 10\.77\.0\.1;/);
    } finally {
      rmSync(work, { recursive: true });
    }
  });

  test("a PXE client gets address and boot data in one offer", async () => {
    await client.run("ip", "addr", "add", "192.0.2.2/24", "dev", "eth0");
    await sendsBroadcasts(client);
    const pxe = client.startNode(replay, "68");
    await pxe.until("ready");
    const offer = await exchange(pxe, "ovmf-x64-discover", { to: "255.255.255.255", port: 67, from: 68 }).finally(() =>
      pxe.end(),
    );
    const packet = decodeDhcpPacket(bytesOf(offer.hex));
    assert.match(packet.yiaddr, /^10\.77\.0\./);
    assert.equal(packet.file, "x64/snponly.efi");
    assert.equal(optionAddress(packet, 54), "10.77.0.1");
    assert.equal(optionData(packet, 60), undefined);
  });

  test("a second server finds the first one and refuses to start", async () => {
    await client.run("ip", "addr", "flush", "dev", "eth0");
    await client.run("ip", "addr", "add", "10.77.0.2/24", "dev", "eth0");
    const second = { mode: "full", name: "eth0", address: "10.77.0.2", probeMs: 3000 };
    const startedMs = Date.now();
    const refused = client.startNode(serve, JSON.stringify(second));
    const fault = JSON.parse(await refused.until("refused"));
    assert.equal(fault.code, "DHCP_OTHER_SERVER");
    assert.match(fault.what, /10\.77\.0\.1 .* eth0/);
    // The answer ends the wait, not the deadline.
    assert(Date.now() - startedMs < 3000);
  });
});

test("an address that a machine has without a lease is seen by ARP and not offered; one behind a relay has its own pool", {
  skip: skipWithout(),
}, async () => {
  const network = await openNetwork({ server: "10.77.0.1/24", client: "192.0.2.2/24", squatter: "10.77.0.50/24" });
  const { server, client } = network;
  try {
    await sendsBroadcasts(client);
    const process = await serving(server, {
      mode: "full",
      name: "eth0",
      address: "10.77.0.1",
      pool: "10.77.0.50-10.77.0.60,10.1.0.50-10.1.0.99/24",
    });
    const pxe = client.startNode(replay, "68", "67");
    await pxe.until("ready");
    const startedMs = performance.now();
    const offer = await exchange(pxe, "ovmf-x64-discover", { to: "255.255.255.255", port: 67, from: 68 });
    assert(performance.now() - startedMs < 1000, "firmware waits longer than that");
    assert.equal(decodeDhcpPacket(bytesOf(offer.hex)).yiaddr, "10.77.0.51");
    await process.until("is used by a machine", "10.77.0.50");
    // As a relay of another network: its address is not in ours, so the answer goes through this machine's route.
    await client.run("ip", "addr", "add", "10.1.0.1/24", "dev", "eth0");
    await server.run("ip", "route", "add", "10.1.0.0/24", "dev", "eth0");
    const request = decodeDhcpPacket(bytesOf(vectorNamed("ipxe-efi-discover").hex));
    const circuit = { code: 82, data: Uint8Array.of(1, 2, 3, 4) };
    const relayed = encodeDhcpPacket({ ...request, giaddr: "10.1.0.1", options: [...request.options, circuit] });
    pxe.write(
      `${JSON.stringify({ hex: Buffer.from(relayed).toString("hex"), to: "10.77.0.1", port: 67, from: 67 })}\n`,
    );
    const xid = request.xid.toString(16).padStart(8, "0");
    const answer = JSON.parse(await pxe.until(`"hex":"0201060`, xid)) as Received;
    assert.deepEqual([answer.port, answer.on], [67, 67]);
    const packet = decodeDhcpPacket(bytesOf(answer.hex));
    assert.equal(packet.yiaddr, "10.1.0.50");
    assert.equal(optionAddress(packet, 3), "10.1.0.1", "the relay is the router");
    assert.equal(packet.options.at(-1)?.code, 82);
    assert.deepEqual([...(optionData(packet, 82) ?? [])], [1, 2, 3, 4]);
  } finally {
    await network.close();
  }
});

test("beside a DHCP server on this machine: 4011 alone is answered, and port 67 is left to it", {
  skip: skipWithout("dnsmasq"),
}, async () => {
  const network = await openNetwork({ server: "10.77.0.1/24", client: "10.77.0.199/24" });
  const { server, client } = network;
  try {
    await sendsBroadcasts(client);
    const options = ["--no-daemon", "--user=root", "--port=0", "--interface=eth0", "--leasefile-ro", "--no-ping"];
    await server.start("dnsmasq", ...options, "--dhcp-range=10.77.0.100,10.77.0.200").until("DHCP, IP range");
    const process = await serving(server, { mode: "proxy-4011", name: "eth0", address: "10.77.0.1" });
    const pxe = client.startNode(replay, "68", "4011");
    await pxe.until("ready");
    const lease = await exchange(pxe, "ovmf-x64-discover", { to: "255.255.255.255", port: 67, from: 68 });
    assert.match(decodeDhcpPacket(bytesOf(lease.hex)).yiaddr, /^10\.77\.0\.1\d\d$/, "dnsmasq's own");
    const ack = await exchange(pxe, "ovmf-x64-4011-request", { to: "10.77.0.1", port: 4011, from: 4011 });
    assert.equal(decodeDhcpPacket(bytesOf(ack.hex)).file, "x64/snponly.efi");
    process.end();
    assert.deepEqual(JSON.parse(await process.until("stopping")).counters, {
      answered: { "ACK on 4011": 1 },
      dropped: {},
    });
    const proxy = server.startNode(serve, JSON.stringify({ mode: "proxy", name: "eth0", address: "10.77.0.1" }));
    await proxy.until("another program on this machine serves DHCP", "proxy-4011");
    assert.match(JSON.parse(await proxy.until("refused")).fix, /proxy-4011/);
  } finally {
    await network.close();
  }
});

test("another boot server is warned of, with its address and the file that it gives", {
  skip: skipWithout("dnsmasq"),
}, async () => {
  const network = await openNetwork({ server: "10.77.0.1/24", client: "192.0.2.2/24", other: "10.77.0.3/24" });
  const { server, client, other } = network;
  try {
    await sendsBroadcasts(client);
    const options = ["--no-daemon", "--user=root", "--port=0", "--interface=eth0", "--leasefile-ro", "--no-ping"];
    const boot = ["--dhcp-range=10.77.0.100,10.77.0.200", "--dhcp-boot=pxelinux.0", "--dhcp-broadcast"];
    await other.start("dnsmasq", ...options, ...boot).until("DHCP, IP range");
    const process = await serving(server, { mode: "proxy", name: "eth0", address: "10.77.0.1" });
    const pxe = client.startNode(replay, "68");
    await pxe.until("ready");
    await exchange(pxe, "ovmf-x64-discover", { to: "255.255.255.255", port: 67, from: 68 });
    const line = JSON.parse(await process.until("another boot server answers"));
    assert.deepEqual([line.server, line.file, line.interface], ["10.77.0.3", "pxelinux.0", "eth0"]);
  } finally {
    await network.close();
  }
});

test("beside dnsmasq full mode refuses to start, and proxy mode does not", {
  skip: skipWithout("dnsmasq"),
}, async () => {
  const network = await openNetwork({ server: "10.77.0.1/24", other: "10.77.0.3/24" });
  const { server, other } = network;
  const work = mkdtempSync(join(tmpdir(), "bootcast-dnsmasq-"));
  try {
    const leases = `--dhcp-leasefile=${join(work, "leases")}`;
    const options = ["--no-daemon", "--user=root", "--port=0", "--interface=eth0", leases];
    const dnsmasq = other.start("dnsmasq", ...options, "--dhcp-range=10.77.0.100,10.77.0.200");
    await dnsmasq.until("DHCP, IP range");
    const full = server.startNode(
      serve,
      JSON.stringify({ mode: "full", name: "eth0", address: "10.77.0.1", probeMs: 8000 }),
    );
    const fault = JSON.parse(await full.until("refused"));
    assert.equal(fault.code, "DHCP_OTHER_SERVER");
    assert.match(fault.what, /10\.77\.0\.3 /);
    await serving(server, { mode: "proxy", name: "eth0", address: "10.77.0.1" });
  } finally {
    await network.close();
    rmSync(work, { recursive: true });
  }
});

test("without koffi: one interface works, broadcasts in both directions", { skip: skipWithout() }, async () => {
  const network = await openNetwork({ server: "10.77.0.1/24", client: "10.77.0.199/24" });
  const { server, client } = network;
  await sendsBroadcasts(client);
  try {
    const plain = server.startNode(new URL("./device-echo.ts", import.meta.url), "eth0", "10.77.0.1", "plain");
    await plain.until("ready");
    const peer = client.startNode(replay, "68");
    await peer.until("ready");
    peer.write(`${JSON.stringify({ hex: "aa", to: "255.255.255.255", port: 67, from: 68 })}\n`);
    assert.equal(JSON.parse(await peer.until('"hex":"aa"')).address, "10.77.0.1");
    peer.write(`${JSON.stringify({ hex: "bb", to: "10.77.0.1", port: 67, from: 68 })}\n`);
    assert.equal(JSON.parse(await peer.until('"hex":"bb"')).address, "10.77.0.1");
    // A second interface: which one a broadcast came from could not be told any more.
    await server.run("ip", "link", "add", "d0", "type", "veth", "peer", "name", "d1");
    for (const name of ["d0", "d1"]) await server.run("ip", "link", "set", name, "up");
    await server.run("ip", "addr", "add", "10.88.0.1/24", "dev", "d0");
    const refused = server.startNode(new URL("./device-echo.ts", import.meta.url), "eth0", "10.77.0.1", "plain");
    assert.match(await refused.until("UDP_"), /UDP_NEEDS_KOFFI.*d0/);
  } finally {
    await network.close();
  }
});

test("with koffi: a broadcast on another interface is not heard, and port or name faults are told", {
  skip: skipWithout(),
}, async () => {
  const network = await openNetwork({ server: "10.77.0.1/24", client: "10.77.0.199/24" });
  const { server, client } = network;
  await sendsBroadcasts(client);
  try {
    const echo = new URL("./device-echo.ts", import.meta.url);
    await server.run("ip", "link", "add", "d0", "type", "veth", "peer", "name", "d1");
    for (const name of ["d0", "d1"]) await server.run("ip", "link", "set", name, "up");
    await server.run("ip", "addr", "add", "10.88.0.1/24", "dev", "d0");
    const onOther = server.startNode(echo, "d0", "10.88.0.1", "koffi");
    await onOther.until("ready");
    const onCable = server.startNode(echo, "eth0", "10.77.0.1", "koffi");
    await onCable.until("ready");
    const peer = client.startNode(replay, "68");
    await peer.until("ready");
    peer.write(`${JSON.stringify({ hex: "aa", to: "255.255.255.255", port: 67, from: 68 })}\n`);
    assert.equal(JSON.parse(await peer.until('"hex":"aa"')).address, "10.77.0.1");
    await onCable.until("heard aa");
    assert(!onOther.seen.includes("heard aa"));
    assert.match(await server.startNode(echo, "nope0", "10.77.0.1", "koffi").until("UDP_"), /UDP_NO_INTERFACE/);
  } finally {
    await network.close();
  }
});
