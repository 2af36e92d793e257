import type { Json, JsonObject } from "./index-file.ts";
import { isObject } from "./index-file.ts";

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

/** Reads `serverBehaviour`: an object, or a sentence. Undefined: nobody knows what it says. */
export function behaviourOf(value: Json): Behaviour | undefined {
  if (typeof value === "string") return behaviourOfText(value);
  if (!isObject(value)) return undefined;
  const action = actionOf(value["action"]);
  if (action === undefined) return undefined;
  const text = (key: string) => (typeof value[key] === "string" ? value[key] : "");
  return {
    action,
    message: text("message"),
    why: text("why") || text("reason"),
    ...numberOr(value, "toPort"),
    ...numberOr(value, "fromPort"),
    ...(text("toAddress") === "" ? {} : { toAddress: text("toAddress") }),
    ...(text("sideEffect") === "" ? {} : { sideEffect: text("sideEffect") }),
  };
}

function actionOf(value: Json | undefined): Behaviour["action"] | undefined {
  const text = String(value);
  if (/unless.bound/i.test(text)) return "ignore-unless-bound";
  if (isSilence(text) || text === "none") return "ignore";
  return /^(reply|answer|respond|send)\b/i.test(text) ? "reply" : undefined;
}

function numberOr<K extends string>(value: JsonObject, key: K): { [P in K]?: number } {
  return typeof value[key] === "number" ? ({ [key]: value[key] } as { [P in K]?: number }) : {};
}

function behaviourOfText(text: string): Behaviour | undefined {
  if (isSilence(text)) return { action: "ignore", message: "", why: text };
  if (/\b(OFFER|ACK|NAK)\b/.test(text)) return { action: "reply", message: text, why: "" };
  return undefined;
}

const isSilence = (text: string): boolean =>
  /\b(ignore[ds]?|silen(ce|t)|no[ -](answer|reply|offer)|not (be )?answer(ed)?|never answer(ed)?|drop(ped)?|nothing)\b/i.test(
    text,
  ) && !/\bnever silen/i.test(text);
