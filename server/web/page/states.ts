import type { Text } from "./texts/language.ts";
import { texts } from "./texts.ts";

/**
 * How a state is shown: each tone has a colour of its own, each icon a shape of its own, and the word stands beside
 * them. Nobody has to tell colours apart.
 */
export type Tone = "quiet" | "busy" | "care" | "danger" | "good" | "bad" | "held";

type Look = { readonly tone: Tone; readonly icon: string };

/** Nothing moves in these, though they have the colour of what does. */
const still = ["new"];

const looks: Readonly<Record<string, Look>> = {
  new: { tone: "busy", icon: "star" },
  idle: { tone: "quiet", icon: "circle" },
  booting: { tone: "busy", icon: "power" },
  finding: { tone: "busy", icon: "power" },
  registering: { tone: "busy", icon: "power" },
  waiting: { tone: "care", icon: "hourglass" },
  preflight: { tone: "busy", icon: "lens" },
  capturing: { tone: "busy", icon: "up" },
  erasing: { tone: "danger", icon: "eraser" },
  receiving: { tone: "busy", icon: "down" },
  verifying: { tone: "busy", icon: "lens" },
  naming: { tone: "busy", icon: "tag" },
  finishing: { tone: "busy", icon: "tag" },
  rebooting: { tone: "busy", icon: "turn" },
  done: { tone: "good", icon: "tick" },
  failed: { tone: "bad", icon: "cross" },
  locked: { tone: "held", icon: "lock" },
  offline: { tone: "quiet", icon: "off" },
  pending: { tone: "care", icon: "hourglass" },
};

export function lookOf(state: string): Look {
  return looks[state] ?? { tone: "quiet", icon: "circle" };
}

/** The word for a state; one that a newer server has is shown as it is. */
export function wordOf(state: string): Text {
  const known: Readonly<Record<string, Text>> = texts.states;
  return known[state] ?? [state, state];
}

/** States in which something moves, so that a page looks again without being told. */
export function isMoving(state: string): boolean {
  const { tone } = lookOf(state);
  return (tone === "busy" || tone === "danger") && !still.includes(state);
}

/** The order in which states are listed and counted: what needs somebody first. */
export const tones: readonly Tone[] = ["bad", "danger", "busy", "care", "good", "held", "quiet"];

/** Each state with the number of hosts in it, what needs somebody first. */
export function countStates(states: readonly string[]): { readonly state: string; readonly count: number }[] {
  const counts = new Map<string, number>();
  for (const state of states) counts.set(state, (counts.get(state) ?? 0) + 1);
  const rank = (state: string) => tones.indexOf(lookOf(state).tone);
  return [...counts]
    .map(([state, count]) => ({ state, count }))
    .sort((a, b) => rank(a.state) - rank(b.state) || b.count - a.count || (a.state < b.state ? -1 : 1));
}
