/** Sends 20 000 packets at a server's boot ports: noise, and recorded packets with bytes changed, cut off or both. The seed repeats them. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { bytesOf, packetVectors } from "../bsdp/packet-vectors.ts";

const [server = "", seed = "1"] = process.argv.slice(2);
const PACKETS = 20_000;
const recorded = packetVectors.filter(({ layer }) => layer === "udp-payload").map(({ hex }) => bytesOf(hex));
let state = Number(seed);

/** 0 up to, not including, `end`: a linear congruential generator (Numerical Recipes). */
function random(end: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return (state >>> 8) % end;
}

function packet(): Uint8Array {
  if (random(4) === 0) return Uint8Array.from({ length: random(600) }, () => random(256));
  const bytes = Uint8Array.from(recorded[random(recorded.length)]!);
  for (let changes = 1 + random(6); changes > 0; changes -= 1) bytes[random(bytes.length)] = random(256);
  return random(3) === 0 ? bytes.subarray(0, random(bytes.length + 1)) : bytes;
}

const socket = createSocket("udp4").bind();
await once(socket, "listening");
socket.setBroadcast(true);
for (let sent = 1; sent <= PACKETS; sent += 1) {
  const port = [67, 67, 4011, 69][random(4)]!;
  socket.send(packet(), port, port === 67 && random(2) === 0 ? "255.255.255.255" : server);
  // Pauses, so that the packets reach the server instead of being dropped in front of it.
  if (sent % 200 === 0) await delay(10);
}
socket.close(() => console.log("flooded"));
