import { checkBsdpBehaviour } from "./bsdp-behaviour.ts";
import type { Json, JsonObject, Vector, VectorFile } from "./index-file.ts";
import { isObject } from "./index-file.ts";
import { checkPxeBehaviour } from "./pxe-behaviour.ts";
import type { Verdict } from "./verdict.ts";

/** What a vector says that the server must do with a packet on a DHCP port. */
export type Behaviour = {
  readonly action: "reply" | "ignore" | "ignore-unless-bound";
  readonly toAddress?: string;
  readonly toPort?: number;
  readonly fromPort?: number;
  /** Which answer, for example "ACK[LIST]", and more words about it. */
  readonly message: string;
  readonly why: string;
  readonly sideEffect?: string;
};

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

function behaviourOf(value: Json): Behaviour | undefined {
  if (typeof value === "string") return behaviourOfText(value);
  if (!isObject(value)) return undefined;
  const { action } = value;
  if (action !== "reply" && action !== "ignore" && action !== "ignore-unless-bound") return undefined;
  const text = (key: string) => (typeof value[key] === "string" ? value[key] : "");
  return {
    action,
    message: text("message"),
    why: text("why"),
    ...numberOr(value, "toPort"),
    ...numberOr(value, "fromPort"),
    ...(text("toAddress") === "" ? {} : { toAddress: text("toAddress") }),
    ...(text("sideEffect") === "" ? {} : { sideEffect: text("sideEffect") }),
  };
}

function numberOr<K extends string>(value: JsonObject, key: K): { [P in K]?: number } {
  return typeof value[key] === "number" ? ({ [key]: value[key] } as { [P in K]?: number }) : {};
}

function behaviourOfText(text: string): Behaviour | undefined {
  const isSilence = /\b(ignore[ds]?|silen(ce|t)|no (answer|reply|offer)|not (be )?answer(ed)?|drop(ped)?)\b/i.test(
    text,
  );
  if (isSilence && !/\bnever silen/i.test(text)) return { action: "ignore", message: "", why: text };
  if (/\b(OFFER|ACK|NAK)\b/.test(text)) return { action: "reply", message: text, why: "" };
  return undefined;
}
