import type { CleanUpStep } from "./step.ts";

/** systemd-random-seed.service(8), systemd-creds(1), and urandom of System V init. */
const seeds = new Set([
  "var/lib/systemd/random-seed",
  "var/lib/systemd/credential.secret",
  "var/lib/urandom/random-seed",
]);

export const randomSeed: CleanUpStep = {
  name: "random-seed",
  does: "Removes the seed of random numbers and systemd's secret, which must not be the same on two machines.",
  on: ({ path, kind }) => (kind === "file" && seeds.has(path) ? "remove" : undefined),
};
