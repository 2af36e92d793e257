import { behaviourOf } from "./behaviour.ts";
import { checkBsdpBehaviour } from "./bsdp-behaviour.ts";
import type { Vector, VectorFile } from "./index-file.ts";
import { checkPxeBehaviour } from "./pxe-behaviour.ts";
import type { Verdict } from "./verdict.ts";

/** Runs our server's decision on the packet and holds it against `serverBehaviour`. */
export async function checkDhcpBehaviour(
  verdict: Verdict,
  vector: Vector,
  server: VectorFile["server"],
): Promise<void> {
  if (vector.serverBehaviour === undefined) return;
  const behaviour = behaviourOf(vector.serverBehaviour);
  if (behaviour === undefined) {
    verdict.skip(`serverBehaviour ${JSON.stringify(vector.serverBehaviour)}`);
    return;
  }
  if (vector.layer !== "udp-payload") {
    verdict.skip("serverBehaviour (only whole packets can be answered)");
    return;
  }
  // Our answers leave by the socket that the packet came to.
  const port = vector.transport?.dport;
  if (behaviour.fromPort !== undefined && port !== undefined) {
    verdict.same("serverBehaviour.fromPort", behaviour.fromPort, port);
  }
  if (vector.family === "bsdp") checkBsdpBehaviour(verdict, vector, behaviour, server);
  else await checkPxeBehaviour(verdict, vector, behaviour, server);
}
