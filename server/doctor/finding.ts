/** What one look found. `fix` stands with every "warn" and "fail"; "skip" says why nothing could be seen. */
export type Finding = {
  readonly probe: string;
  readonly status: "ok" | "warn" | "fail" | "skip";
  /** One sentence or two. */
  readonly detail: string;
  /** What mends it: a command where there is one. */
  readonly fix?: string;
  /** Of the Fault that ended the look, if one did; NOT_PERMITTED: another user could see it. */
  readonly code?: string;
};

export const areas = ["network", "speed", "store", "agent", "security"] as const;
export type Area = (typeof areas)[number];

/** One look at the machine or at the network. */
export type Check = {
  readonly area: Area;
  /** Names it where it ends without a finding of its own. */
  readonly probe: string;
  /** Several findings, or none where there is nothing to be seen. */
  look(signal: AbortSignal): Promise<readonly Finding[]>;
};

export type DoctorLine = Finding & { readonly area: Area };

export function isProblem({ status }: Pick<Finding, "status">): boolean {
  return status === "warn" || status === "fail";
}

/** Only root, or whoever runs the server, can look at this. */
export function notPermitted(probe: string, detail: string): Finding {
  return { probe, status: "skip", detail, code: "NOT_PERMITTED" };
}
