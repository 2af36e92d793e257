import { oneOf } from "../disk/disk.ts";

/** One word each; the same on the client's screen, in the API and on the pages. */
export const agentStates = [
  "booting",
  "finding",
  "registering",
  "waiting",
  "preflight",
  "capturing",
  "erasing",
  "receiving",
  "verifying",
  "naming",
  "finishing",
  "rebooting",
  "done",
  "failed",
] as const;
export type AgentState = (typeof agentStates)[number];
export const State = oneOf(agentStates);
