/**
 * Sends the packets that come in on stdin from a real UDP socket and prints
 * what is answered: each line is `{"hex":…,"to":…,"port":…,"from":…}`, each
 * answer `{"hex":…,"address":…,"port":…,"on":…}`. `from` is the own port.
 */
import { createSocket, type Socket } from "node:dgram";
import { createInterface } from "node:readline";

const sockets = new Map<number, Socket>();

function socketOn(port: number): Promise<Socket> {
  const known = sockets.get(port);
  if (known !== undefined) return Promise.resolve(known);
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  sockets.set(port, socket);
  socket.on("message", (bytes, source) => {
    console.log(JSON.stringify({ hex: bytes.toString("hex"), address: source.address, port: source.port, on: port }));
  });
  return new Promise((resolve) =>
    socket.bind(port, () => {
      socket.setBroadcast(true);
      resolve(socket);
    }),
  );
}

for (const port of process.argv.slice(2)) await socketOn(Number(port));
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  const { hex, to, port, from } = JSON.parse(line) as { hex: string; to: string; port: number; from: number };
  (await socketOn(from)).send(Buffer.from(hex, "hex"), port, to);
}
for (const socket of sockets.values()) socket.close();
