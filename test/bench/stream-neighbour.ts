/**
 * Somebody else in the room of test/bench/stream-room.ts: serves or pulls by TCP, answers or asks by UDP. Its one
 * argument is a `NeighbourOrder`; those who measure print one JSON object a line.
 */
import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";
import { setPriority } from "node:os";

export type NeighbourOrder =
  | { readonly role: "answer"; readonly address: string; readonly port: number }
  | { readonly role: "pull" | "ask"; readonly address: string; readonly port: number };

/** What was pulled since the last line, or how long one answer took. */
export type NeighbourSaid =
  | { readonly type: "ready" }
  | { readonly type: "pulled"; readonly bytes: number }
  | { readonly type: "answered"; readonly ms: number };

const ASK_EVERY_MS = 20;
const TELL_EVERY_MS = 100;
/** The size of a voice packet. */
const QUESTION_BYTES = 172;

function say(said: NeighbourSaid): void {
  console.log(JSON.stringify(said));
}

/** Whoever connects gets zeros without end; each datagram goes back. */
function answer(address: string, port: number): void {
  const zeros = Buffer.alloc(64 * 1024);
  const server = createServer((socket) => {
    const write = () => {
      while (socket.write(zeros));
    };
    socket.on("drain", write);
    socket.on("error", () => undefined);
    write();
  });
  const echo = createSocket("udp4");
  echo.on("message", (bytes, { address: from, port: fromPort }) => echo.send(bytes, fromPort, from));
  server.listen(port, address, () => echo.bind(port, address, () => say({ type: "ready" })));
}

function pull(address: string, port: number): void {
  let bytes = 0;
  const socket = connect({ host: address, port }, () => say({ type: "ready" }));
  socket.on("data", (data) => {
    bytes += data.length;
  });
  setInterval(() => {
    say({ type: "pulled", bytes });
    bytes = 0;
  }, TELL_EVERY_MS);
}

function ask(address: string, port: number): void {
  const socket = createSocket("udp4");
  socket.on("message", (bytes) => say({ type: "answered", ms: performance.now() - bytes.readDoubleBE(0) }));
  socket.bind(0, () => say({ type: "ready" }));
  setInterval(() => {
    const question = Buffer.alloc(QUESTION_BYTES);
    question.writeDoubleBE(performance.now());
    socket.send(question, port, address);
  }, ASK_EVERY_MS);
}

// A machine of its own does not wait until those of the room have had their turn: what is measured is the network.
setPriority(-20);
const { role, address, port } = JSON.parse(process.argv[2] ?? "") as NeighbourOrder;
({ answer, pull, ask })[role](address, port);
