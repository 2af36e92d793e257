import type { Fault } from "../../fault.ts";
import type { SenderEvent } from "../../multicast/sender.ts";
import type { LanFinding } from "./lan-finding.ts";

/** What a stream tells its owner. "over": nothing more is sent. "problem": why it had to end. */
export type StreamEvent =
  | Exclude<SenderEvent, { readonly type: "burst" }>
  /** What was found out about the network that it is sent into. */
  | { readonly type: "lan"; readonly finding: LanFinding }
  | { readonly type: "over"; readonly reason: string }
  | { readonly type: "problem"; readonly fault: Fault };
