import type { TransferTerms } from "./negotiation.ts";
import type { TransferResult } from "./read-transfer.ts";

/** Address and port of a client. */
export type Peer = { readonly address: string; readonly port: number };

/** A transfer that is to begin. */
export type TransferOrder = {
  readonly id: number;
  /** The address that was asked: clients drop replies from another one. */
  readonly serverAddress: string;
  readonly peer: Peer;
  readonly file: Uint8Array;
  readonly terms: TransferTerms;
  /** The block number after 65535. */
  readonly wrapTo: 0 | 1;
};

/** `superseded`: the client started anew. `stopped`: the server ends. `failed`: our sockets broke. */
export type TransferEnd = {
  readonly result: TransferResult["result"] | "superseded" | "stopped" | "failed";
  readonly reason: string;
  readonly acknowledgedBytes: number;
  /** Packets that went out more than once. */
  readonly resends: number;
};

export type EngineEvents = {
  ended(id: number, end: TransferEnd): void;
  /** The options of this transfer arrived, its first block did not, several times. */
  suspectMtu(id: number): void;
};

/** Carries out transfers: the sockets, packets and timers behind the requests. */
export type TransferEngine = {
  /** In words for the log. */
  readonly kind: string;
  start(order: TransferOrder): void;
  /** The request of a running transfer came again. It may end it as `superseded`. */
  repeat(id: number): void;
  /** Ends a transfer without a word to the client. */
  supersede(id: number): void;
  /** Sends one ERROR from one of our transfer ports. */
  refuse(serverAddress: string, peer: Peer, code: number, message: string): void;
  /** Tells running clients, ends every transfer as `stopped`, closes the sockets. */
  close(): Promise<void>;
};
