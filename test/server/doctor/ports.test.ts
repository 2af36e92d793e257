import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { lookAtPorts, portFindings, type WantedPort } from "../../../server/doctor/ports.ts";
import { parseSocketTable } from "../../../server/doctor/socket-table.ts";

const udp = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  171: 00000000:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 0
  204: 0100007F:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000   104        0 4712 2 0000000000000000 0`;
const tcp6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:20FB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1
   1: 00000000000000000000000000000000:20FB 0000000000000000FFFF00000100007F:D2F0 01 00000000:00000000 00:00000000 00000000     0        0 4714 1`;

test("socket tables: who listens, and not who talks", () => {
  assert.deepEqual(parseSocketTable(udp, "udp"), [
    { protocol: "udp", port: 67, inode: "4711" },
    { protocol: "udp", port: 5353, inode: "4712" },
  ]);
  assert.deepEqual(parseSocketTable(tcp6, "tcp"), [{ protocol: "tcp", port: 8443, inode: "4713" }]);
  assert.deepEqual(parseSocketTable("", "udp"), []);
});

const dhcp: WantedPort = { protocol: "udp", port: 67, use: "DHCP", setting: "network.dhcp" };
const mdns: WantedPort = {
  protocol: "udp",
  port: 5353,
  use: "multicast DNS",
  setting: "dnssd.enabled",
  isShared: true,
};
const pages: WantedPort = { protocol: "tcp", port: 8443, use: "the pages", setting: "https.port" };
const owners = new Map([
  ["4711", { pid: 77, name: "dnsmasq", unit: "dnsmasq.service" }],
  ["4712", { pid: 78, name: "avahi-daemon" }],
]);

test("ports: who holds one is named, with the command that stops it; multicast DNS is shared", () => {
  const others = [...parseSocketTable(udp, "udp"), ...parseSocketTable(tcp6, "tcp")];
  assert.deepEqual(portFindings([dhcp, mdns, pages], others, owners), [
    {
      probe: "port 67/udp",
      status: "fail",
      detail: "dnsmasq (pid 77) listens on the port for DHCP.",
      fix: "sudo systemctl disable --now dnsmasq.service, or change network.dhcp",
    },
    {
      probe: "port 5353/udp",
      status: "ok",
      detail: "avahi-daemon (pid 78) listens there as well, and multicast DNS is shared.",
    },
    {
      probe: "port 8443/tcp",
      status: "fail",
      detail: "Another program listens on the port for the pages.",
      fix: 'Find it with "sudo ss -lnpt sport = :8443" and stop it, or change https.port',
    },
  ]);
  assert.deepEqual(portFindings([dhcp, pages], [], new Map()), [
    { probe: "ports", status: "ok", detail: "67/udp, 8443/tcp: ours." },
  ]);
});

test("ports: a real socket is ours for its process, and somebody's for every other one", async () => {
  const datagrams = createSocket("udp4").bind(0, "127.0.0.1");
  const stream = createServer().listen(0, "127.0.0.1");
  await Promise.all([once(datagrams, "listening"), once(stream, "listening")]);
  try {
    const wanted: WantedPort[] = [
      { ...dhcp, port: datagrams.address().port },
      { ...pages, port: (stream.address() as AddressInfo).port },
    ];
    const own = await lookAtPorts(wanted, process.pid);
    assert.deepEqual(
      own.map(({ status }) => status),
      ["ok"],
    );
    const foreign = await lookAtPorts(wanted, undefined);
    assert.deepEqual(
      foreign.map(({ status }) => status),
      ["fail", "fail"],
    );
    for (const { detail } of foreign) assert(detail.includes(`(pid ${process.pid})`), detail);
  } finally {
    datagrams.close();
    stream.close();
  }
});
