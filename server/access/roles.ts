/** What a person or program may do, each with all that the one before may: look, give orders, decide who may. */
export const roles = ["viewer", "operator", "admin"] as const;
export type Role = (typeof roles)[number];

/** What a route asks for: "anyone" needs no login. */
export type LeastRole = Role | "anyone";

/** Whether a role is enough. No role is that of somebody who is not logged in. */
export function isEnough(role: Role | undefined, least: LeastRole): boolean {
  if (least === "anyone") return true;
  return role !== undefined && roles.indexOf(role) >= roles.indexOf(least);
}
