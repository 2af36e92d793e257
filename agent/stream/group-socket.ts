/** Hears what is sent to one group. */
export type GroupSocket = { close(): void };

export type JoinOptions = {
  readonly group: string;
  readonly port: number;
  /** An own IPv4 address on the interface that the stream arrives at. */
  readonly interfaceAddress: string;
  /** All datagrams of the stream have one length. */
  readonly datagramBytes: number;
  /** The bytes are only valid during the call. */
  readonly onDatagram: (bytes: Uint8Array) => void;
};
