import type { ServerClient } from "./client/server-client.ts";
import type { Order, Registration } from "./contract.ts";
import type { BootNetwork } from "./machine/network.ts";

export type DeployOrder = Extract<Order, { kind: "deploy" }>;

/** This machine as its server knows it. */
export type Host = { readonly client: ServerClient; readonly host: Registration; readonly network: BootNetwork };
