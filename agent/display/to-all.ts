import type { AgentConsole } from "./console.ts";

/** Tells the same to several: the lines on serial consoles and the picture on the screen. */
export function toAll(consoles: readonly AgentConsole[]): AgentConsole {
  return {
    about: (facts) => consoles.forEach((one) => void one.about(facts)),
    state: (state, detail) => consoles.forEach((one) => void one.state(state, detail)),
    raw: (text) => consoles.forEach((one) => void one.raw(text)),
    progress: (progress) => consoles.forEach((one) => void one.progress(progress)),
    failed: (fault, disk) => consoles.forEach((one) => void one.failed(fault, disk)),
  };
}
