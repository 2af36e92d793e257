import type { Server, Socket } from "node:net";

export type ConnectionLimits = {
  /** Open connections at the same time. */
  readonly total: number;
  /** Of these, from one client's address. */
  readonly perClient: number;
};

/**
 * Closes connections beyond the limits as soon as they are made, so that one broken or hostile client cannot use up
 * what the others need. Firmware and the agent need two each.
 */
export function limitConnections(server: Server, { total, perClient }: ConnectionLimits): void {
  server.maxConnections = total;
  const open = new Map<string, number>();
  server.on("connection", (socket: Socket) => {
    const client = socket.remoteAddress;
    // It is gone already.
    if (client === undefined) return;
    const count = (open.get(client) ?? 0) + 1;
    open.set(client, count);
    socket.once("close", () => {
      const left = (open.get(client) ?? 1) - 1;
      if (left === 0) open.delete(client);
      else open.set(client, left);
    });
    if (count > perClient) socket.resetAndDestroy();
  });
}
