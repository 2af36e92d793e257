import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { parseUdpTable, udpListeners } from "../../../server/dhcp/port-neighbours.ts";

const table = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  115: 00000000:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 837601 2 0 0
  117: 01004D0A:0045 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 837602 2 0 0
`;

test("who hears a port is read from the system's table", () => {
  assert.deepEqual(parseUdpTable(table, 67), ["0.0.0.0"]);
  assert.deepEqual(parseUdpTable(table, 69), ["10.77.0.1"]);
  assert.deepEqual(parseUdpTable(table, 4011), []);
  assert.deepEqual(parseUdpTable("", 67), []);
});

test("a socket of this machine is found", {
  skip: process.platform !== "linux" && "only Linux has the table",
}, async () => {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  assert.deepEqual(await udpListeners(socket.address().port), ["127.0.0.1"]);
  socket.close();
});
